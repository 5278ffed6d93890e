// What a kubelet is and was told: its version and who changed it, holds, its serving certificate, static pods.

import semver from 'semver';
import { isName } from '../objects/common.ts';
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, objects, type Snapshot } from '../snapshot.ts';
import {
  clockOf,
  clusterTime,
  entityOf,
  isControlPlane,
  isRunning,
  list,
  nodeNamed,
  on,
  seenOn,
  span,
  timeOn,
} from './on-machine.ts';

/** '1.31.4' of 'v1.31.4', '1.31.4-1.1', or undefined. */
function versionOf(text: string): string | undefined {
  return semver.coerce(text)?.version;
}

interface Odd {
  readonly machine: MachineLook;
  /** Installed there, and running as the API has it. */
  readonly installed: string;
  readonly running: string | undefined;
  /** What most of the others have. */
  readonly usual: string;
}

/** Installed kubelets that differ from the majority, or from the control planes where there is none. */
function oddOnes(snapshot: Snapshot): readonly Odd[] {
  const all = machinesWith(snapshot, 'kubelet').flatMap(({ machine, value }) => {
    const installed = versionOf(value.version);
    return installed ? [{ machine, installed }] : [];
  });
  const counts = [...new Set(all.map(({ installed }) => installed))].map(version => ({
    version,
    count: all.filter(({ installed }) => installed === version).length,
  }));
  if (counts.length < 2) return [];
  const most = counts.filter(({ count }) => count * 2 > all.length).at(0)?.version;
  const ofControlPlane = all.find(({ machine }) => isControlPlane(machine, snapshot))?.installed;
  const usual = most ?? ofControlPlane;
  if (usual === undefined) return [];
  return all
    .filter(({ installed }) => installed !== usual)
    .map(each => ({
      ...each,
      usual,
      running: versionOf(nodeNamed(snapshot, each.machine.name)?.status.nodeInfo.kubeletVersion ?? ''),
    }));
}

/** homelab changes versions one machine after the other, and says so there. */
function isBeingUpgraded(snapshot: Snapshot): boolean {
  return snapshot.machines.some(({ facts }) => facts.homelab?.claimState === 'held');
}

export const kubeletUpgraded: Rule = {
  id: 'kubelet-upgraded',
  layer: 'runtime',
  symptom: 'One machine runs another version of the kubelet than the others.',
  cause: 'The package was upgraded there by itself (unattended-upgrades) or by hand, not with the cluster.',
  cure: 'Bring the machine to the cluster’s version, or the cluster to its; then hold the packages.',
  sources: ['kubernetes.io/releases/version-skew-policy', 'puppetlabs/puppetlabs-kubernetes#341'],
  needs: ['machine.kubelet', 'machine.packageLog', 'machine.packages', 'machine.homelab', 'api.nodes'],
  explains: [
    { rule: 'version-skew', by: 'machine' },
    { rule: 'versions-mixed', by: 'machine' },
  ],
  find: snapshot =>
    isBeingUpgraded(snapshot)
      ? []
      : oddOnes(snapshot).map(({ machine, installed, running, usual }): Finding => {
          const entry = machine.facts.packageLog?.findLast(({ text }) =>
            /(?:Upgrade|Install|Downgrade)[^;]*\bkubelet\b/.test(text),
          );
          const held = machine.facts.packages?.find(({ name }) => name === 'kubelet')?.held;
          const waits =
            running !== undefined && running !== installed ? `; ${running} still runs, until its next start` : '';
          const by = entry
            ? `: ${/unattended/.test(entry.command + entry.text) ? 'unattended-upgrades' : `"${entry.command}"`} did it at ${clockOf(entry.at, snapshot)}`
            : '';
          return {
            says: `${machine.name} has kubelet ${installed}, ${waits === '' ? 'the other machines' : 'the others'} have ${usual}${by}${held === false ? '; the package is not on hold' : ''}${waits}`,
            severity: 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            ...(entry ? { since: entry.at } : {}),
            evidence: [
              seenOn(
                machine,
                `kubelet ${installed}${held === undefined ? '' : held ? ', on hold' : ', not on hold'}`,
                'kubelet --version; apt-mark showhold',
              ),
              ...(entry
                ? [
                    seenOn(
                      machine,
                      `${entry.at} ${entry.command}: ${entry.text}`,
                      'grep -B3 -A3 kubelet /var/log/apt/history.log',
                    ),
                  ]
                : []),
            ],
            cure: [
              semver.gt(installed, usual)
                ? on(
                    machine,
                    `sudo apt-get install -y --allow-downgrades --allow-change-held-packages kubelet='${usual}-*' && sudo systemctl restart kubelet   # or homelab upgrade --to v${installed} for all`,
                  )
                : `homelab upgrade --to v${usual}`,
              on(machine, 'sudo apt-mark hold kubelet kubeadm kubectl   # to last'),
            ],
          };
        }),
};

