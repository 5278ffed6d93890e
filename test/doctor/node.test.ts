// Nodes: not ready, under pressure, rebooted, cordoned, tainted, of different versions.
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import type { ObjectOf } from '../../src/doctor/objects/kinds.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { recorded } from './recorded.ts';
import { causesIn, eachObject, found, ids, itemsOf, withFacts, withObjects } from './rig.ts';
import { cordoned, past, pod, waitingPod, well, withEvents, withPods } from './well.ts';

type Node = ObjectOf<'nodes'>;
let base: Snapshot;
let stopped: Snapshot;

beforeAll(async () => {
  base = await well();
  stopped = await recorded('worker-kubelet-stopped');
});

function n2(snapshot: Snapshot, change: (node: Node) => unknown): Snapshot {
  return eachObject(snapshot, 'nodes', node => (node.metadata.name === 'n2' ? change(node) : node));
}

function condition(snapshot: Snapshot, type: string, more: object): Snapshot {
  return n2(snapshot, node => ({
    ...node,
    status: {
      ...node.status,
      conditions: node.status.conditions.map(each => (each.type === type ? { ...each, ...more } : each)),
    },
  }));
}

const noCni =
  'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized';
const unit: NonNullable<MachineFacts['units']>[string] = {
  load: 'loaded',
  active: 'active',
  sub: 'running',
  result: 'success',
  enabled: 'enabled',
  since: '',
  restarts: 0,
  pid: 1,
  frozen: false,
};

describe('node-not-ready', () => {
  it('repeats what the kubelet says when it speaks', () => {
    const [one] = found(
      'node-not-ready',
      condition(base, 'Ready', {
        status: 'False',
        reason: 'KubeletNotReady',
        message: 'PLEG is not healthy',
        lastTransitionTime: past(base, 90),
      }),
    );
    expect(one).toMatchObject({ certainty: 'certain', about: ['machine:n2'] });
    expect(one?.says).toContain('PLEG is not healthy');
  });

  it('says nothing of the first 30 s of a kubelet, nor of a machine that is joining', () => {
    const bad = { status: 'False', reason: 'KubeletNotReady', message: noCni };
    expect(ids(condition(base, 'Ready', { ...bad, lastTransitionTime: past(base, 20) }))).toEqual([]);
    const young = condition(base, 'Ready', { ...bad, lastTransitionTime: past(base, 90) });
    expect(
      ids(n2(young, node => ({ ...node, metadata: { ...node.metadata, creationTimestamp: past(base, 90) } }))),
    ).toEqual([]);
  });

  it('takes silence since the last lease, and is certain once the machine was looked at', () => {
    const [one] = found('node-not-ready', stopped);
    expect(one).toMatchObject({ certainty: 'possible', since: '2026-11-21T20:08:00.433335Z' });
    expect(one?.says).toContain('nobody looked at the machine itself');
    expect(one?.says).toMatch(/since 2026-11-21T20:08:00\.433335Z, for \d+ \w+;/);
    expect(one?.evidence[1]?.says).toBe('renewed last at 2026-11-21T20:08:00.433335Z');
    const [seen] = found('node-not-ready', withFacts(stopped, 'n2', { units: { kubelet: unit } }));
    expect(seen?.certainty).toBe('certain');
    expect(seen?.settledBy).toBeUndefined();
    expect(seen?.says).not.toContain('nobody looked');
  });

  it('takes silence since the condition changed, where no lease of that node is there', () => {
    const others = eachObject(stopped, 'leases', each => (each.metadata.name === 'n2' ? undefined : each));
    const [one] = found('node-not-ready', others);
    expect(one?.since).toBe(
      itemsOf(stopped, 'nodes')
        .find(({ metadata }) => metadata.name === 'n2')
        ?.status.conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime,
    );
    expect(one?.evidence).toHaveLength(1);
  });

  it('does not count from a moment that is none', () => {
    const [one] = found(
      'node-not-ready',
      eachObject(condition(stopped, 'Ready', { lastTransitionTime: '' }), 'leases', () => undefined),
    );
    expect(one?.says).not.toMatch(/NaN|, for/);
  });

  it('leaves one that does not answer to the rules about machines', () => {
    const gone = { kind: 'no answer', says: 'timed out' } as const;
    const snapshot = {
      ...stopped,
      machines: stopped.machines.map(each => (each.name === 'n2' ? { ...each, unreached: gone } : each)),
    };
    expect(found('node-not-ready', snapshot)[0]?.says).not.toContain('nobody looked');
    expect(found('node-not-ready', snapshot)[0]?.cure[0]).not.toContain('homelab doctor');
    expect(found('node-not-ready', stopped)[0]?.cure[0]).toContain('homelab doctor');
  });

  it('has the pods of that machine under it, and no others', () => {
    const [first] = diagnose(stopped, rules).broken;
    expect(first?.consequences.every(({ about }) => about.includes('machine:n2'))).toBe(true);
    const moved = eachObject(stopped, 'pods', pod =>
      pod.metadata.name === 'ok' ? { ...pod, spec: { ...pod.spec, nodeName: 'n1' } } : pod,
    );
    expect(diagnose(moved, rules).broken[0]?.consequences.map(({ about }) => about[0])).not.toContain('pod:demo/ok');
  });
});

