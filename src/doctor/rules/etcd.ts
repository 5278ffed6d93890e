// etcd: down, one member down, full, slow.
import type { Evidence, Explains, Finding, Rule } from '../rule.ts';
import type { MachineLook, Snapshot } from '../snapshot.ts';
import {
  containerOf,
  controlPlanes,
  endOf,
  hasEtcd,
  isMemberOf,
  isStarting,
  lastWords,
  logOf,
  processOn,
} from './members.ts';
import { entityOf, list, on, seenOn, timeOn } from './on-machine.ts';

const needs = [
  'machine.health',
  'machine.certificates',
  'machine.controlPlane',
  'machine.identity',
  'machine.units',
  'machine.clock',
  'api.nodes',
] as const;

const isFull = (text: string) => /NOSPACE|database space exceeded/.test(text);

interface Member {
  readonly machine: MachineLook;
  /** Undefined: nobody could ask. */
  readonly isWell: boolean | undefined;
  readonly says: string;
}

function membersOf(snapshot: Snapshot): readonly Member[] {
  return controlPlanes(snapshot)
    .filter(machine => hasEtcd(machine) || machine.unreached !== undefined)
    .map(machine => {
      const health = machine.facts.health?.['etcd'];
      // A full one answers and lets read.
      const isWell = health === undefined ? undefined : health.ok || isFull(health.says);
      return { machine, isWell, says: health?.says ?? machine.unreached?.says ?? '' };
    });
}

function downMembers(snapshot: Snapshot) {
  const members = membersOf(snapshot);
  const down = members.filter(
    ({ machine, isWell }) => isWell === false && isMemberOf(snapshot, machine) && !isStarting(machine, snapshot),
  );
  const lost = members.filter(({ machine, isWell }) => isWell === false || machine.unreached?.kind === 'no answer');
  return { members, down, hasQuorum: members.length - lost.length > members.length / 2 };
}

function evidenceOf({ machine, says }: Member): readonly Evidence[] {
  const container = containerOf(machine, 'etcd');
  const words = lastWords(container);
  return [
    seenOn(machine, `etcd’s health: ${says}`, 'curl -m 3 http://127.0.0.1:2381/health'),
    ...(container && container.state !== 'running'
      ? [seenOn(machine, endOf(container), 'sudo crictl ps -a --name etcd')]
      : []),
    ...(words && container?.state !== 'running' ? [seenOn(machine, words, logOf('etcd'))] : []),
  ];
}

function why({ machine, says }: Member): string {
  const container = containerOf(machine, 'etcd');
  const words = container?.state === 'running' ? undefined : lastWords(container);
  const end = container?.state === 'running' ? '' : endOf(container);
  return [end || `its health check: ${says}`, ...(words ? [`last words: ${message(words)}`] : [])].join('; ');
}

/** Of a line of JSON what it says. */
export function message(line: string): string {
  const [, msg] = /"msg":"((?:[^"\\]|\\.)*)"/.exec(line) ?? [];
  const [, error] = /"error":"((?:[^"\\]|\\.)*)"/.exec(line) ?? [];
  return msg === undefined ? line : `${msg}${error ? `: ${error}` : ''}`;
}

const upward: readonly Explains[] = [
  { rule: 'apiserver-down', by: 'everything' },
  { rule: 'api-silent', by: 'object' },
  { rule: 'scheduler-down', by: 'everything' },
  { rule: 'controller-manager-down', by: 'everything' },
];

export const etcdFull: Rule = {
  id: 'etcd-no-space',
  layer: 'control-plane',
  symptom:
    'Everything can be read and nothing written: "etcdserver: mvcc: database space exceeded". After a while nodes become NotReady.',
  cause: 'etcd reached its quota (2 GiB by default) and raised the alarm NOSPACE.',
  cure: 'Compact and defragment it, then disarm the alarm; find what writes so much.',
  sources: ['etcd docs: op-guide/maintenance, space quota'],
  needs: ['machine.health', 'machine.certificates', 'api.nodes'],
  explains: [...upward, { rule: 'api-unreached', by: 'object' }, { rule: 'node-not-ready', by: 'everything' }],
  find: snapshot =>
    membersOf(snapshot)
      .filter(({ says }) => isFull(says))
      .map(({ machine, says }): Finding => {
        const etcdctl = `kubectl -n kube-system exec etcd-${machine.name} -- etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key`;
        return {
          says: `etcd on ${machine.name} is full (alarm NOSPACE): the cluster can be read, and nothing in it changed`,
          severity: 'error',
          certainty: 'certain',
          about: [
            entityOf(machine),
            processOn('etcd', machine),
            ...(snapshot.api.state === 'silent' ? (['object:api'] as const) : []),
          ],
          evidence: [seenOn(machine, says, 'curl -m 3 http://127.0.0.1:2381/health')],
          cure: [
            `${etcdctl} endpoint status -w json   # its revision`,
            `${etcdctl} compact REVISION`,
            `${etcdctl} defrag --command-timeout=60s`,
            `${etcdctl} alarm disarm`,
            'kubectl get events -A | wc -l   # what writes so much? to last: --quota-backend-bytes=8589934592 in etcd’s extraArgs',
          ],
        };
      }),
};