const heldPackages = ['kubelet', 'kubeadm', 'kubectl'];

export const holdLost: Rule = {
  id: 'packages-not-held',
  layer: 'runtime',
  symptom: 'Nothing yet; with the next apt upgrade a machine has another version of Kubernetes than the cluster.',
  cause: 'Its packages are not on hold.',
  cure: 'Hold them; homelab upgrade lets go of them when it upgrades.',
  sources: ['kubernetes docs: setup/production-environment/tools/kubeadm/install-kubeadm, apt-mark hold'],
  needs: ['machine.packages', 'machine.homelab', 'machine.kubelet', 'api.nodes'],
  explains: [],
  find(snapshot) {
    // Where it has happened already, that is said.
    const upgraded = oddOnes(snapshot).map(({ machine }) => machine);
    return machinesWith(snapshot, 'packages').flatMap(({ machine, value }): readonly Finding[] => {
      // In the middle of an upgrade they are loose for a moment.
      if (machine.facts.homelab?.claimState === 'held' || upgraded.includes(machine)) return [];
      const loose = value.filter(({ name, held }) => heldPackages.includes(name) && !held).map(({ name }) => name);
      if (loose.length === 0) return [];
      return [
        {
          says: `${list(loose)} of ${machine.name} ${loose.length > 1 ? 'are' : 'is'} not on hold: the next apt upgrade takes ${loose.length > 1 ? 'them' : 'it'} along, past the cluster’s version`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, `not on hold: ${loose.join(', ')}`, 'apt-mark showhold')],
          cure: [on(machine, `sudo apt-mark hold ${loose.join(' ')}`)],
          fix: {
            machine: machine.name,
            title: `Hold ${loose.join(', ')}`,
            script: `apt-mark hold ${loose.join(' ')}\n`,
            undo: `apt-mark unhold ${loose.join(' ')}\n`,
          },
        },
      ];
    });
  },
};

const servingFile = '/var/lib/kubelet/pki/kubelet-server-current.pem';
const signer = 'kubernetes.io/kubelet-serving';

