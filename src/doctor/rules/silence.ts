// Machines that do not answer: off or cut off, hanging, or only out of reach from here.
import type { Evidence, Finding, Rule } from '../rule.ts';
import type { MachineLook, Snapshot } from '../snapshot.ts';
import { hypervisorCure } from './hypervisor.ts';
import { clockOf, clusterTime, entityOf, lastHeard, list, on, seenOn, silentAfterSeconds } from './on-machine.ts';

const needs = ['machine.reach', 'machine.clock', 'machine.identity', 'api.leases'] as const;

/** All that others say of a machine that does not answer us. */
interface Hearsay {
  /** Names of machines that tried it. */
  readonly tried: readonly string[];
  /** One of them had an answer of its TCP: alive. 'refused' is one too. */
  readonly answered: { readonly by: MachineLook; readonly port: number; readonly says: string } | undefined;
  readonly pinged: MachineLook | undefined;
  /** It took our own connection, and its sshd said nothing. */
  readonly tookOurs: boolean;
  /** Its kubelet's last sign of life; and whether that is too long ago. */
  readonly heard: string;
  readonly isStale: boolean | undefined;
}

function hearsay(snapshot: Snapshot, { name, unreached }: MachineLook): Hearsay {
  const rows = snapshot.machines.flatMap(by =>
    (by.facts.reach ?? []).filter(({ to }) => to === name).map(row => ({ by, ...row })),
  );
  const heard = lastHeard(snapshot, name);
  const seconds = (clusterTime(snapshot) - Date.parse(heard)) / 1000;
  return {
    tried: [...new Set(rows.map(({ by }) => by.name))],
    answered: rows.find(({ port, ok, says }) => port !== 0 && (ok || /refused/.test(says))),
    pinged: rows.find(({ port, ok }) => port === 0 && ok)?.by,
    tookOurs: unreached?.tookConnection === true,
    heard,
    isStale: Number.isNaN(seconds) ? undefined : seconds > silentAfterSeconds,
  };
}

function silentMachines(snapshot: Snapshot): readonly MachineLook[] {
  return snapshot.machines.filter(({ unreached }) => unreached?.kind === 'no answer');
}

function isEverySilent(snapshot: Snapshot): boolean {
  return snapshot.machines.length > 1 && silentMachines(snapshot).length === snapshot.machines.length;
}

function kindOfSilence(told: Hearsay): 'path' | 'hangs' | 'gone' {
  if (told.isStale === false) return 'path';
  // The way from here to it is in order.
  if (told.tookOurs) return 'hangs';
  // A kernel takes TCP connections for programs that do not run any more, so that a kubelet which is silent counts for more; it refuses them
  // for programs that are not there: the machine boots, or somebody stopped them.
  if (told.answered && (told.isStale === undefined || /refused/.test(told.answered.says))) return 'path';
  return told.answered || told.pinged ? 'hangs' : 'gone';
}

/** Every machine of the kind, with what the others say. */
function silences(snapshot: Snapshot, kind: ReturnType<typeof kindOfSilence>) {
  return silentMachines(snapshot)
    .map(machine => ({ machine, told: hearsay(snapshot, machine) }))
    .filter(({ told }) => kindOfSilence(told) === kind);
}

function evidenceOf(snapshot: Snapshot, machine: MachineLook, told: Hearsay): readonly Evidence[] {
  const [peer] = told.tried;
  return [
    ...(peer === undefined
      ? []
      : [
          seenOn(
            { name: peer },
            `${list(told.tried)} ${told.tried.length > 1 ? 'have' : 'has'} no answer of it either`,
            `ping -c1 -W1 ${machine.name}`,
          ),
        ]),
    ...(told.isStale
      ? [
          {
            says: `its kubelet last renewed its lease at ${clockOf(told.heard, snapshot)}`,
            from: 'API server',
            again: `kubectl -n kube-node-lease get lease ${machine.name}`,
          },
        ]
      : []),
    { says: machine.unreached?.says ?? '', from: 'this computer', again: `ssh ${machine.name} true` },
  ];
}

