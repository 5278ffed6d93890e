import { describe, expect, it } from 'vitest';
import type { EtcdMember } from '../../src/model/world.ts';
import { leaveEtcd, quorumLost } from '../../src/transitions/etcd-member.ts';
import { living, member, threeControlPlanes } from '../life-sample.ts';
import { host } from '../sample.ts';

/** 'uud' is two members that are up and one that is down; a learner is l, or L while it is down. */
const membersOf = (states: string): readonly EtcdMember[] =>
  [...states].map((state, index) => ({
    id: String(index),
    name: `node-${index}`,
    address: `192.168.0.${index}`,
    healthy: 'ul'.includes(state),
    learner: 'lL'.includes(state),
  }));

describe('a majority of etcd', () => {
  // Of members that stay as they are.
  it.each(['u', 'uu', 'uuu', 'uud', 'uuuu', 'uuud', 'uuuuu', 'uuudd', 'ul', 'uL', 'uuL'])('is there: %s', states => {
    expect(quorumLost(membersOf(states))).toBeUndefined();
  });
  it.each(['d', 'ud', 'dd', 'udd', 'uudd', 'uuddd', 'udL', 'udl'])('is lost: %s', states => {
    expect(quorumLost(membersOf(states))).toContain('members are healthy');
  });

  // The last one leaves.
  it.each(['uu', 'uuu', 'uud', 'uuuu', 'uuud', 'uuuuu', 'uuuud', 'uuudd', 'uL', 'ul', 'uuL'])(
    'remains without the last of %s',
    states => {
      expect(quorumLost(membersOf(states), String(states.length - 1))).toBeUndefined();
    },
  );
  it.each(['udu', 'uddu', 'ud', 'uddud'])('would not remain, or cannot decide it: the last of %s', states => {
    expect(quorumLost(membersOf(states), String(states.length - 1))).toMatch(/^only \d of \d etcd members are healthy/);
  });

  it('names who is down, by address where it has no name yet', () => {
    expect(quorumLost(membersOf('udd'))).toBe(
      'only 1 of 3 etcd members are healthy, 2 are needed (not: node-1, node-2)',
    );
    const [up, down] = membersOf('ud');
    expect(up && down && quorumLost([up, { ...down, name: '' }])).toContain('(not: 192.168.0.1)');
  });
});

describe('leaving etcd', () => {
  const world = living(threeControlPlanes);
  const leaving = host('k8s-worker1', threeControlPlanes);

  it('removes the member by its id', () => {
    const { change } = leaveEtcd(world, leaving);
    expect(change).toMatchObject({ risk: 'disruptive', why: 'it is one of 3 members' });
    expect(change && 'action' in change && change.action.script).toContain('member remove id-of-k8s-worker1');
  });

  it('finds one that never started by its address', () => {
    const [cp] = threeControlPlanes.hosts;
    if (!cp) throw new Error('there is one');
    const half = { ...world, etcd: [member(cp), member(leaving, { name: '', healthy: false, learner: true })] };
    const transition = leaveEtcd(half, leaving);
    expect(transition.change).toMatchObject({ risk: 'disruptive' });
    expect(transition.predict(half).etcd).toEqual([member(cp)]);
  });

  it('is nothing where it is no member', () => {
    const etcd = [member(host('k8s-cp'))];
    expect(leaveEtcd({ ...world, etcd }, leaving)).toMatchObject({ now: 'absent', change: undefined });
  });

  it('is refused where the others would have no majority, or nobody answers', () => {
    const etcd = [member(host('k8s-cp')), member(leaving), member(host('k8s-worker2'), { healthy: false })];
    expect(leaveEtcd({ ...world, etcd }, leaving).change).toMatchObject({
      refuse: 'only 1 of 2 etcd members are healthy, 2 are needed (not: k8s-worker2)',
    });
    expect(leaveEtcd({ ...world, etcd: 'unknown' }, leaving).change).toMatchObject({
      refuse: expect.stringContaining('does not answer'),
    });
  });
});