describe('cni-not-initialised', () => {
  const bad = (message: string) =>
    condition(base, 'Ready', {
      status: 'False',
      reason: 'KubeletNotReady',
      message,
      lastTransitionTime: past(base, 90),
    });

  it('explains the node that is not ready, and names the agent that is not there', () => {
    const { broken } = diagnose(bad(noCni), rules);
    expect(broken.map(({ rule }) => rule)).toEqual(['cni-not-initialised']);
    expect(broken[0]?.consequences.map(({ rule }) => rule)).toEqual(['node-not-ready']);
    expect(broken[0]?.says).toContain('no pod of a network agent is there');
  });

  it('names the agents of that node, and which of them is not ready', () => {
    const with2 = (status: string, nodeName = 'n2', name = 'cilium-x7k2p') =>
      withPods(
        bad(noCni),
        pod(base, name, {
          metadata: { namespace: 'kube-system' },
          spec: { nodeName },
          status: { conditions: [{ type: 'Ready', status }] },
        }),
      );
    const said = (snapshot: Snapshot) => found('cni-not-initialised', snapshot)[0]?.says;
    expect(said(with2('False'))).toMatch(/network agent \S*cilium-x7k2p is not ready$/);
    expect(said(with2('True'))).toMatch(/network agent \S*cilium-x7k2p is ready$/);
    expect(said(with2('False', 'n1'))).toContain('no pod of a network agent is there');
    expect(said(with2('False', 'n2', 'web'))).toContain('no pod of a network agent is there');
    const both = withPods(
      with2('True'),
      pod(base, 'cilium-old', { status: { conditions: [{ type: 'Ready', status: 'False' }] } }),
    );
    expect(said(both)).toMatch(/network agent \S*cilium-old is not ready$/);
  });

  it('is not what a broken runtime or a silent kubelet says', () => {
    expect(ids(bad('container runtime is down'))).not.toContain('cni-not-initialised');
    expect(
      ids(condition(base, 'Ready', { status: 'Unknown', reason: 'NodeStatusUnknown', message: noCni })),
    ).not.toContain('cni-not-initialised');
  });
});

describe('node-pressure', () => {
  it.each(['MemoryPressure', 'DiskPressure', 'PIDPressure'])('tells %s when it is True', type => {
    expect(found('node-pressure', condition(base, type, { status: 'True' }))).toMatchObject([
      { severity: 'error', about: ['machine:n2'] },
    ]);
  });

  it('is never read from Unknown, nor from a condition that nobody knows', () => {
    expect(ids(condition(base, 'DiskPressure', { status: 'Unknown' }))).toEqual([]);
    expect(ids(condition(base, 'DiskPressure', { type: 'EtcdIsVoter', status: 'True' }))).toEqual([]);
  });
});

