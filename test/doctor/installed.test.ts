// What rules about installed products share: whom a selector means, which pods fail, and what they wrote.
import { describe, expect, it } from 'vitest';
import { type KindName, kinds, type ObjectOf } from '../../src/doctor/objects/kinds.ts';
import {
  ciliumConfig,
  fails,
  isAlive,
  linesOf,
  logEvidence,
  podsOf,
  selects,
} from '../../src/doctor/rules/installed.ts';
import { ago, healthy } from './constructed.ts';
import { withObjects } from './rig.ts';

const read = <K extends KindName>(kind: K, item: unknown) => kinds[kind].schema.parse(item) as ObjectOf<K>;
const pod = (change: { readonly metadata?: object; readonly status?: object } = {}) =>
  read('pods', {
    metadata: { namespace: 'demo', name: 'web-0', labels: { app: 'web' }, ...change.metadata },
    spec: { nodeName: 'w1' },
    status: { phase: 'Running', ...change.status },
  });

describe('a selector', () => {
  const by = (operator: string, values: readonly string[] = []) => ({
    matchLabels: {},
    matchExpressions: [{ key: 'app', operator, values }],
  });
  const web = { app: 'web' };
  it('means everybody when it is empty or not there', () => {
    expect(selects(undefined, web)).toBe(true);
    expect(selects({ matchLabels: {}, matchExpressions: [] }, {})).toBe(true);
  });
  it('wants each of its labels', () => {
    const both = { matchLabels: { app: 'web', tier: 'front' }, matchExpressions: [] };
    expect(selects(both, { ...web, tier: 'front' })).toBe(true);
    expect(selects(both, web)).toBe(false);
  });
  it.each([
    ['Exists', [], true, false],
    ['DoesNotExist', [], false, true],
    ['In', ['web', 'api'], true, false],
    ['In', ['api'], false, false],
    ['NotIn', ['web'], false, true],
    ['NotIn', ['api'], true, true],
  ] as const)('%s %j: with the label %j, without it %j', (operator, values, has, hasNot) => {
    expect(selects(by(operator, values), web)).toBe(has);
    expect(selects(by(operator, values), {})).toBe(hasNot);
  });
});

describe('a pod', () => {
  it('is alive until it is done or on its way out', () => {
    expect(isAlive(pod())).toBe(true);
    expect(isAlive(pod({ metadata: { deletionTimestamp: ago(5) } }))).toBe(false);
    expect(isAlive(pod({ status: { phase: 'Succeeded' } }))).toBe(false);
    expect(isAlive(pod({ status: { phase: 'Failed' } }))).toBe(false);
  });
  it('fails when a container ended badly, not when it ended well', () => {
    const ended = (exitCode: number) =>
      pod({ status: { phase: 'Running', containerStatuses: [{ name: 'c', state: { terminated: { exitCode } } }] } });
    expect(fails(healthy, ended(1))).toBe(true);
    expect(fails(healthy, ended(0))).toBe(false);
  });
  it('fails when it is not ready for a minute, unless its containers are', () => {
    const unready = (seconds: number, ready = false) =>
      pod({
        status: {
          conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: ago(seconds) }],
          containerStatuses: [{ name: 'c', ready, state: { running: {} } }],
        },
      });
    expect(fails(healthy, unready(90))).toBe(true);
    expect(fails(healthy, unready(30))).toBe(false);
    expect(fails(healthy, unready(90, true))).toBe(false);
  });
  it('has its own lines only, and long ones cut', () => {
    const log = (name: string, line: string) => ({ pod: name, container: 'c', lines: [line] });
    const logs = [log('demo/web-1', 'theirs'), log('demo/web-0', 'mine')];
    expect(linesOf({ ...healthy, logs }, pod())).toEqual(['mine']);
    expect(logEvidence(pod(), { line: 'x'.repeat(400), container: 'c' }).says).toBe(`${'x'.repeat(300)}…`);
    expect(logEvidence(pod(), { line: 'x'.repeat(300), container: 'c' }).says).toBe('x'.repeat(300));
  });
});

it('a Service has the living pods of its namespace that it selects', () => {
  const service = (selector: object) =>
    read('services', { metadata: { namespace: 'demo', name: 'web' }, spec: { selector } });
  const pods = [
    pod(),
    pod({ metadata: { name: 'other', labels: { app: 'api' } } }),
    pod({ metadata: { name: 'elsewhere', namespace: 'prod' } }),
    pod({ metadata: { name: 'leaving', deletionTimestamp: ago(5) } }),
  ];
  const snapshot = withObjects(healthy, 'pods', pods);
  expect(podsOf(snapshot, service({ app: 'web' })).map(({ metadata }) => metadata.name)).toEqual(['web-0']);
  expect(podsOf(snapshot, service({}))).toEqual([]);
});

it('Cilium’s settings are those of its own ConfigMap', () => {
  const map = (namespace: string, name: string, mtu: string) => ({ metadata: { namespace, name }, data: { mtu } });
  const others = [map('demo', 'cilium-config', '1'), map('kube-system', 'kube-proxy', '2')];
  expect(ciliumConfig(withObjects(healthy, 'configmaps', others))).toBeUndefined();
  const all = [...others, map('kube-system', 'cilium-config', '3')];
  expect(ciliumConfig(withObjects(healthy, 'configmaps', all))).toEqual({ mtu: '3' });
});
