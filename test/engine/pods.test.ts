import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parsePods } from '../../src/engine/pods.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/pods/${name}`, import.meta.url), 'utf8');
const read = (stdout: string, code = 0) => parsePods({ code, stdout, stderr: '' });
/** As kubectl prints a list. */
const listed = (...items: readonly object[]) =>
  `${JSON.stringify({ apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } }, null, 4)}\n`;

const pod = (over: { readonly labels?: object; readonly spec?: object; readonly phase?: string } = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web-1',
    namespace: 'shop',
    labels: over.labels ?? { app: 'web' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'web', controller: true }],
  },
  spec: { nodeName: 'k8s-worker1', ...over.spec },
  status: { phase: over.phase ?? 'Running' },
});
const budget = (selector: object | undefined, allowed: number, namespace = 'shop') => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'keep', namespace },
  spec: { minAvailable: 1, ...(selector === undefined ? {} : { selector }) },
  status: { disruptionsAllowed: allowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
});
const blockedBy = (...items: readonly object[]) => {
  const found = read(listed(...items));
  return found === 'unknown' ? found : found.map(each => each.blockedBy);
};

describe('the pods of a node', () => {
  it('are those that a drain has to move: no static ones, none of a DaemonSet', () => {
    const found = read(`${fixture('recorded.json')}${listed()}`);
    expect(found).toEqual([
      expect.objectContaining({ name: 'demo/ok', node: 'n2', owner: 'none' }),
      // It waits for a node that is large enough.
      expect.objectContaining({ name: 'demo/toobig', node: '', owner: 'none' }),
      {
        name: 'kube-system/coredns-787d4945fb-hrdvl',
        node: 'n1',
        owner: 'ReplicaSet',
        pinnedClaims: [],
        blockedBy: [],
      },
    ]);
  });

  it('come with what keeps them there: nothing that brings them back, a budget, a disk', () => {
    const of = (name: string, over: object) => ({
      name: `default/${name}`,
      node: 'k8s-worker2',
      owner: 'ReplicaSet',
      pinnedClaims: [],
      blockedBy: [],
      ...over,
    });
    expect(read(fixture('leaving.txt'))).toEqual([
      of('bare', { owner: 'none' }),
      of('guarded-794565c654-d8kgw', { blockedBy: ['default/guarded'] }),
      of('stateful-564b844644-rjz2s', { pinnedClaims: ['default/data'] }),
    ]);
  });

  it('of several nodes come one list after the other', () => {
    expect(read(`${listed(pod())}${listed(pod())}${listed()}`)).toHaveLength(2);
  });

  it.each(['Succeeded', 'Failed'])('that %s are done', phase => {
    expect(read(listed(pod({ phase })))).toEqual([]);
  });

  it.each([
    ['it is no control plane', 'none\n', 0],
    ['no API server answers', 'silent\n', 0],
    ['it went away between two lists', `${listed(pod())}silent\n`, 0],
    ['the last question failed', listed(pod()), 1],
  ])('are unknown where %s', (_, said, code) => {
    expect(read(said, code)).toBe('unknown');
  });
});

describe('a disruption budget', () => {
  it('keeps the pods that it means, while it allows no disruption', () => {
    expect(blockedBy(pod(), budget({ matchLabels: { app: 'web' } }, 0))).toEqual([['shop/keep']]);
    expect(blockedBy(pod(), budget({ matchLabels: { app: 'web' } }, 1))).toEqual([[]]);
  });

  it.each([
    ['another namespace', budget({ matchLabels: { app: 'web' } }, 0, 'other')],
    ['other labels', budget({ matchLabels: { app: 'was' } }, 0)],
    ['no selector, which means nothing', budget(undefined, 0)],
  ])('of %s keeps nothing', (_, other) => {
    expect(blockedBy(pod(), other)).toEqual([[]]);
  });

  it.each([
    [{ key: 'app', operator: 'In', values: ['web', 'was'] }, true],
    [{ key: 'app', operator: 'In', values: ['was'] }, false],
    [{ key: 'app', operator: 'NotIn', values: ['was'] }, true],
    [{ key: 'app', operator: 'NotIn', values: ['web'] }, false],
    [{ key: 'tier', operator: 'NotIn', values: ['web'] }, true],
    [{ key: 'app', operator: 'Exists' }, true],
    [{ key: 'tier', operator: 'Exists' }, false],
    [{ key: 'app', operator: 'DoesNotExist' }, false],
    [{ key: 'tier', operator: 'DoesNotExist' }, true],
  ])('with the expression %j: %s', (expression, isMeant) => {
    expect(blockedBy(pod(), budget({ matchExpressions: [expression] }, 0))).toEqual([isMeant ? ['shop/keep'] : []]);
  });

  it('with an empty selector means all of its namespace', () => {
    expect(blockedBy(pod({ labels: {} }), budget({}, 0))).toEqual([['shop/keep']]);
  });
});

describe('a claim', () => {
  const claiming = pod({
    spec: {
      volumes: [
        { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
        { name: 'x', emptyDir: {} },
      ],
    },
  });
  const volume = (namespace: string, nodeAffinity?: object) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv' },
    spec: { claimRef: { name: 'data', namespace }, ...(nodeAffinity === undefined ? {} : { nodeAffinity }) },
  });
  const on = (...names: readonly string[]) => ({
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: names }] }],
    },
  });
  const pinned = (...items: readonly object[]) => {
    const found = read(listed(...items));
    return found === 'unknown' ? found : found.flatMap(each => each.pinnedClaims);
  };

  it('on the disk of a node is pinned to it', () => {
    expect(pinned(claiming, volume('shop', on('k8s-worker1')))).toEqual(['shop/data']);
  });

  it('on storage that is everywhere is not', () => {
    expect(pinned(claiming, volume('shop'))).toEqual([]);
  });

  it('of the same name in another namespace is another one', () => {
    expect(pinned(claiming, volume('other', on('k8s-worker1')))).toEqual([]);
  });
});
