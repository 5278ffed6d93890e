// Cilium's preflight, run by dash with stand-ins: it is made, waited for, and taken away, whatever comes of it.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { release } from '../../src/resources/release.ts';
import type { ReleaseOptions } from '../../src/resources/release-script.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';

const values = {
  k8sServiceHost: '192.168.0.10',
  k8sServicePort: 6443,
  hubble: { relay: { enabled: true } },
  image: { repository: 'mirror.lan/cilium/cilium', useDigest: false },
  preflight: { image: { pullPolicy: 'Always' }, priorityClassName: 'high' },
};
const options: ReleaseOptions = {
  name: 'cilium',
  namespace: 'kube-system',
  chart: { name: 'cilium', version: '1.19.6', source: { kind: 'repository', url: 'https://helm.cilium.io/' } },
  values,
  kubernetes: '1.31',
  file: undefined,
  proxy: {},
  isFelt: true,
  minorsAtOnce: 1,
  remedies: [],
  beforeUpgrade: layers.cilium.beforeUpgrade?.(values),
};
const resource = release(options);
const desired = resource.desired as Record<string, string>;

function run(observed: Record<string, string>, { checked = '4', policies = '1' } = {}) {
  const folder = scratch();
  const { status, chart, values: digest, kubernetes } = observed;
  const bin = standIns(folder, {
    helm: `echo "helm $*" >>${folder}/asked
case "$*" in
  version*) echo v3.18.4 ;;
  *'upgrade --install cilium-preflight'*) while [ "$1" != --values ]; do shift; done; cp "$2" ${folder}/preflight.json ;;
esac`,
    kubectl: `case "$*" in
  *'daemonset cilium-pre-flight-check'*) printf '${checked}' ;;
  *'daemonset cilium'*) printf 4 ;;
  *'deployment cilium-pre-flight-check'*) printf '${policies}' ;;
  *'get secret'*) ${status === 'absent' ? ':' : `echo '1 ${status} ${chart} ${digest} ${kubernetes}'`} ;;
  *'get pods'*) echo 'cilium-pre-flight-check-x 0/1 ImagePullBackOff 0 5m' ;;
esac`,
    sleep: ':',
  });
  const change = resource.change(observed, []);
  const said = dash(`set -eu\n${change?.action.script}`, { bin });
  const asked = readFileSync(`${folder}/asked`, 'utf8')
    .split('\n')
    .filter(line => !line.startsWith('helm version'));
  const preflight = `${folder}/preflight.json`;
  return { ...said, asked, given: existsSync(preflight) ? readFileSync(preflight, 'utf8') : '' };
}

describe("Cilium's preflight", () => {
  const older = { ...desired, chart: 'cilium-1.18.12' };

  it('comes before an upgrade to another chart, with nothing of the release but where the API is', () => {
    const { code, asked, given } = run(older);
    expect(code).toBe(0);
    const order = ['upgrade --install cilium-preflight', 'uninstall cilium-preflight', 'upgrade --install cilium '];
    const places = order.map(words => asked.findLastIndex(line => line.includes(words)));
    expect(places.every(place => place >= 0)).toBe(true);
    expect(places.toSorted((left, right) => left - right)).toEqual(places);
    expect(JSON.parse(given)).toEqual({
      k8sServiceHost: '192.168.0.10',
      k8sServicePort: 6443,
      preflight: {
        enabled: true,
        priorityClassName: 'high',
        image: { repository: 'mirror.lan/cilium/cilium', useDigest: false, pullPolicy: 'Always' },
      },
      agent: false,
      operator: { enabled: false },
    });
  });

  it.each([
    ['an image that does not come', { checked: '3' }],
    ['a policy that the new version does not understand', { policies: '' }],
  ])('%s: Cilium is left as it is, and the preflight is gone', (_, found) => {
    const { code, stderr, asked } = run(older, found);
    expect(code).not.toBe(0);
    expect(stderr).toContain('waits: cilium-pre-flight-check-x ImagePullBackOff');
    expect(asked.at(-2)).toContain('uninstall cilium-preflight');
    expect(asked.some(line => line.includes('upgrade --install cilium '))).toBe(false);
  });

  it.each([
    ['a first installation', { ...desired, status: 'absent', chart: '', values: '', kubernetes: '' }],
    ['other values of the same chart', { ...desired, values: 'other' }],
  ])('%s has none', (_, observed) => {
    const { code, asked } = run(observed);
    expect(code).toBe(0);
    expect(asked.join()).not.toContain('preflight');
  });

  it('what it waited for in vain is said, with what to type', () => {
    const explain = resource.change(older, [])?.action.explain ?? [];
    const told = [...(layers.cilium.remedies ?? []), ...explain].find(({ pattern }) =>
      pattern.test('homelab: the preflight of Cilium is not ready'),
    );
    expect(told?.hint).toContain('kubectl');
  });
});