export const servingNotApproved: Rule = {
  id: 'serving-certificate-waits',
  layer: 'node',
  symptom: 'kubectl logs and exec fail with "remote error: tls: internal error", metrics-server has nothing of a node.',
  cause: 'The kubelet asked for the certificate that it serves (serverTLSBootstrap), and nobody approved its request.',
  cure: 'Look at the request and approve it: homelab does so after checking whose it is.',
  sources: [
    'kubernetes docs: tasks/administer-cluster/kubeadm/kubeadm-certs, kubelet serving certs',
    'siderolabs/talos kubelet-csr diagnostic',
  ],
  needs: ['machine.certificates', 'machine.clock', 'api.csr', 'api.leases'],
  explains: [],
  find(snapshot) {
    const all = objects(snapshot, 'csr').filter(({ spec }) => spec.signerName === signer);
    const answered = (each: (typeof all)[number]) =>
      each.status.conditions.some(({ type }) => type === 'Approved' || type === 'Denied' || type === 'Failed');
    const users = [...new Set(all.map(({ spec }) => spec.username))];
    return users.flatMap((user): readonly Finding[] => {
      const name = user.replace(/^system:node:/, '');
      if (!isName(name)) return [];
      const mine = all.filter(({ spec }) => spec.username === user);
      const newest = mine
        .toSorted(
          (one, other) => Date.parse(one.metadata.creationTimestamp) - Date.parse(other.metadata.creationTimestamp),
        )
        .at(-1);
      if (!newest || answered(newest)) return [];
      // Whoever approves gets a moment.
      const age = (clusterTime(snapshot) - Date.parse(newest.metadata.creationTimestamp)) / 1000;
      if (age < 60) return [];
      const machine = snapshot.machines.find(each => each.name === name);
      const files = machine?.facts.certificates;
      const file = files?.find(({ path }) => path === servingFile);
      const left = machine && file ? (Date.parse(file.notAfter) - timeOn(machine, snapshot)) / 1000 : undefined;
      const serves = left !== undefined && left > 0;
      return [
        {
          says: serves
            ? `the kubelet of ${name} asked for a new serving certificate ${span(age)} ago, and nobody approved it: the old one ends in ${span(left)}`
            : `the kubelet of ${name} has no serving certificate: nobody approved its request (${newest.metadata.name}, ${span(age)} old); logs, exec and metrics of that node fail`,
          severity: serves ? 'warning' : 'error',
          certainty: files === undefined ? 'likely' : 'certain',
          ...(files === undefined ? { settledBy: `ssh ${name} sudo ls -l ${servingFile}` } : {}),
          about: [entityOf({ name }), `object:csr/${newest.metadata.name}`],
          since: newest.metadata.creationTimestamp,
          evidence: [
            {
              says: `${newest.metadata.name} of ${user}: Pending`,
              from: 'API server',
              again: `kubectl get csr ${newest.metadata.name}`,
            },
            ...(machine && files
              ? [
                  seenOn(
                    machine,
                    file ? `${servingFile} ends ${file.notAfter}` : `${servingFile} is not there`,
                    `sudo ls -l ${servingFile}`,
                  ),
                ]
              : []),
          ],
          cure: [
            'homelab bootstrap   # approves it after checking names and addresses',
            `kubectl get csr ${newest.metadata.name} -o jsonpath={.spec.request} | base64 -d | openssl req -noout -text   # by hand: is it ${name}’s name and address?`,
            `kubectl certificate approve ${newest.metadata.name}`,
          ],
        },
      ];
    });
  },
};

export const staticPods: Rule = {
  id: 'static-pods-unread',
  layer: 'runtime',
  symptom: 'On a control plane nothing of etcd, API server, scheduler and controller manager is started.',
  cause: 'Its kubelet does not read /etc/kubernetes/manifests: staticPodPath is empty or names another folder.',
  cure: 'Set staticPodPath and restart the kubelet.',
  sources: ['kubernetes docs: tasks/configure-pod-container/static-pod'],
  needs: ['machine.kubelet', 'machine.units', 'api.nodes'],
  explains: ['etcd-down', 'etcd-member-down', 'apiserver-down', 'scheduler-down', 'controller-manager-down'].map(
    rule => ({ rule, by: 'machine' }),
  ),
  find: snapshot =>
    machinesWith(snapshot, 'kubelet').flatMap(({ machine, value: { staticPodPath } }): readonly Finding[] => {
      const unit = machine.facts.units?.['kubelet'];
      if (
        staticPodPath === undefined ||
        !isControlPlane(machine, snapshot) ||
        staticPodPath.replace(/\/$/, '') === '/etc/kubernetes/manifests'
      )
        return [];
      return [
        {
          says: `the kubelet of ${machine.name} ${staticPodPath === '' ? 'reads no static pods' : `reads its static pods from ${staticPodPath}`}: the control plane there is not started${unit && isRunning(unit) ? '' : ' when it comes up'}`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              `staticPodPath: ${staticPodPath || '(none)'}`,
              'sudo grep staticPodPath /var/lib/kubelet/config.yaml',
            ),
          ],
          cure: [
            on(
              machine,
              "sudo sed -i '/^staticPodPath:/d; $a staticPodPath: /etc/kubernetes/manifests' /var/lib/kubelet/config.yaml",
            ),
            on(machine, 'sudo systemctl restart kubelet'),
            'kubectl -n kube-system edit configmap kubelet-config   # and here: an upgrade writes the file anew from it',
          ],
        },
      ];
    }),
};

/** Before the kubelet's own; `servingNotApproved` is of a layer above. */
export const kubeletConfigRules: readonly Rule[] = [staticPods, holdLost, kubeletUpgraded];