/** A silent control plane takes the API server with it when no other one was reached. */
function entities(snapshot: Snapshot, machine: MachineLook): Finding['about'] {
  const isApiGone =
    snapshot.api.state === 'silent' &&
    machine.role === 'control-plane' &&
    snapshot.machines.every(({ role, unreached }) => role !== 'control-plane' || unreached !== undefined);
  return isApiGone ? [entityOf(machine), 'object:api'] : [entityOf(machine)];
}

const consequences = [
  { rule: 'etcd-member-down', by: 'machine' },
  { rule: 'api-silent', by: 'object' },
  { rule: 'node-not-ready', by: 'machine' },
  { rule: 'host-missing', by: 'machine' },
] as const;

export const networkHere: Rule = {
  id: 'network-here',
  layer: 'machine',
  symptom: 'No machine answers.',
  cause:
    'All machines at once are rarely down; the network of the computer that asks often is: another Wi-Fi, a VPN, a router that restarts.',
  cure: 'Look at the network of this computer first.',
  sources: ['nagios docs: determining status and reachability of network hosts'],
  needs: [],
  explains: [
    { rule: 'machine-silent', by: 'machine' },
    { rule: 'api-silent', by: 'object' },
  ],
  find(snapshot) {
    if (!isEverySilent(snapshot)) return [];
    const [first] = snapshot.machines;
    return [
      {
        says: `none of the ${snapshot.machines.length} machines answers: the network of this computer, or the router between, is likelier than all of them at once`,
        severity: 'error',
        certainty: 'likely',
        settledBy:
          'log in from another computer of the same network, or look whether one of the machines has its lights on',
        about: [
          'object:this computer',
          ...snapshot.machines.map(entityOf),
          ...(snapshot.api.state === 'silent' ? (['object:api'] as const) : []),
        ],
        evidence: snapshot.machines.slice(0, 3).map(({ name, unreached }) => ({
          says: `${name}: ${unreached?.says ?? ''}`,
          from: 'this computer',
          again: `ssh ${name} true`,
        })),
        cure: [`ip route get ${first?.address || 'ADDRESS'}`, 'homelab doctor'],
      },
    ];
  },
};

export const machineSilent: Rule = {
  id: 'machine-silent',
  layer: 'machine',
  symptom: 'A machine does not answer SSH, its node is NotReady, and nothing else reaches it.',
  cause: 'It is off or stopped, or its network link is cut: from outside these look the same.',
  cure: 'Look at its power, cable and switch port, for a guest at its hypervisor. When it is back, its boot id says whether it was off.',
  sources: [
    'kubernetes/kubernetes pkg/controller/nodelifecycle',
    'kubernetes docs: concepts/architecture/nodes, node heartbeats',
  ],
  needs,
  explains: consequences,
  find: snapshot =>
    silences(snapshot, 'gone').map(({ machine, told }): Finding => {
      const certainty = isEverySilent(snapshot)
        ? 'possible'
        : told.tried.length > 0
          ? 'certain'
          : told.isStale
            ? 'likely'
            : 'possible';
      const [peer] = told.tried;
      const heard = told.isStale ? `; its kubelet was last heard of at ${clockOf(told.heard, snapshot)}` : '';
      return {
        says: `${machine.name} is off, or its network link is down: ${peer === undefined ? 'it does not answer this computer' : `it answers neither this computer nor ${list(told.tried)}`}${heard}`,
        severity: 'error',
        certainty,
        settledBy: `the console or the lights of ${machine.name}: a dark port is the link, a dark machine is the power`,
        about: entities(snapshot, machine),
        ...(told.isStale ? { since: told.heard } : {}),
        evidence: evidenceOf(snapshot, machine, told),
        cure: [
          `look at power, cable and switch port of ${machine.name}`,
          ...hypervisorCure(snapshot, machine),
          `homelab doctor   # once it answers: it says whether the machine was off or only its link`,
        ],
      };
    }),
};

function kernelSeenBy({ pinged, answered }: Hearsay): { readonly name: string } {
  return pinged ?? answered?.by ?? { name: 'this computer' };
}