describe('node-rebooted', () => {
  const rebooted = (seconds: number) =>
    withEvents(base, { kind: 'Node', name: 'n2', uid: 'n2', namespace: 'default' }, [
      { reason: 'Rebooted', message: 'Node n2 has been rebooted, boot id: 1448a8a6', first: seconds },
    ]);
  // The recorded nodes are minutes old.
  const old = (snapshot: Snapshot) =>
    n2(snapshot, node => ({ ...node, metadata: { ...node.metadata, creationTimestamp: past(base, 86_400) } }));

  it('is a note for a quarter of an hour, by the event or by the machine itself', () => {
    expect(found('node-rebooted', old(rebooted(300)))).toMatchObject([{ severity: 'note' }]);
    const identity = { bootedAt: past(base, 200) } as NonNullable<MachineFacts['identity']>;
    expect(found('node-rebooted', old(withFacts(base, 'n2', { identity })))).toMatchObject([
      { since: past(base, 200) },
    ]);
  });

  it('takes the later of two, and shows what it knows it by', () => {
    const both = withEvents(rebooted(100), { kind: 'Node', name: 'n2', uid: 'n2', namespace: 'default' }, [
      { reason: 'Rebooted', message: 'Node n2 has been rebooted, boot id: 1448a8a5', first: 5000 },
    ]);
    expect(found('node-rebooted', old(both))).toMatchObject([{ since: past(base, 100) }]);
    expect(found('node-rebooted', old(both))[0]?.evidence).toHaveLength(1);
    const identity = { bootedAt: past(base, 200) } as NonNullable<MachineFacts['identity']>;
    expect(found('node-rebooted', old(withFacts(base, 'n2', { identity })))[0]?.evidence[0]?.says).toMatch(
      /^booted at/,
    );
    expect(found('node-rebooted', old(withFacts(base, 'n2', { identity })))[0]?.evidence).toHaveLength(1);
  });

  it('is not told of an older boot, nor of a machine that joined after it', () => {
    expect(found('node-rebooted', old(rebooted(2000)))).toEqual([]);
    expect(
      found(
        'node-rebooted',
        n2(rebooted(300), node => ({ ...node, metadata: { ...node.metadata, creationTimestamp: past(base, 100) } })),
      ),
    ).toEqual([]);
  });
});

