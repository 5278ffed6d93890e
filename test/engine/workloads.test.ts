import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseWorkloads } from '../../src/engine/workloads.ts';
import { parseQuantity } from '../../src/model/quantities.ts';
import type { Pod, Workloads } from '../../src/model/workloads.ts';
import { nothingRuns } from '../workloads-sample.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/workloads/${name}`, import.meta.url), 'utf8');
const read = (stdout: string, code = 0) => parseWorkloads({ code, stdout, stderr: '' });
const known = (...said: readonly string[]): Workloads => {
  const found = read(said.join(''));
  if (found === 'unknown') throw new Error('it was told');
  return found;
};
/** As kubectl prints a list. */
const listed = (...items: readonly object[]) =>
  `${JSON.stringify({ apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } }, null, 4)}\n`;

const named = (kind: string, name: string, rest: object) => ({ kind, metadata: { name, namespace: 'shop' }, ...rest });
const aPod = (spec: object = {}, metadata: object = {}, status: object = {}) =>
  named('Pod', 'web-1', { spec, status, metadata: { name: 'web-1', namespace: 'shop', ...metadata } });
const podFrom = (...items: readonly object[]): Pod => {
  const [pod] = known(listed(...items)).pods;
  if (!pod) throw new Error('there is a pod');
  return pod;
};
const requests = (spec: object) => podFrom(aPod(spec)).requests;
const asking = (cpu: string | number, more: object = {}) => ({ resources: { requests: { cpu } }, ...more });
const namesOf = (all: readonly { readonly namespace: string; readonly name: string }[]) =>
  all.map(({ namespace, name }) => `${namespace}/${name}`);

describe('what runs in a cluster', () => {
  it.each([
    ['it is no control plane', 'none\n', 0],
    ['no API server answers', 'silent\n', 0],
    ['it went away between two lists', `${listed()}silent\n`, 0],
    ['the last question failed', listed(), 1],
  ])('is unknown where %s', (_, said, code) => {
    expect(read(said, code)).toBe('unknown');
    expect(parseWorkloads(undefined)).toBe('unknown');
  });

  it('may come in several lists, or be nothing', () => {
    expect(known(listed())).toEqual(nothingRuns);
    expect(namesOf(known(listed(aPod()), listed(named('Service', 'web', { spec: {} }))).pods)).toEqual(['shop/web-1']);
  });
});

