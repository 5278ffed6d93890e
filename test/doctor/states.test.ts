// The five recorded states: the first line is what was done to the cluster, what was broken before stands behind it, apart.
import { beforeAll, describe, expect, it } from 'vitest';
import { type Diagnosed, type Diagnosis, diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import { recorded, states } from './recorded.ts';

const found = new Map<string, Diagnosis>();

beforeAll(async () => {
  for (const state of states) found.set(state, diagnose(await recorded(state), rules));
});

function of(state: (typeof states)[number]): Diagnosis {
  const diagnosis = found.get(state);
  if (!diagnosis) throw new Error(state);
  return diagnosis;
}

function below({ consequences }: Diagnosed): readonly string[] {
  return consequences.flatMap(each => [`${each.rule} ${each.about[0]}`, ...below(each)]).sort();
}

function all({ broken, worthDoing, notes }: Diagnosis): readonly Diagnosed[] {
  const flat = (each: Diagnosed): readonly Diagnosed[] => [each, ...each.consequences.flatMap(flat)];
  return [...broken, ...worthDoing, ...notes].flatMap(flat);
}

const coredns = [
  'dns-down service:kube-system/kube-dns',
  'pod-not-ready pod:kube-system/coredns-787d4945fb-hrdvl',
  'pod-not-ready pod:kube-system/coredns-787d4945fb-qf7hm',
];
const demo = ['claim-class-missing', 'image-name-unresolved', 'pod-too-big', 'liveness-killed'];

describe('a recorded state', () => {
  it('that is healthy but for its stand-in CoreDNS has that as its only cause', () => {
    const { broken } = of('healthy-no-dns-image');
    expect(broken.map(({ rule }) => rule)).toEqual(['liveness-killed']);
    expect(broken.flatMap(below)).toEqual(coredns);
  });

  it('with three broken pods has three causes, each for its pod, before CoreDNS', () => {
    const { broken } = of('broken-pods');
    expect(broken.map(({ rule }) => rule)).toEqual(demo);
    expect(broken.map(below)).toEqual([
      ['pod-pending pod:demo/waitpvc'],
      ['pod-not-ready pod:demo/badimage'],
      [],
      coredns,
    ]);
    expect(broken[0]?.says).toContain('"missing"');
    expect(broken[1]?.says).toContain('cannot resolve the name example.invalid, the resolver 10.77.0.1');
    expect(broken[1]?.evidence[0]?.says).toMatch(/lookup example\.invalid on 10\.77\.0\.1:53: .*i\/o timeout/);
    expect(broken[2]?.says).toContain('900Gi memory');
    expect(broken[2]?.certainty).toBe('certain');
  });

  it('with a cordoned worker has the cordon first, as its owner made it', () => {
    const { broken } = of('worker-cordoned');
    expect(broken.map(({ rule }) => rule)).toEqual(['node-cordoned', ...demo]);
    expect(broken[0]).toMatchObject({
      severity: 'error',
      certainty: 'certain',
      about: ['machine:n2'],
      since: '2026-11-21T20:09:28Z',
    });
    expect(broken[0]?.says).toContain(
      'no other node takes pods, while 2 pods wait for one (demo/toobig and demo/waitpvc)',
    );
  });

  it.each(['worker-kubelet-stopped', 'worker-link-down'] as const)(
    '%s has the silence of n2 first, and says what would tell the two apart',
    state => {
      const { broken } = of(state);
      expect(broken.map(({ rule }) => rule)).toEqual(['node-not-ready', ...demo]);
      expect(broken[0]).toMatchObject({ certainty: 'possible', about: ['machine:n2'] });
      expect(broken[0]?.settledBy).toMatch(/ssh n2 systemctl is-active kubelet/);
      expect(broken[0] && below(broken[0])).toEqual([
        'pod-not-ready pod:demo/crash',
        'pod-not-ready pod:demo/ok',
        'pod-not-ready pod:kube-system/kube-proxy-lnxn8',
      ]);
    },
  );

  it.each(states)(
    '%s accuses no node of lacking memory, disk or process ids, and calls no background the cause',
    state => {
      expect(all(of(state)).filter(({ rule }) => rule === 'node-pressure')).toEqual([]);
      expect(
        of(state).broken.filter(({ rule }) => rule === 'kubernetes-end-of-life' || rule === 'machine-id-twice'),
      ).toEqual([]);
      expect(of(state).worthDoing.map(({ rule }) => rule)).toContain('kubernetes-end-of-life');
      expect(of(state).bugs).toEqual([]);
    },
  );
});
