import { describe, expect, it } from 'vitest';
import { intend, planFrom } from '../../src/engine/plan.ts';
import { type ServingRequest, servingRequestOf, type World } from '../../src/model/world.ts';
import { phases } from '../../src/phases/index.ts';
import { approveServing, awaitServingRequest, objection } from '../../src/transitions/approve-serving.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';
import { convergedWorld, everything, host, inOrder } from '../sample.ts';

const worker = host('k8s-worker1');
const own = servingRequestOf(worker);
const asking = (subject: readonly string[], alternatives: readonly string[]) => ({ asks: { subject, alternatives } });
const subject = ['O=system:nodes', 'CN=system:node:k8s-worker1'];
const names = ['DNS:k8s-worker1', 'IP:192.168.0.11'];

const planWith = (...servingRequests: readonly ServingRequest[]) => {
  const world: World = { ...convergedWorld(), servingRequests };
  return planFrom(intend(world, phases, everything), inOrder(world));
};

describe('a kubelet’s request', () => {
  it.each([
    ['its own name and address', {}],
    ['them in another order', asking([...subject].reverse(), [...names].reverse())],
    ['an RSA key', { usages: ['digital signature', 'key encipherment', 'server auth'] }],
  ])('for %s is approved', (_, over) => {
    expect(objection({ ...own, ...over }, convergedWorld())).toBeUndefined();
  });

  const bad: readonly (readonly [string, Partial<ServingRequest>, string])[] = [
    ['by a machine that nobody knows', { username: 'system:node:stranger' }, 'no node of the inventory'],
    ['by a user', { username: 'kubernetes-admin' }, 'no node of the inventory'],
    ['by another machine of the cluster', { username: 'system:node:k8s-worker2' }, 'asks for the subject'],
    ['by somebody outside the group', { groups: ['system:authenticated'] }, 'group system:nodes'],
    ['for another name’s subject', asking(['O=system:nodes', 'CN=system:node:k8s-cp'], names), 'the subject'],
    ['for a mightier group', asking(['O=system:masters', 'CN=system:node:k8s-worker1'], names), 'system:masters'],
    ['with one subject more', asking([...subject, 'O=system:masters'], names), 'system:masters'],
    ['for one name more', asking(subject, [...names, 'DNS:kubernetes.default.svc']), 'kubernetes.default.svc'],
    ['for one name twice', asking(subject, [...names, 'DNS:k8s-worker1']), 'it asks for'],
    ['for another address', asking(subject, ['DNS:k8s-worker1', 'IP:192.168.0.10']), '192.168.0.10'],
    ['without its address', asking(subject, ['DNS:k8s-worker1']), 'it asks for'],
    ['without any name', asking(subject, []), 'no name'],
    ['for what is no name', asking(subject, [...names, 'other']), 'other'],
    ['to be a client', { usages: ['digital signature', 'client auth'] }, 'client auth'],
    ['to be both', { usages: ['digital signature', 'server auth', 'client auth'] }, 'client auth'],
    ['for no usage', { usages: [] }, 'usages'],
    ['that cannot be read', { asks: 'unreadable' }, 'cannot be read as'],
  ];

  it.each(bad)('%s is refused with the reason, and not approved', (_, over, reason) => {
    const plan = planWith({ ...own, ...over, name: 'csr-bad' });
    expect(plan.steps).toEqual([]);
    expect(plan.refusals).toEqual([
      {
        id: 'kubelet-certificates/k8s-cp/csr-bad',
        host: 'k8s-cp',
        reason: expect.stringContaining(reason),
        hint: expect.stringContaining('certificate deny csr-bad'),
      },
    ]);
  });

  it('that came with a rotation is a step of the next run, on the control plane, for these requests by name', () => {
    const { steps, refusals } = planWith({ ...own, name: 'csr-1' }, { ...own, name: 'csr-2' });
    expect(refusals).toEqual([]);
    expect(steps.map(({ id, why, risk }) => [id, why, risk])).toEqual([
      ['kubelet-certificates/k8s-cp/approve', expect.stringContaining('k8s-worker1'), 'safe'],
    ]);
    expect(steps[0]?.action.script).toContain('certificate approve csr-1 csr-2 ');
  });

  it('that cannot be approved takes no other along', () => {
    const plan = planWith({ ...own, name: 'csr-bad', usages: [] }, { ...own, name: 'csr-good' });
    expect(plan.steps[0]?.action.script).toContain('certificate approve csr-good >');
    expect(plan.refusals).toHaveLength(1);
  });
});

describe('approving', () => {
  const approve = (kubectl: string) => {
    const { change } = approveServing([own]);
    if (!change || 'refuse' in change) throw new Error('a request is approved');
    const bin = standIns(scratch(), { kubectl, sleep: 'exit 0' });
    return { ...dash(`set -eu\n${change.action.script}`, { bin }), explain: change.action.explain };
  };

  it('ends when the API server gets an answer from the kubelet', () => {
    expect(approve('exit 0')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('fails with the kubelet’s machine where it gets none', () => {
    const { code, stderr, explain } = approve('case "$*" in *healthz*) exit 1 ;; esac');
    expect(code).toBe(1);
    expect(explain?.[0]?.pattern.exec(stderr)?.[1]).toBe('k8s-worker1');
  });
});

describe('a machine that has just joined', () => {
  const wait = (asked: string) => {
    const bin = standIns(scratch(), { kubectl: `printf '%s\\n' ${asked}`, sleep: 'exit 0' });
    return dash(`set -eu\n${awaitServingRequest('/etc/kubernetes/kubelet.conf', 'k8s-worker1')}`, { bin });
  };

  it('is waited for until its own kubelet has asked', () => {
    expect(wait("'system:node:k8s-worker2 ' 'system:node:k8s-worker1 '").code).toBe(0);
    const without = wait("'system:node:k8s-worker10 '");
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('asked for no serving certificate')]);
  });

  it('is not taken for one of its name that was answered before', () => {
    expect(wait("'system:node:k8s-worker1 LS0tLS1CRUdJTg=='").code).toBe(1);
  });
});