export const machineHangs: Rule = {
  id: 'machine-hangs',
  layer: 'machine',
  symptom: 'A machine answers a ping or takes connections, and none of its services speaks.',
  cause:
    'Its kernel lives and its programs do not run, or hardly: frozen or paused by its hypervisor, out of memory or of processor time, or waiting for a dead disk.',
  cure: 'Its console says which; when that is dead too, switch it off and on.',
  sources: ['kernel docs: admin-guide/sysrq'],
  needs,
  explains: consequences,
  find: snapshot =>
    silences(snapshot, 'hangs').map(({ machine, told }): Finding => {
      // Of its kubelet nothing is known: it may run, and only too slowly for us.
      const mayBeBusy = told.tookOurs && told.isStale === undefined;
      const heard = mayBeBusy ? 'its sshd says nothing' : 'neither its sshd nor its kubelet says anything';
      return {
        says: `${machine.name} hangs${mayBeBusy ? ' or is overloaded' : ''}: its kernel answers ${kernelSeenBy(told).name}, but ${heard}`,
        severity: 'error',
        certainty: 'likely',
        settledBy: mayBeBusy
          ? `time ssh ${machine.name} uptime   # a machine that is busy lets you in at last`
          : `the console of ${machine.name}: a stopped kubelet beside a broken sshd looks the same from outside`,
        about: entities(snapshot, machine),
        ...(told.isStale ? { since: told.heard } : {}),
        evidence: [
          ...(told.pinged
            ? [seenOn(told.pinged, `${machine.name} answers the ping`, `ping -c1 -W1 ${machine.name}`)]
            : told.answered
              ? [
                  seenOn(
                    kernelSeenBy(told),
                    `port ${told.answered?.port} of ${machine.name} takes the connection`,
                    `nc -zv -w2 ${machine.name} ${told.answered?.port}`,
                  ),
                ]
              : []),
          ...evidenceOf(snapshot, machine, { ...told, tried: [] }),
        ],
        cure: [
          `look at the console of ${machine.name}; when it does not react, switch it off and on`,
          ...hypervisorCure(snapshot, machine),
        ],
      };
    }),
};

export const machinePath: Rule = {
  id: 'machine-path',
  layer: 'machine',
  symptom: 'This computer cannot log in to a machine that others reach.',
  cause: 'The machine lives; the way from here to its SSH does not: sshd stopped, a firewall, another port, a route.',
  cure: 'Log in by way of a machine that reaches it, and look at sshd and the firewall there.',
  sources: ['openssh docs: ssh(1) -J'],
  needs: ['machine.reach', 'machine.clock', 'api.leases'],
  explains: [],
  find: snapshot =>
    isEverySilent(snapshot)
      ? []
      : silences(snapshot, 'path').map(({ machine, told }): Finding => {
          const { answered } = told;
          const over =
            answered?.by.name ??
            snapshot.machines.find(({ unreached }) => unreached === undefined)?.name ??
            machine.name;
          return {
            says: `${machine.name} lives, but this computer cannot log in to it: ${machine.unreached?.says ?? 'no answer'}`,
            severity: 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            evidence: [
              answered
                ? seenOn(
                    answered.by,
                    `port ${answered.port} of ${machine.name}: ${answered.says}`,
                    `nc -zv -w2 ${machine.name} ${answered.port}`,
                  )
                : {
                    says: `its kubelet renewed its lease at ${clockOf(told.heard, snapshot)}`,
                    from: 'API server',
                    again: `kubectl -n kube-node-lease get lease ${machine.name}`,
                  },
              { says: machine.unreached?.says ?? '', from: 'this computer', again: `ssh ${machine.name} true` },
            ],
            cure: [
              `ssh -J ${over} ${machine.name} systemctl status ssh`,
              on({ name: over }, `ssh ${machine.name} sudo nft list ruleset`),
            ],
          };
        }),
};

export const silenceRules: readonly Rule[] = [networkHere, machineSilent, machineHangs, machinePath];
