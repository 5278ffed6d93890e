import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { controlPlaneTaint } from '../../src/model/cluster.ts';
import { nodeObject } from '../../src/resources/node-object.ts';
import { host } from '../sample.ts';
import { changeOf, observe, scratch, standIns } from './rig.ts';

const node = nodeObject({
  ...host('k8s-worker1'),
  labels: { disk: 'ssd', 'node-role.kubernetes.io/worker': '' },
  taints: [
    { key: 'dedicated', value: 'database', effect: 'NoSchedule' },
    { key: 'flaky', value: undefined, effect: 'PreferNoSchedule' },
  ],
});

function machine(labels: string, taints: string) {
  const folder = scratch();
  mkdirSync(join(folder, 'kubernetes'));
  writeFileSync(join(folder, 'kubernetes', 'admin.conf'), '');
  const bin = standIns(folder, {
    kubectl: `case $* in
  *'label --list node k8s-worker1') cat <<'END'\n${labels}END\n;;
  *'get node k8s-worker1'*) cat <<'END'\n${taints}END\n;;
  *) exit 99 ;;
esac`,
  });
  return { bin, moved: { '/etc/kubernetes': join(folder, 'kubernetes') } };
}

describe('labels and taints', () => {
  it('are read as kubectl prints them; those of others are not looked at', () => {
    const labels = 'disk=ssd\nnode-role.kubernetes.io/worker=\nkubernetes.io/hostname=k8s-worker1\n';
    const taints =
      'taint dedicated:NoSchedule=database\ntaint flaky:PreferNoSchedule=\ntaint node.kubernetes.io/unreachable:NoExecute=\n';
    expect(observe(node, machine(labels, taints))).toEqual(node.desired);
  });

  it('that are missing or other say so, and are written over', () => {
    const observed = observe(node, machine('disk=hdd\n', 'taint dedicated:NoExecute=database\n'));
    expect(changeOf(node, observed)).toMatchObject({
      why: "label disk is hdd, not ssd; label node-role.kubernetes.io/worker is absent, not ''; taint dedicated:NoSchedule is absent, not database; taint flaky:PreferNoSchedule is absent, not ''",
      risk: 'safe',
    });
    const { script } = changeOf(node, observed).action;
    expect(script).toContain('label --overwrite node k8s-worker1 disk=ssd');
    expect(script).toContain('taint --overwrite node k8s-worker1 flaky=:PreferNoSchedule');
  });

  it('that keep pods away are taken off where they must not be', () => {
    const alone = nodeObject(host('k8s-cp'), [controlPlaneTaint]);
    const name = 'taint node-role.kubernetes.io/control-plane:NoSchedule';
    expect(alone.change({ [name]: 'absent' }, [])).toBeUndefined();
    const change = changeOf(alone, { [name]: '' });
    expect(change).toMatchObject({ why: `${name} is '', not absent`, diff: `- ${name}=` });
    expect(change.action.script).toContain('taint node k8s-cp node-role.kubernetes.io/control-plane:NoSchedule-');
  });

  it('are absent before there is a cluster', () => {
    expect(observe(node, { moved: { '/etc/kubernetes': '/nowhere' } })).toEqual(node.blank);
  });
});
