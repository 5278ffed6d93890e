// The kubelet's process: stopped, hanging, ending again and again, not started at boot, not let in.
import type { Explains, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { graceSeconds } from './containerd.ts';
import { reasonOf } from './kubelet-reasons.ts';
import {
  clockOf,
  entityOf,
  isControlPlane,
  isCrashing,
  isRunning,
  nodeNamed,
  on,
  readyOf,
  recent,
  seenOn,
  settledFor,
  span,
  timeOn,
} from './on-machine.ts';

const nodeGone: readonly Explains[] = [{ rule: 'node-not-ready', by: 'machine' }];
/** Without its kubelet a control plane keeps what runs; after a reboot nothing of it does. */
const controlPlaneToo: readonly Explains[] = [
  ...nodeGone,
  ...['etcd-down', 'etcd-member-down', 'apiserver-down', 'scheduler-down', 'controller-manager-down'].map(
    (rule): Explains => ({ rule, by: 'machine' }),
  ),
];

const show = 'systemctl status kubelet';
const state = (unit: {
  readonly active: string;
  readonly sub: string;
  readonly result: string;
  readonly since: string;
}) =>
  `ActiveState=${unit.active}, SubState=${unit.sub}, Result=${unit.result}${unit.since ? `, since ${unit.since}` : ''}`;

/** 'k8s-worker2 is NotReady because its kubelet …', or without the first half where it is not so. */
function because(snapshot: Snapshot, machine: MachineLook, what: string): string {
  const ready = readyOf(nodeNamed(snapshot, machine.name));
  return ready !== undefined && ready.status !== 'True'
    ? `${machine.name} is NotReady because its kubelet ${what}`
    : `the kubelet of ${machine.name} ${what}`;
}

function isMember(units: NonNullable<MachineLook['facts']['units']>): boolean {
  return units['kubelet'] !== undefined && units['kubelet'].load !== 'not-found';
}

export const kubeletStopped: Rule = {
  id: 'kubelet-stopped',
  layer: 'runtime',
  symptom: 'A node is NotReady: "Kubelet stopped posting node status". The machine answers, its containers run on.',
  cause:
    'The kubelet does not run: somebody stopped it, or it was not started at boot because it is disabled or masked.',
  cure: 'Start it, and enable it at boot.',
  sources: [
    'kubernetes docs: concepts/architecture/nodes, node heartbeats',
    'kubernetes/kubernetes pkg/controller/nodelifecycle',
  ],
  needs: ['machine.units', 'api.nodes'],
  explains: controlPlaneToo,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['kubelet'];
      // A machine that never was a member may have the package.
      const isMember = nodeNamed(snapshot, machine.name) !== undefined;
      const isExpected = isMember || snapshot.lists.nodes.state !== 'seen';
      if (!unit || !isExpected || isRunning(unit) || isCrashing(unit) || unit.active === 'activating') return [];
      if (unit.load === 'not-found')
        return nodeNamed(snapshot, machine.name) === undefined
          ? []
          : [
              {
                says: `${machine.name} is a node, and there is no kubelet on it any more: the package is gone`,
                severity: 'error',
                certainty: 'certain',
                about: [entityOf(machine)],
                evidence: [seenOn(machine, 'LoadState=not-found', show)],
                cure: ['homelab bootstrap   # installs it, in the cluster’s version'],
              },
            ];
      const masked = unit.enabled.startsWith('masked');
      const disabled = unit.enabled === 'disabled';
      const how = `${masked ? 'is masked' : disabled ? 'is disabled' : ''}${masked || disabled ? ' and ' : ''}${disabled && !unit.since ? 'was not started' : 'was stopped'}`;
      return [
        {
          says: because(
            snapshot,
            machine,
            `${how}${unit.since ? ` at ${clockOf(unit.since, snapshot)}` : ''} (systemd: ${unit.active})`,
          ),
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          ...(unit.since ? { since: unit.since } : {}),
          evidence: [seenOn(machine, `${state(unit)}, ${unit.enabled}`, show)],
          cure: [
            ...(masked ? [on(machine, 'sudo systemctl unmask kubelet')] : []),
            on(machine, 'sudo systemctl start kubelet'),
            on(machine, 'sudo systemctl enable kubelet   # to last'),
          ],
          // Who masks a unit means it.
          ...(masked
            ? {}
            : {
                fix: {
                  machine: machine.name,
                  title: 'Start the kubelet',
                  script: 'systemctl start kubelet\n',
                  undo: 'systemctl stop kubelet\n',
                },
              }),
        },
      ];
    }),
};