describe('a pod', () => {
  it('is told by real clusters as this: Kubernetes 1.26', () => {
    const { pods } = known(fixture('recorded.json'));
    expect(namesOf(pods.filter(({ isStatic }) => isStatic))).toEqual(['kube-system/etcd-n1']);
    expect(pods.find(({ name }) => name === 'toobig')).toMatchObject({ node: '', phase: 'Pending', owner: 'none' });
    const dns = pods.find(({ name }) => name.startsWith('coredns'));
    expect(dns).toMatchObject({
      node: 'n1',
      requests: { cpu: 100, memory: 70 * 2 ** 20, pods: 1 },
      owner: { kind: 'ReplicaSet', name: 'coredns-787d4945fb' },
    });
    expect(dns?.tolerations).toContainEqual({
      key: 'node-role.kubernetes.io/control-plane',
      operator: 'Equal',
      value: '',
      effect: 'NoSchedule',
    });
  });

  it('belongs to the Deployment of its ReplicaSet, and to a ReplicaSet that has none', () => {
    const by = (kind: string, name: string) => ({ ownerReferences: [{ kind, name, controller: true }] });
    const set = { ...named('ReplicaSet', 'web-5d4f', { spec: {} }) };
    const owned = { ...set, metadata: { ...set.metadata, ...by('Deployment', 'web') } };
    expect(podFrom(aPod({}, by('ReplicaSet', 'web-5d4f')), owned).owner).toEqual({ kind: 'Deployment', name: 'web' });
    expect(podFrom(aPod({}, by('ReplicaSet', 'web-5d4f')), set).owner).toEqual({
      kind: 'ReplicaSet',
      name: 'web-5d4f',
    });
    const elsewhere = { ...owned, metadata: { ...owned.metadata, namespace: 'other' } };
    expect(podFrom(aPod({}, by('ReplicaSet', 'web-5d4f')), elsewhere).owner).toMatchObject({ kind: 'ReplicaSet' });
    expect(podFrom(aPod({}, { ownerReferences: [{ kind: 'Thing', name: 'x' }] })).owner).toBe('none');
  });

  it('asks for what its containers ask for together, or the largest of its init containers', () => {
    expect(requests({ containers: [asking('100m'), asking('0.2')] })).toEqual({ cpu: 300, pods: 1 });
    expect(requests({ containers: [asking('100m')], initContainers: [asking(1), asking('250m')] })).toMatchObject({
      cpu: 1000,
    });
    expect(requests({ containers: [asking('2')], initContainers: [asking(1)] })).toMatchObject({ cpu: 2000 });
    expect(requests({ containers: [asking('1')], overhead: { cpu: '50m', memory: '1Mi' } })).toEqual({
      cpu: 1050,
      memory: 2 ** 20,
      pods: 1,
    });
  });

  it('asks for its sidecars beside the containers, and beside the init containers after them', () => {
    const sidecar = asking('300m', { restartPolicy: 'Always' });
    expect(requests({ containers: [asking('100m')], initContainers: [sidecar] })).toMatchObject({ cpu: 400 });
    expect(requests({ containers: [asking('100m')], initContainers: [sidecar, asking('200m')] })).toMatchObject({
      cpu: 500,
    });
    expect(requests({ containers: [asking('100m')], initContainers: [asking('200m'), sidecar] })).toMatchObject({
      cpu: 400,
    });
  });

  it('says what it keeps on its node', () => {
    const volumes = [
      { name: 'cache', emptyDir: {} },
      { name: 'shm', emptyDir: { medium: 'Memory' } },
      { name: 'logs', hostPath: { path: '/var/log' } },
      { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
      { name: 'config', configMap: { name: 'x' } },
    ];
    expect(podFrom(aPod({ volumes }))).toMatchObject({
      emptyDirs: [
        { name: 'cache', inMemory: false },
        { name: 'shm', inMemory: true },
      ],
      hostPaths: ['/var/log'],
      claims: ['shop/data'],
    });
  });

  it('says whom it keeps apart from, by default in its own namespace', () => {
    const term = { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'web' } } };
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [term, { ...term, namespaces: ['a'] }] };
    expect(podFrom(aPod({ affinity: { podAntiAffinity } })).apart.map(each => each.namespaces)).toEqual([
      ['shop'],
      ['a'],
    ]);
  });

  it.each([
    ['CrashLoopBackOff', 'CrashLoopBackOff'],
    ['ImagePullBackOff', 'ImagePullBackOff'],
    // It is on its way.
    ['ContainerCreating', ''],
    ['PodInitializing', ''],
  ])('whose container waits because of %s has the trouble %j', (reason, trouble) => {
    const statuses = [{ state: { running: {} } }, { state: { waiting: { reason } } }];
    expect(podFrom(aPod({}, {}, { containerStatuses: statuses })).trouble).toBe(trouble);
    expect(podFrom(aPod({}, {}, { initContainerStatuses: statuses })).trouble).toBe(trouble);
  });
});

describe('a pod that is not ready', () => {
  const since = (lastTransitionTime: string | null, phase = 'Running') =>
    known(
      `${Date.parse('2026-01-01T01:00:00Z') / 1000}\n`,
      listed(aPod({}, {}, { phase, conditions: [{ type: 'Ready', status: 'False', lastTransitionTime }] })),
    ).pods.map(({ trouble }) => trouble);

  it('may be starting yet, for ten minutes', () => {
    expect(since('2026-01-01T00:50:00Z')).toEqual(['']);
    expect(since('2026-01-01T00:49:00Z')).toEqual(['not ready for 11 min']);
  });

  it('waits for somebody else while it has not started, and has no age where nobody tells', () => {
    expect(since('2026-01-01T00:00:00Z', 'Pending')).toEqual(['']);
    expect(since(null)).toEqual(['']);
  });
});

describe('a quantity', () => {
  it.each([
    ['0', 0],
    ['2', 2],
    ['0.5', 0.5],
    ['100m', 0.1],
    ['64Mi', 64 * 2 ** 20],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['12k', 12_000],
    ['1e3', 1000],
    ['2E', 2e18],
    ['131072Ki', 2 ** 27],
    [4, 4],
  ])('of %j is %d', (text, number) => {
    expect(parseQuantity(text)).toBeCloseTo(number, 9);
  });
});