export const etcdDown: Rule = {
  id: 'etcd-down',
  layer: 'control-plane',
  symptom: 'The API server does not answer, or says "etcdserver: request timed out", "no leader".',
  cause: 'etcd does not run, or more than half of its members do not.',
  cure: 'Bring it back where it runs; its last words say why it ended.',
  sources: ['etcd docs: op-guide/failures', 'kubernetes docs: tasks/administer-cluster/configure-upgrade-etcd'],
  needs,
  explains: upward,
  find(snapshot) {
    const { members, down, hasQuorum } = downMembers(snapshot);
    const [first] = down;
    if (!first || hasQuorum) return [];
    const names = down.map(({ machine }) => machine.name);
    return [
      {
        says:
          members.length === 1
            ? `etcd on ${first.machine.name} is down (${why(first)}): without it there is no API server`
            : `etcd has lost its majority: ${list(names)} of ${members.length} members ${names.length > 1 ? 'are' : 'is'} down (${why(first)})`,
        severity: 'error',
        certainty: 'certain',
        about: [
          entityOf(first.machine),
          ...down.slice(1).map(({ machine }) => entityOf(machine)),
          ...down.map(({ machine }) => processOn('etcd', machine)),
          ...(snapshot.api.state === 'silent' ? (['object:api'] as const) : []),
        ],
        evidence: evidenceOf(first),
        cure: [
          on(first.machine, logOf('etcd')),
          on(first.machine, 'sudo systemctl restart kubelet'),
          'homelab restore FILE   # when its data is lost',
        ],
      },
    ];
  },
};

export const etcdMemberDown: Rule = {
  id: 'etcd-member-down',
  layer: 'control-plane',
  symptom: 'Everything works; one loss more and nothing does.',
  cause: 'One member of etcd is down, the others have the majority.',
  cure: 'Bring it back, or take it out and join it anew.',
  sources: ['etcd docs: op-guide/failures', 'etcd docs: op-guide/runtime-configuration'],
  needs,
  explains: [{ rule: 'apiserver-down', by: 'machine' }],
  find(snapshot) {
    const { members, down, hasQuorum } = downMembers(snapshot);
    if (!hasQuorum) return [];
    return down.map(
      (member): Finding => ({
        says: `etcd’s member on ${member.machine.name} is down (${why(member)}); ${members.length - down.length} of ${members.length} hold the majority`,
        severity: 'error',
        certainty: 'certain',
        about: [entityOf(member.machine), processOn('etcd', member.machine)],
        evidence: evidenceOf(member),
        cure: [
          on(member.machine, logOf('etcd')),
          on(member.machine, 'sudo systemctl restart kubelet'),
          `homelab remove-node ${member.machine.name} --dead && homelab join-node ${member.machine.name}   # when its data is lost`,
        ],
      }),
    );
  },
};

/** etcd 3.4 to 3.6. It warns from 100 ms on, which a busy machine has now and then. */
const slowness =
  /slow fdatasync|apply request took too long|took too long.* to execute|failed to send out heartbeat on time/;
const slowSeconds = 0.5;

function isSlow(line: string): boolean {
  const [, amount, unit] = /"(?:took|exceeded-duration)":"([\d.]+)(ms|s|m)/.exec(line) ?? [];
  // Minutes are more than enough as they are.
  const factor = unit === 'ms' ? 0.001 : 1;
  return slowness.test(line) && Number(amount) * factor >= slowSeconds;
}

export const etcdSlow: Rule = {
  id: 'etcd-slow',
  layer: 'control-plane',
  symptom: 'The API server is slow, leaders change, scheduler and controller manager restart now and then.',
  cause: 'etcd waits for its disk (or the network between members).',
  cure: 'A faster disk for /var/lib/etcd, or less beside it on the same one.',
  sources: ['etcd docs: faq, what does "apply entries took too long" mean', 'etcd docs: op-guide/hardware'],
  needs: ['machine.controlPlane', 'machine.clock', 'api.nodes'],
  explains: [
    { rule: 'apiserver-down', by: 'machine' },
    { rule: 'scheduler-down', by: 'machine' },
    { rule: 'controller-manager-down', by: 'machine' },
  ],
  find: snapshot =>
    controlPlanes(snapshot).flatMap((machine): readonly Finding[] => {
      const container = containerOf(machine, 'etcd');
      const slow = (container?.lastLines ?? []).filter(
        line => isSlow(line) && isFresh(line, timeOn(machine, snapshot)),
      );
      const last = slow.at(-1);
      if (last === undefined || slow.length < 3) return [];
      return [
        {
          says: `etcd on ${machine.name} waits for its disk: ${message(last)} (${slow.length} of its last ${container?.lastLines.length} lines)`,
          severity: 'warning',
          certainty: 'likely',
          settledBy: on(
            machine,
            'sudo iostat -x 1 5   # await of the disk below /var/lib/etcd; above 10 ms is too much',
          ),
          about: [entityOf(machine)],
          evidence: [seenOn(machine, last, logOf('etcd'))],
          cure: [
            on(machine, 'sudo iotop -b -n 3 -o   # who writes beside it?'),
            'to last: /var/lib/etcd on a disk of its own, an SSD',
          ],
        },
      ];
    }),
};

/** Within ten minutes, by the line's own time; what has none is not believed. */
function isFresh(line: string, now: number): boolean {
  const [, stamp = ''] = /"ts":"([^"]+)"/.exec(line) ?? [];
  return now - Date.parse(stamp) < 600_000;
}

export const etcdRules: readonly Rule[] = [etcdFull, etcdDown, etcdMemberDown, etcdSlow];
