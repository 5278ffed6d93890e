// Constructed, one field at a time: what homelab left, backups, and a cluster that differs from its inventory.

import { describe, expect, it } from 'vitest';
import { backupNone, backupOld, longestGap } from '../../src/doctor/rules/backups.ts';
import {
  addressDiffers,
  hostMissing,
  nodeUndeclared,
  roleDiffers,
  versionDiffers,
} from '../../src/doctor/rules/drift.ts';
import {
  atWork,
  claimLapsed,
  homelabFirst,
  homelabRules,
  runInterrupted,
  stepUnfinished,
} from '../../src/doctor/rules/homelab.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import { ago, apiSilent, healthy, type Name, unit, with1 } from './constructed.ts';
import { eachObject } from './rig.ts';

const left = (machine: Name, change: object, from?: Snapshot) =>
  with1(machine, facts => ({ homelab: { ...facts.homelab, ...change } }), from);
const anna = { claim: 'anna@laptop: homelab upgrade' };
const run = (seconds: number) => ({
  run: 'r1',
  command: 'upgrade --to v1.31.4',
  startedAt: ago(seconds),
  says: 'killed in upgrade/w1/drain',
});
const declared = (change: object): Snapshot => ({
  ...healthy,
  declared: healthy.declared ? { ...healthy.declared, ...change } : undefined,
});
const hosts = healthy.declared?.hosts ?? [];
const waits = (seconds: number, from?: Snapshot) =>
  unit('cp', 'homelab-backup.timer', { since: ago(seconds) }, left('cp', { lastBackupAt: '' }, from));

testRules(homelabFirst, [
  {
    rule: atWork,
    when: 'a run holds it',
    in: left('w1', { ...anna, claimState: 'held' }),
    says: /^homelab is at work on w1 \(anna@laptop: homelab upgrade\)/,
    severity: 'note',
    certainty: 'likely',
    near: { 'it let go': healthy, 'it died': left('w1', { ...anna, claimState: 'lapsed' }) },
  },
  {
    rule: stepUnfinished,
    when: 'a join did not end',
    in: left('w1', { begun: 'join' }),
    says: /^join was begun on w1 and did not come to its end$/,
    severity: 'warning',
    advises: /^homelab bootstrap /,
    near: { 'it is going on': left('w1', { begun: 'join', ...anna, claimState: 'held' }), 'it ended': healthy },
  },
  {
    rule: stepUnfinished,
    when: 'a restore did not end',
    in: left('cp', { begun: 'restore' }),
    says: /^restore was begun on cp and did not come to its end$/,
    severity: 'warning',
    advises: /^homelab restore FILE /,
    near: {},
  },
] satisfies readonly Case[]);

