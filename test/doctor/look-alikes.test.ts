// Faults that look the same in the API, each told by the machines' facts; and honesty where these are missing. Constructed.

import { describe, expect, it } from 'vitest';
import { type Diagnosed, diagnose } from '../../src/doctor/diagnose.ts';
import { homelabRules } from '../../src/doctor/rules/homelab.ts';
import { hostRules } from '../../src/doctor/rules/host.ts';
import { nodeRules } from '../../src/doctor/rules/node.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import {
  ago,
  apiOnly,
  crashing,
  endpoint,
  healthy,
  type Name,
  nic,
  notReady,
  peersSee,
  silent,
  stopped,
  unit,
  with1,
} from './constructed.ts';
import { recorded } from './recorded.ts';

const rules = [...hostRules, ...nodeRules, ...homelabRules];

const health = (machine: Name, what: string, says: string, from: Snapshot) =>
  with1(machine, facts => ({ health: { ...facts.health, [what]: { ok: false, says } } }), from);
const expired = (from: Snapshot) =>
  with1(
    'w1',
    ({ certificates }) => ({
      certificates: certificates.map(each =>
        each.path.endsWith('client-current.pem') ? { ...each, notAfter: ago(300) } : each,
      ),
    }),
    from,
  );
const blocked = (from: Snapshot) =>
  with1(
    'w1',
    ({ reach }) => ({
      reach: reach.map(row => (row.to === endpoint ? { ...row, ok: false, says: 'timed out' } : row)),
      firewall: { active: [], drops: [{ port: 6443, protocol: 'tcp', rule: 'nft: tcp dport 6443 drop' }] },
    }),
    from,
  );
const unknown = notReady('w1', healthy);
const down = (says: string) => notReady('w1', healthy, 'False', says);

/** What was done → the snapshot, and the rule and words that must come first. */
const group: Readonly<Record<string, { readonly in: Snapshot; readonly rule: string; readonly says: RegExp }>> = {
  'kubelet stopped': {
    in: unit('w1', 'kubelet', stopped, unknown),
    rule: 'kubelet-stopped',
    says: /^w1 is NotReady because its kubelet was stopped at 02:11 UTC/,
  },
  'kubelet hangs': {
    in: unit('w1', 'kubelet', { frozen: true }, health('w1', 'kubelet', 'timed out', unknown)),
    rule: 'kubelet-hangs',
    says: /^w1 is NotReady because its kubelet hangs/,
  },
  'containerd stopped': {
    in: unit('w1', 'containerd', stopped, health('w1', 'containerd', 'refused', down('container runtime is down'))),
    rule: 'containerd-stopped',
    says: /^containerd on w1 was stopped/,
  },
  'containerd hangs': {
    in: unit(
      'w1',
      'containerd',
      { frozen: true },
      health('w1', 'containerd', 'timed out', down('PLEG is not healthy')),
    ),
    rule: 'containerd-hangs',
    says: /^containerd on w1 hangs/,
  },
  'link cut, seen by another of its networks': {
    in: nic('w1', { carrier: false, operstate: 'down' }, peersSee('w1', 'no route', unknown)),
    rule: 'nic-down',
    says: /^ens18 of w1 .* has no link/,
  },
  'machine off, or its only link cut': {
    in: peersSee('w1', 'no route', silent('w1', unknown)),
    rule: 'machine-silent',
    says: /^w1 is off, or its network link is down/,
  },
  'machine frozen': {
    in: peersSee('w1', 'timed out', silent('w1', unknown), [22, 10250]),
    rule: 'machine-hangs',
    says: /^w1 hangs: its kernel answers/,
  },
  'link flaps': {
    in: nic('w1', { carrierChangesNow: 3, carrierChanges: 40 }, unknown),
    rule: 'nic-flapping',
    says: /^the link of w1 flaps/,
  },
  '6443 blocked': { in: blocked(unknown), rule: 'api-port-blocked', says: /^w1 does not reach the API server/ },
  'client certificate ended': {
    in: expired(unknown),
    rule: 'kubelet-certificate-ended',
    says: /^w1 is NotReady because its kubelet is not let in/,
  },
  'swap on after a reboot': {
    in: with1(
      'w1',
      () => ({
        swap: [{ name: '/dev/sda3', sizeBytes: 2 ** 30 }],
        journal: {
          kubelet: [
            {
              at: ago(9),
              text: 'kubelet[7]: "command failed" err="failed to run Kubelet: running with swap on is not supported"',
            },
          ],
        },
      }),
      unit('w1', 'kubelet', crashing, unknown),
    ),
    rule: 'swap-on',
    says: /^swap is on on w1/,
  },
  'network configuration gone': {
    in: with1('w1', facts => ({ cni: { ...facts.cni, files: [] } }), down('cni plugin not initialized')),
    rule: 'cni-config-gone',
    says: /^w1 has no network configuration/,
  },
};
const rows = Object.entries(group).map(([done, row]) => ({ done, ...row }));