describe('a cordon', () => {
  const ours = { 'homelab/cordoned': 'drain' };
  const held = (snapshot: Snapshot) =>
    withPods(snapshot, waitingPod(snapshot, 'web', '0/2 nodes are available: 1 node(s) were unschedulable.'));

  it('of its owner is a note, and nothing when it is lifted', () => {
    expect(found('node-cordoned', cordoned(base))).toMatchObject([{ severity: 'note' }]);
    expect(found('node-cordoned', base)).toEqual([]);
    expect(found('cordon-left-behind', cordoned(base))).toEqual([]);
  });

  it('is an error when a pod would fit there, which then stands under it', () => {
    const { broken } = diagnose(held(cordoned(base)), rules);
    expect(broken.map(({ rule }) => rule)).toEqual(['node-cordoned']);
    expect(broken[0]?.severity).toBe('error');
    expect(broken[0]?.consequences.map(({ about }) => about)).toEqual([['pod:demo/web', 'machine:n2']]);
  });

  it('is none when the pod would not fit there either, and another node is open', () => {
    const open = eachObject(cordoned(base), 'nodes', node =>
      node.metadata.name === 'n1' ? { ...node, spec: { ...node.spec, taints: [] } } : node,
    );
    const big = waitingPod(base, 'big', '0/2 nodes are available: 2 Insufficient memory.', {
      spec: { containers: [{ name: 'c', resources: { requests: { memory: '900Gi' } } }] },
    });
    expect(found('node-cordoned', withPods(open, big))).toMatchObject([{ severity: 'note' }]);
    expect(causesIn(withPods(open, big), rules)).toEqual(['pod-too-big']);
  });

  const asks = (memory: string) => ({ spec: { containers: [{ name: 'c', resources: { requests: { memory } } }] } });

  it('says since when, and which pods would fit there if it were lifted', () => {
    const at = past(base, 600);
    expect(found('node-cordoned', cordoned(base))).toMatchObject([
      {
        says: `n2 is cordoned by its owner since ${at}; no pod waits for it`,
        since: at,
        evidence: [{ says: `spec.unschedulable=true, tainted at ${at}` }],
      },
    ]);
    const untimed = n2(cordoned(base), node => ({ ...node, spec: { ...node.spec, taints: [] } }));
    const [one] = found('node-cordoned', untimed);
    expect(one).toMatchObject({
      says: 'n2 is cordoned by its owner; no pod waits for it',
      evidence: [{ says: 'spec.unschedulable=true' }],
    });
    expect(one).not.toHaveProperty('since');
    const two = withPods(held(cordoned(base)), waitingPod(base, 'big', '', asks('900Gi')));
    expect(found('node-cordoned', two)[0]?.says).toMatch(/, and demo\/web would fit there$/);
  });

  it('is in the way of nobody who was made long ago and looked at a moment ago, or who fits elsewhere', () => {
    const web = waitingPod(base, 'web', '', { seconds: 10 });
    const old = { ...web, metadata: { ...(web['metadata'] as object), creationTimestamp: past(base, 3600) } };
    expect(found('node-cordoned', withPods(cordoned(base), old))).toMatchObject([{ severity: 'note' }]);
    const open = eachObject(held(cordoned(base)), 'nodes', node =>
      node.metadata.name === 'n1' ? { ...node, spec: { ...node.spec, taints: [] } } : node,
    );
    expect(found('node-cordoned', open)).toMatchObject([{ severity: 'note' }]);
    const tolerates = { spec: { tolerations: [{ operator: 'Exists' }] } };
    expect(found('node-cordoned', withPods(cordoned(base), waitingPod(base, 'web', '', tolerates)))).toMatchObject([
      { severity: 'note' },
    ]);
  });

  it('is all that closes the last node, or is not', () => {
    const big = waitingPod(base, 'big', '', asks('900Gi'));
    const last = withPods(cordoned(base), big);
    expect(found('node-cordoned', last)).toMatchObject([
      { severity: 'error', says: expect.stringMatching(/takes pods, while 1 pod waits for one \(demo\/big\)$/) },
    ]);
    const note = [{ severity: 'note', says: expect.stringMatching(/; no pod waits for it$/) }];
    expect(found('node-cordoned', condition(last, 'Ready', { status: 'False' }))).toMatchObject(note);
    const tainted = n2(last, node => ({
      ...node,
      spec: { ...node.spec, taints: [...node.spec.taints, { key: 'gpu', effect: 'NoSchedule' }] },
    }));
    expect(found('node-cordoned', tainted)).toMatchObject(note);
    expect(found('node-cordoned', withPods(tainted, waitingPod(base, 'web', '')))).toMatchObject(note);
    const claim = '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.';
    expect(found('node-cordoned', withPods(cordoned(base), waitingPod(base, 'db', claim)))[0]?.says).not.toContain(
      'would fit there',
    );
  });

  it('of homelab is a warning with a way back once its run was cut off', () => {
    const machines = base.machines.map(({ unreached: _, ...machine }) => machine);
    const open = { run: '1', command: 'homelab upgrade --to v1.31.4', startedAt: past(base, 900), says: 'stopped' };
    const snapshot = { ...cordoned(base, ours, 900), machines, openRuns: [open] };
    const [one] = found('cordon-left-behind', snapshot);
    expect(one).toMatchObject({ severity: 'warning', certainty: 'certain', fix: { machine: 'n1' } });
    expect(one?.fix?.script).toContain('uncordon n2');
    expect(one?.fix?.undo).toContain('cordon n2');
    expect(one?.cure[0]).toContain('homelab upgrade --to v1.31.4');
    expect(found('node-cordoned', snapshot)).toEqual([]);
    expect(one?.evidence[0]?.says).toMatch(/, annotation homelab\/cordoned$/);
    const [atWork] = found('cordon-left-behind', { ...cordoned(base, ours, 300), machines });
    expect(atWork?.certainty).toBe('possible');
    expect(atWork?.fix).toBeUndefined();
  });

  it('of homelab is only a note while a run may be under way, and an error when it is old and in the way', () => {
    expect(found('cordon-left-behind', cordoned(base, ours, 300))).toMatchObject([
      { severity: 'note', certainty: 'possible' },
    ]);
    expect(found('cordon-left-behind', held(cordoned(base, ours, 7200)))).toMatchObject([{ severity: 'error' }]);
    expect(found('cordon-left-behind', cordoned(base, ours, 7200))).toMatchObject([{ severity: 'warning' }]);
  });

  it('has no fix where no control plane was reached', () => {
    expect(found('cordon-left-behind', cordoned(base, ours, 7200))[0]?.fix).toBeUndefined();
  });
});