testRules(homelabRules, [
  {
    rule: claimLapsed,
    when: 'nobody renews it',
    in: left('w1', { ...anna, claimState: 'lapsed' }),
    says: /^a run of homelab \(anna@laptop: homelab upgrade\) ended without letting go of w1/,
    severity: 'note',
    near: {
      'it is alive': left('w1', { ...anna, claimState: 'held' }),
      'nobody asked for its state': with1('w1', facts => ({
        homelab: { claim: 'x', begun: facts.homelab.begun, lastBackupAt: '', backupSchedule: '' },
      })),
    },
  },
  {
    rule: runInterrupted,
    when: 'it was killed an hour ago',
    in: { ...healthy, openRuns: [run(90_000), run(3600)] },
    says: /^homelab upgrade --to v1\.31\.4, begun 60 min ago, did not come to its end: killed in/,
    severity: 'warning',
    near: { 'all came to their end': healthy, 'the API is silent, too': apiSilent('refused') },
  },
  {
    rule: runInterrupted,
    when: 'it was killed last month',
    in: { ...healthy, openRuns: [run(30 * 86_400)] },
    says: /30 days ago/,
    severity: 'note',
    near: {},
  },
  {
    rule: hostMissing,
    when: 'a host never joined',
    in: declared({ hosts: [...hosts, { name: 'w3', address: '192.168.0.13', role: 'worker' }] }),
    says: /^w3 stands in the inventory as worker and is no node/,
    severity: 'warning',
    near: {
      'nodes are not known': {
        ...declared({ hosts: [...hosts, { name: 'w3', address: '192.168.0.13', role: 'worker' }] }),
        lists: apiSilent('').lists,
      },
      'there is no inventory': { ...healthy, declared: undefined },
    },
  },
  {
    rule: nodeUndeclared,
    when: 'a node stands in no inventory',
    in: declared({ hosts: hosts.slice(0, 2) }),
    says: /^w2 is a node of the cluster and not in the inventory/,
    severity: 'note',
    advises: /^homelab join-node w2 --address 192\.168\.0\.12 /,
    near: { 'there is no inventory': { ...healthy, declared: undefined }, 'it stands there': healthy },
  },
  {
    rule: roleDiffers,
    when: 'a worker is declared a control plane',
    in: declared({ hosts: hosts.map(each => (each.name === 'w1' ? { ...each, role: 'control-plane' } : each)) }),
    says: /^w1 is a worker in the cluster and a control-plane in the inventory$/,
    severity: 'warning',
    near: {
      'it is what is declared': healthy,
      'it is no node yet': eachObject(healthy, 'nodes', node => (node.metadata.name === 'w1' ? undefined : node)),
    },
  },
  {
    rule: addressDiffers,
    when: 'the inventory has another',
    in: declared({ hosts: hosts.map(each => (each.name === 'w1' ? { ...each, address: '192.168.0.57' } : each)) }),
    says: /^w1 is known to the cluster as 192\.168\.0\.11, and to the inventory as 192\.168\.0\.57$/,
    severity: 'warning',
    near: {
      'it has a name': declared({
        hosts: hosts.map(each => (each.name === 'w1' ? { ...each, address: 'w1.home.arpa' } : each)),
      }),
      'they agree': healthy,
    },
  },
  {
    rule: versionDiffers,
    when: 'the inventory is ahead',
    in: declared({ version: 'v1.31.4' }),
    says: /^the cluster runs v1\.31\.1, and the inventory says v1\.31\.4$/,
    severity: 'warning',
    near: {
      'machines differ from one another: an upgrade is on its way': eachObject(
        declared({ version: 'v1.31.4' }),
        'nodes',
        node =>
          node.metadata.name === 'cp'
            ? { ...node, status: { ...node.status, nodeInfo: { ...node.status.nodeInfo, kubeletVersion: 'v1.31.4' } } }
            : node,
      ),
      'they agree': declared({ version: '1.31.1' }),
    },
  },
  {
    rule: backupOld,
    when: 'the newest is three days old',
    in: left('cp', { lastBackupAt: ago(3 * 86_400) }),
    says: /^backups of cp are to be made at 03:00 Asia\/Seoul, and the newest is 3 days old$/,
    severity: 'warning',
    near: {
      'it is due in an hour or so': left('cp', { lastBackupAt: ago(100_000) }),
      'it is weekly': left('cp', { lastBackupAt: ago(3 * 86_400), backupSchedule: 'Sun 03:00 Asia/Seoul' }),
      'the timer was made today': waits(3600),
    },
  },
  {
    rule: backupOld,
    when: 'none was made for days',
    in: waits(3 * 86_400),
    says: /none was ever made$/,
    severity: 'warning',
    near: {},
  },
  {
    rule: backupOld,
    when: 'the last one failed',
    in: with1(
      'cp',
      facts => ({
        journal: {
          ...facts.journal,
          'homelab-backup': [{ at: ago(600), text: 'homelab-backup[9]: homelab: etcd does not run here' }],
        },
      }),
      unit('cp', 'homelab-backup', { active: 'failed', result: 'exit-code' }),
    ),
    says: /^the last backup on cp failed: homelab-backup\[9\]: homelab: etcd does not run here; the newest is 8 h old$/,
    severity: 'warning',
    near: {},
  },
  {
    rule: backupNone,
    when: 'there is no schedule',
    in: left('cp', { backupSchedule: '', lastBackupAt: '' }),
    says: /^no backups are made by themselves$/,
    severity: 'note',
    near: {
      'there is one': healthy,
      'a control plane was not asked': {
        ...left('cp', { backupSchedule: '' }),
        machines: [
          ...left('cp', { backupSchedule: '' }).machines,
          { name: 'cp2', address: '', role: 'control-plane', facts: {}, missed: {} },
        ],
      },
    },
  },
] satisfies readonly Case[]);

describe('the longest time between two backups', () => {
  it.each([
    ['03:00 Asia/Seoul', 1],
    ['Sun 03:00 Asia/Seoul', 7],
    ['Mon,Thu 03:00 UTC', 4],
    ['*-*-* 03:00:00', 1],
  ])('of "%s" is %i days', (schedule, days) => {
    expect(longestGap(schedule)).toBe(days * 86_400);
  });
});