function everything(all: readonly Diagnosed[]): readonly Diagnosed[] {
  return all.flatMap(each => [each, ...everything(each.consequences)]);
}

describe.each(rows)('$done', ({ in: snapshot, rule, says }) => {
  const { broken } = diagnose(snapshot, rules);
  it('is the first and only cause', () => {
    expect(broken.map(each => each.rule)).toEqual([rule]);
    expect(broken[0]?.says).toMatch(says);
    expect(broken[0]?.certainty).toMatch(/certain|likely/);
  });
  it('has the NotReady node below it', () => {
    expect(everything(broken).map(each => each.rule)).toContain('node-not-ready');
    expect(everything(broken).some(({ unexplained }) => unexplained)).toBe(false);
  });
  it('is possible at most when nobody looked at machines', () => {
    const blind = diagnose(apiOnly(snapshot), rules);
    const ofMachines = new Set(hostRules.map(({ id }) => id));
    const machines = everything(blind.broken).filter(each => ofMachines.has(each.rule));
    expect(machines.filter(({ certainty }) => certainty !== 'possible')).toEqual([]);
    expect(blind.unseen.map(({ what }) => what)).toContain('w1');
  });
});

describe('look-alikes', () => {
  const pairs = rows.flatMap((one, index) => rows.slice(index + 1).map(other => ({ one, other })));
  it.each(pairs)('$one.done is not $other.done', ({ one, other }) => {
    const [first] = diagnose(one.in, rules).broken;
    const [second] = diagnose(other.in, rules).broken;
    expect(first?.rule).not.toBe(second?.rule);
    expect(first?.says).not.toBe(second?.says);
  });

  it('of which two are the same bytes in the API are "possible" in what was recorded, and name every candidate', async () => {
    for (const state of ['worker-kubelet-stopped', 'worker-link-down'] as const) {
      const [first] = diagnose(await recorded(state), rules).broken;
      expect(first?.rule).toBe('node-not-ready');
      expect(first?.unexplained).toBe(true);
      expect(first?.certainty).toBe('possible');
      expect(first?.says).toMatch(
        /^n2 is NotReady: nothing has been heard from its kubelet since .*; it is stopped or hangs, the machine is off or cut off, or it cannot reach the API server: nobody looked/,
      );
    }
  });
});

describe('two faults at once', () => {
  it('are two causes, not one under the other', () => {
    const both = unit(
      'w2',
      'containerd',
      stopped,
      notReady('w2', unit('w1', 'kubelet', stopped, unknown), 'False', 'container runtime is down'),
    );
    const { broken } = diagnose(both, rules);
    expect(broken.map(({ rule }) => rule).sort()).toEqual(['containerd-stopped', 'kubelet-stopped']);
    expect(broken.map(({ consequences }) => consequences.map(({ rule }) => rule))).toEqual([
      ['node-not-ready'],
      ['node-not-ready'],
    ]);
  });
  it('leave a true fact that explains nothing below what is broken', () => {
    const clone = with1(
      'w2',
      facts => ({ identity: { ...facts.identity, machineId: '1'.repeat(32) } }),
      unit('w1', 'kubelet', stopped, unknown),
    );
    const { broken, worthDoing } = diagnose(clone, rules);
    expect(broken.map(({ rule }) => rule)).toEqual(['kubelet-stopped']);
    expect(worthDoing.map(({ rule }) => rule)).toEqual(['machine-id-twice']);
  });
});