export const kubeletNotAtBoot: Rule = {
  id: 'kubelet-not-at-boot',
  layer: 'runtime',
  symptom: 'After the next reboot the node stays NotReady.',
  cause: 'The kubelet or containerd runs, and is disabled or masked at boot.',
  cure: 'Enable the kubelet, so that it starts with the machine.',
  sources: ['systemctl(1): enable, mask'],
  needs: ['machine.units'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }) =>
      (isMember(value) ? ['kubelet', 'containerd'] : []).flatMap((name): readonly Finding[] => {
        const unit = value[name];
        const isMasked = unit?.enabled.startsWith('masked') === true;
        if (!unit || !isRunning(unit) || !(isMasked || unit.enabled === 'disabled')) return [];
        return [
          {
            says: `${name} of ${machine.name} runs, and will not be started at boot: it is ${isMasked ? 'masked' : 'disabled'}`,
            severity: 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            evidence: [seenOn(machine, `UnitFileState=${unit.enabled}`, `systemctl is-enabled ${name}`)],
            cure: [
              ...(isMasked ? [on(machine, `sudo systemctl unmask ${name}`)] : []),
              on(machine, `sudo systemctl enable ${name}`),
            ],
            ...(isMasked
              ? {}
              : {
                  fix: {
                    machine: machine.name,
                    title: `Enable ${name} at boot`,
                    script: `systemctl enable ${name}\n`,
                    undo: `systemctl disable ${name}\n`,
                  },
                }),
          },
        ];
      }),
    ),
};

export const kubeletHangs: Rule = {
  id: 'kubelet-hangs',
  layer: 'runtime',
  symptom: 'A node is NotReady, and systemd calls its kubelet active.',
  cause: 'The kubelet is there and does nothing: stopped by a signal, or stuck.',
  cure: 'Let it go on or restart it; containers run on meanwhile.',
  sources: ['kubernetes docs: reference/node/kubelet, healthz', 'signal(7): SIGSTOP'],
  needs: ['machine.units', 'machine.health', 'machine.clock', 'api.nodes'],
  explains: nodeGone,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['kubelet'];
      const health = machine.facts.health?.['kubelet'];
      const isSilent = health !== undefined && !health.ok;
      if (!unit || !isRunning(unit) || (!unit.frozen && !isSilent)) return [];
      if (!unit.frozen && !(settledFor(unit, machine, snapshot) >= graceSeconds)) return [];
      const isStuck = unit.frozen || /timed out/.test(health?.says ?? '');
      return [
        {
          says: because(
            snapshot,
            machine,
            unit.frozen
              ? 'hangs: its process is stopped by a signal (state T), though systemd calls it active'
              : isStuck
                ? 'hangs: it is active and does not answer its own health check'
                : `is not well: its health check says ${health?.says}`,
          ),
          severity: 'error',
          certainty: isStuck ? 'certain' : 'likely',
          ...(isStuck ? {} : { settledBy: on(machine, 'curl -m 3 http://127.0.0.1:10248/healthz?verbose') }),
          about: [entityOf(machine)],
          evidence: [
            ...(unit.frozen
              ? [seenOn(machine, `process ${unit.pid} is in state T`, `ps -o stat= -p ${unit.pid}`)]
              : []),
            ...(isSilent
              ? [seenOn(machine, `127.0.0.1:10248/healthz: ${health.says}`, 'curl -m 3 http://127.0.0.1:10248/healthz')]
              : []),
            seenOn(machine, state(unit), show),
          ],
          cure: [
            ...(unit.frozen ? [on(machine, `sudo kill -CONT ${unit.pid}`)] : []),
            on(machine, 'sudo systemctl restart kubelet'),
          ],
          fix: unit.frozen
            ? {
                machine: machine.name,
                title: 'Let the kubelet go on',
                script: `kill -CONT ${unit.pid}\n`,
                undo: `kill -STOP ${unit.pid}\n`,
              }
            : {
                machine: machine.name,
                title: 'Restart the kubelet',
                script: 'systemctl restart kubelet\n',
                undo: 'true\n',
              },
        },
      ];
    }),
};