describe('a taint', () => {
  const tainted = (key: string, seconds: number, effect = 'NoSchedule') =>
    n2(base, node => ({
      ...node,
      spec: { ...node.spec, taints: [{ key, effect, timeAdded: past(base, seconds) }] },
    }));

  it('of a silent node is told when the node is Ready again', () => {
    expect(found('taint-left-behind', tainted('node.kubernetes.io/unreachable', 600))).toMatchObject([
      {
        severity: 'warning',
        about: ['machine:n2'],
        since: past(base, 600),
        evidence: [{ says: expect.stringContaining(`:NoSchedule, added at ${past(base, 600)}; Ready=True`) }],
      },
    ]);
    const untimed = n2(base, node => ({
      ...node,
      spec: { ...node.spec, taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] },
    }));
    const [one] = found('taint-left-behind', untimed);
    expect(one?.evidence[0]?.says).toContain(':NoExecute; Ready=True');
    expect(one).not.toHaveProperty('since');
  });

  it('is right on a node that is silent, has just come back, or was tainted by its owner', () => {
    expect(found('taint-left-behind', stopped)).toEqual([]);
    const back = tainted('node.kubernetes.io/unreachable', 600);
    expect(found('taint-left-behind', condition(back, 'Ready', { lastTransitionTime: past(base, 20) }))).toEqual([]);
    expect(found('taint-left-behind', tainted('dedicated', 600))).toEqual([]);
  });

  it('of Cilium is told after two minutes', () => {
    expect(found('cilium-agent-not-ready', tainted('node.cilium.io/agent-not-ready', 300))).toMatchObject([
      { severity: 'error', about: ['machine:n2'], since: past(base, 300) },
    ]);
    expect(found('cilium-agent-not-ready', tainted('node.cilium.io/agent-not-ready', 60))).toEqual([]);
    expect(found('cilium-agent-not-ready', tainted('node.cilium.io/other', 300))).toEqual([]);
  });
});

describe('versions', () => {
  const kubelet = (version: string, snapshot = base) =>
    n2(snapshot, node => ({
      ...node,
      status: { ...node.status, nodeInfo: { ...node.status.nodeInfo, kubeletVersion: version } },
    }));

  const onlyTwo = (snapshot: Snapshot) =>
    eachObject(snapshot, 'nodes', node => (['n1', 'n2'].includes(node.metadata.name) ? node : undefined));

  it('that differ by a patch are told, and which machine is the odd one', () => {
    const [one] = found('versions-mixed', kubelet('v1.26.4'));
    expect(one?.severity).toBe('warning');
    expect(one?.says).toContain('v1.26.4 on n2');
    expect(found('versions-mixed', base)).toEqual([]);
    expect(found('versions-mixed', kubelet('unknown'))).toEqual([]);
  });

  it('that differ while homelab upgrades are a note', () => {
    expect(found('versions-mixed', cordoned(kubelet('v1.26.4'), { 'homelab/cordoned': 'drain' }))).toMatchObject([
      { severity: 'note' },
    ]);
  });

  it.each([
    ['v1.27.0', 1],
    ['v1.25.9', 0],
    ['v1.24.0', 0],
    ['v1.23.17', 1],
  ])('a kubelet %s beside an API server v1.26.1', (version, count) => {
    expect(found('version-skew', kubelet(version))).toHaveLength(count);
  });

  it('that do not go together are told with the API server that forbids them', () => {
    const says = (version: string) => found('version-skew', kubelet(version))[0]?.says;
    expect(says('v1.27.0')).toContain('a kubelet may not be newer');
    expect(says('v1.23.17')).toContain('a kubelet may be 2 minors older and no more');
  });

  it('of as many machines each are told from the oldest on', () => {
    const says = (version: string) => found('versions-mixed', onlyTwo(kubelet(version)))[0]?.says;
    expect(says('v1.26.4')).toMatch(/^The kubelets differ: v1\.26\.\d+ on n1; v1\.26\.4 on n2$/);
    expect(says('v1.25.9')).toMatch(/^The kubelets differ: v1\.25\.9 on n2; /);
  });

  it('that are over are told from the day after their last', () => {
    const at = (day: string) => ({ ...base, at: Date.parse(day) });
    expect(found('kubernetes-end-of-life', at('2024-02-29T12:00:00Z'))).toHaveLength(1);
    expect(found('kubernetes-end-of-life', at('2024-02-28T12:00:00Z'))).toEqual([]);
    expect(
      found(
        'kubernetes-end-of-life',
        withObjects(
          base,
          'nodes',
          itemsOf(kubelet('v1.99.0'), 'nodes').filter(({ metadata }) => metadata.name === 'n2'),
        ),
      ),
    ).toEqual([]);
  });

  it('of the container runtime that differ are a note', () => {
    const says = (containerRuntimeVersion: string) =>
      found(
        'runtimes-mixed',
        n2(base, node => ({
          ...node,
          status: { ...node.status, nodeInfo: { ...node.status.nodeInfo, containerRuntimeVersion } },
        })),
      );
    expect(says('containerd://2.2.0')).toMatchObject([{ severity: 'note' }]);
    expect(says('')).toEqual([]);
    expect(found('runtimes-mixed', base)).toEqual([]);
  });
});