describe('healthy', () => {
  const grown = (change: (from: Snapshot) => Snapshot) => diagnose(change(healthy), rules);
  it.each([
    ['as it is', (from: Snapshot) => from],
    [
      'a minute after a boot of a worker',
      (from: Snapshot) =>
        with1(
          'w1',
          facts => ({ identity: { ...facts.identity, bootId: 'b999', bootedAt: ago(60) } }),
          unit(
            'w1',
            'kubelet',
            { since: ago(40) },
            unit('w1', 'containerd', { since: ago(42) }, health('w1', 'kubelet', 'refused', from)),
          ),
        ),
    ],
    [
      'a minute after a boot of the control plane',
      (from: Snapshot) =>
        with1(
          'cp',
          facts => ({ identity: { ...facts.identity, bootedAt: ago(60) } }),
          health(
            'cp',
            'etcd',
            'refused',
            health('cp', 'apiserver', '[-]etcd failed', unit('cp', 'kubelet', { since: ago(40) }, from)),
          ),
        ),
    ],
    [
      'all on one computer, as containers',
      (from: Snapshot) =>
        (['cp', 'w1', 'w2'] as const).reduce(
          (each, name) =>
            with1(
              name,
              facts => ({
                identity: {
                  ...facts.identity,
                  container: true,
                  virtualization: 'systemd-nspawn',
                  productUuid: 'one',
                  bootId: 'one',
                },
                clock: { ...facts.clock, synchronized: false, service: 'none' },
              }),
              each,
            ),
          from,
        ),
    ],
    [
      'with a kubelet that was restarted often, long ago',
      (from: Snapshot) => unit('w1', 'kubelet', { restarts: 12 }, from),
    ],
  ])('%s: no errors, no warnings', (_, change) => {
    const { broken, worthDoing, bugs } = grown(change);
    expect([broken, worthDoing, bugs]).toEqual([[], [], []]);
  });
  it('with our own clock an hour ahead: that, and nothing of the machines', () => {
    const { broken, worthDoing } = grown(from => {
      const off = (['cp', 'w1', 'w2'] as const).reduce(
        (each, name) => with1(name, facts => ({ clock: { ...facts.clock, offsetMs: -3_600_000 } }), each),
        from,
      );
      return { ...off, at: off.at + 3_600_000 };
    });
    expect(broken).toEqual([]);
    expect(worthDoing.map(({ rule }) => rule)).toEqual(['clock-here']);
  });
  it('in the middle of an upgrade: what homelab stopped is told as its work', () => {
    const { broken } = grown(from =>
      with1(
        'w1',
        facts => ({ homelab: { ...facts.homelab, claim: 'anna@laptop: homelab upgrade', claimState: 'held' } }),
        unit('w1', 'kubelet', stopped, from),
      ),
    );
    expect(broken.map(({ rule }) => rule)).toEqual(['homelab-at-work']);
  });
});

describe('the rules about machines', () => {
  it('have each their own id, and explain only what stands later', () => {
    const ids = [...hostRules, ...homelabRules].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [index, { id, explains }] of [...hostRules, ...homelabRules].entries()) {
      for (const { rule } of explains) {
        const other = ids.indexOf(rule);
        if (other >= 0) expect(other, `${id} explains ${rule}`).toBeGreaterThan(index);
      }
    }
  });
  it('say what they are in whole sentences', () => {
    for (const { id, symptom, cause, cure, sources } of [...hostRules, ...homelabRules]) {
      expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
      for (const text of [symptom, cause, cure]) expect(text, id).toMatch(/^.+ .+\.$/s);
      expect(sources.length, id).toBeGreaterThan(0);
    }
  });
});