describe('what else is told', () => {
  it('is a node with its taints, and whose cordon it is', () => {
    const node = (annotations: object) => ({
      kind: 'Node',
      metadata: { name: 'n1', labels: { a: 'b' }, annotations },
      spec: { unschedulable: true, taints: [{ key: 'gpu', effect: 'NoSchedule' }] },
      status: {
        allocatable: { cpu: '1900m', memory: '1Gi', pods: '110' },
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    });
    const [mine, others] = known(listed(node({ 'homelab/cordoned': 'drain' }), node({}))).nodes;
    expect(mine).toEqual({
      name: 'n1',
      labels: { a: 'b' },
      taints: [{ key: 'gpu', value: '', effect: 'NoSchedule' }],
      allocatable: { cpu: 1900, memory: 2 ** 30, pods: 110 },
      ready: true,
      unschedulable: true,
      cordonedByUs: true,
    });
    expect(others?.cordonedByUs).toBe(false);
  });

  it('is a volume: where it is, of what kind, for which claim', () => {
    const required = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'k', operator: 'In', values: ['n1'] }] }] };
    const claimRef = { name: 'data', namespace: 'shop' };
    const volume = (spec: object) => known(listed(named('PersistentVolume', 'pv', { spec }))).volumes[0];
    expect(volume({ claimRef, local: { path: '/srv' }, nodeAffinity: { required } })).toMatchObject({
      claim: 'shop/data',
      storage: 'local',
      nodeTerms: [{ labels: [{ key: 'k', operator: 'In', values: ['n1'] }], fields: [] }],
    });
    expect(volume({ hostPath: { path: '/srv' } })).toMatchObject({ claim: '', storage: 'hostPath', nodeTerms: [] });
    expect(volume({ csi: { driver: 'driver.longhorn.io', volumeHandle: 'pvc-1' } })).toMatchObject({
      storage: 'csi',
      driver: 'driver.longhorn.io',
      handle: 'pvc-1',
    });
    expect(volume({ nfs: { server: 'x' } })).toMatchObject({ storage: 'other' });
  });

  it('is a budget, in its owner’s words', () => {
    const budget = (spec: object, status: object = {}) =>
      known(listed(named('PodDisruptionBudget', 'keep', { spec, status }))).budgets[0];
    expect(
      budget({ minAvailable: '50%' }, { expectedPods: 4, currentHealthy: 3, desiredHealthy: 2, disruptionsAllowed: 1 }),
    ).toMatchObject({
      says: 'minAvailable 50%',
      selector: 'nothing',
      expected: 4,
      healthy: 3,
      desired: 2,
      allowed: 1,
      freesUnhealthy: false,
    });
    const none = { maxUnavailable: 0, selector: {}, unhealthyPodEvictionPolicy: 'AlwaysAllow' };
    expect(budget(none)).toMatchObject({
      says: 'maxUnavailable 0',
      selector: { labels: {}, expressions: [] },
      freesUnhealthy: true,
    });
  });

  it('is how many of each controller there are and should be', () => {
    const all = [
      named('Deployment', 'a', { spec: { replicas: 0 } }),
      named('StatefulSet', 'b', { spec: {}, status: { readyReplicas: 1 } }),
      named('DaemonSet', 'c', { status: { desiredNumberScheduled: 3, numberReady: 2 } }),
    ];
    expect(known(listed(...all)).controllers.map(({ kind, desired, ready }) => `${kind} ${ready}/${desired}`)).toEqual([
      'Deployment 0/0',
      'StatefulSet 1/1',
      'DaemonSet 2/3',
    ]);
  });

  it('is a volume of Longhorn with the nodes that have a whole copy', () => {
    const replica = (nodeID: string, over: object = {}) =>
      named('Replica', `r-${nodeID}`, {
        spec: { volumeName: 'pvc-1', nodeID, healthyAt: '2026-01-01T00:00:00Z', failedAt: '', ...over },
      });
    const volume = named('Volume', 'pvc-1', { spec: { numberOfReplicas: 3 }, status: { robustness: 'degraded' } });
    const all = [
      volume,
      replica('n1'),
      replica('n2', { failedAt: '2026-01-02T00:00:00Z' }),
      replica('n3', { healthyAt: '' }),
      replica('n4', { volumeName: 'pvc-2' }),
    ];
    expect(known(listed(...all)).longhorn).toEqual([
      { name: 'pvc-1', robustness: 'degraded', wantedReplicas: 3, healthyOn: ['n1'] },
    ]);
  });
});