export const kubeletCrashes: Rule = {
  id: 'kubelet-crashes',
  layer: 'runtime',
  symptom: 'A node is NotReady, and its kubelet is started again every ten seconds.',
  cause: 'The kubelet ends by itself; its last words say why.',
  cure: 'Mend what it complains of; systemd starts it again by itself.',
  sources: [
    'kubernetes docs: setup/production-environment/tools/kubeadm/troubleshooting-kubeadm',
    'kubernetes/kubernetes cmd/kubelet/app/server.go',
  ],
  needs: ['machine.units', 'machine.journal', 'machine.clock', 'api.nodes'],
  explains: controlPlaneToo,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['kubelet'];
      const isMember = nodeNamed(snapshot, machine.name) !== undefined;
      const isExpected = isMember || snapshot.lists.nodes.state !== 'seen';
      // kubeadm's package starts one on a bare machine, which ends until there is a configuration.
      if (!unit || !isExpected || !isCrashing(unit)) return [];
      const end = unit.active === 'failed' ? Date.parse(unit.since) : timeOn(machine, snapshot);
      const found = reasonOf(
        recent(machine.facts.journal?.['kubelet'], /./, 900, Number.isNaN(end) ? timeOn(machine, snapshot) : end),
      );
      // Nor is it known to be a member where nobody could be asked.
      if (!isMember && found && /open \/var\/lib\/kubelet\/config\.yaml: no such file/.test(found.line)) return [];
      return [
        {
          says: because(
            snapshot,
            machine,
            `does not stay up${unit.restarts > 0 ? ` (started ${unit.restarts} times)` : ''}: ${found ? found.reason.says : `systemd says ${unit.result}`}`,
          ),
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            ...(found ? [seenOn(machine, found.line, 'sudo journalctl -u kubelet -n 50')] : []),
            seenOn(machine, state(unit), show),
          ],
          cure: [
            ...(found?.reason.cure ?? ['sudo journalctl -u kubelet -n 50']).map(line => on(machine, line)),
            on(machine, 'sudo systemctl restart kubelet'),
          ],
        },
      ];
    }),
};

export const clientCertificate = '/var/lib/kubelet/pki/kubelet-client-current.pem';

export const kubeletCertificate: Rule = {
  id: 'kubelet-certificate-ended',
  layer: 'runtime',
  symptom:
    'A node is NotReady although its kubelet is active: the API server does not let it in ("certificate has expired", Unauthorized).',
  cause:
    'Its client certificate ended: the machine was off, or the API server away, while it should have been renewed.',
  cure: 'Give it a new one; it renews it by itself afterwards.',
  sources: [
    'kubernetes/kubeadm#2054',
    'kubernetes docs: tasks/administer-cluster/kubeadm/kubeadm-certs',
    'kubernetes docs: tasks/tls/certificate-rotation',
  ],
  needs: ['machine.certificates', 'machine.clock', 'api.nodes'],
  explains: [{ rule: 'kubelet-crashes', by: 'machine' }, ...nodeGone],
  find: snapshot =>
    machinesWith(snapshot, 'certificates').flatMap(({ machine, value }): readonly Finding[] => {
      const file = value.find(({ path }) => path === clientCertificate);
      const over = file === undefined ? Number.NaN : (timeOn(machine, snapshot) - Date.parse(file.notAfter)) / 1000;
      if (!file || !(over >= 0)) return [];
      return [
        {
          says: because(
            snapshot,
            machine,
            `is not let in: its client certificate ended at ${clockOf(file.notAfter, snapshot)}, ${span(over)} ago`,
          ),
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          since: file.notAfter,
          evidence: [
            seenOn(machine, `notAfter=${file.notAfter}`, `sudo openssl x509 -noout -enddate -in ${clientCertificate}`),
          ],
          cure: isControlPlane(machine, snapshot)
            ? ['homelab certs renew   # makes one for it, too']
            : [
                `kubectl delete node ${machine.name}   # its pods move; local volumes stay on the disk`,
                `homelab reset ${machine.name} && homelab join-node ${machine.name}`,
                `by hand, without a reset: kubeadm token create --print-join-command on a control plane, the token into /etc/kubernetes/bootstrap-kubelet.conf of ${machine.name}, then systemctl restart kubelet there`,
              ],
        },
      ];
    }),
};

export const kubeletRules: readonly Rule[] = [
  kubeletCertificate,
  kubeletCrashes,
  kubeletStopped,
  kubeletHangs,
  kubeletNotAtBoot,
];
