// Who a machine is: ids, address, name; and the order of these rules with those of clock and routes.
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects } from '../snapshot.ts';
import { clockHere, clockOff, clockUnsynchronised } from './clock.ts';
import {
  addressOf,
  clusterTime,
  entityOf,
  isCrashing,
  isRunning,
  lastHeard,
  list,
  nodeNamed,
  on,
  readyOf,
  seenOn,
  silentAfterSeconds,
} from './on-machine.ts';
import { forwardingOff, mainRuleGone, rulesWiped } from './routing.ts';

/** Machines by a value that should be each one's own. */
function shared(
  rows: readonly { readonly name: string; readonly value: string }[],
): readonly { readonly value: string; readonly names: readonly string[] }[] {
  const values = [...new Set(rows.map(({ value }) => value))].filter(value => value !== '' && value !== 'unknown');
  return values
    .map(value => ({ value, names: rows.filter(each => each.value === value).map(({ name }) => name) }))
    .filter(({ names }) => names.length > 1);
}

export const machineIdTwice: Rule = {
  id: 'machine-id-twice',
  layer: 'machine',
  symptom: 'Two machines get the same DHCP address now and then, or Cilium and Longhorn take two nodes for one.',
  cause: 'They are clones: /etc/machine-id was copied with the disk.',
  cure: 'Make a new machine-id on all but one, and reboot.',
  sources: ['kubernetes/kubeadm#31', 'machine-id(5)'],
  needs: ['machine.identity', 'api.nodes'],
  explains: [],
  find(snapshot) {
    const read = machinesWith(snapshot, 'identity').map(({ machine, value }) => ({
      name: machine.name,
      value: value.machineId,
    }));
    const told = objects(snapshot, 'nodes')
      .filter(({ metadata }) => !read.some(({ name }) => name === metadata.name))
      .map(({ metadata, status }) => ({ name: metadata.name, value: status.nodeInfo.machineID }));
    return shared([...read, ...told]).map(({ value, names }): Finding => {
      const [first = '', ...others] = names;
      return {
        says: `${list(names)} have the same machine-id (${value.slice(0, 8)}…): clones of one disk`,
        severity: 'warning',
        certainty: 'certain',
        about: [entityOf({ name: first }), ...others.map(name => entityOf({ name }))],
        evidence: names.slice(0, 2).map(name => seenOn({ name }, `machine-id ${value}`, 'cat /etc/machine-id')),
        cure: others.map(name =>
          on(
            { name },
            'sudo rm -f /etc/machine-id /var/lib/dbus/machine-id && sudo systemd-machine-id-setup && sudo reboot   # drain it first',
          ),
        ),
      };
    });
  },
};

export const productUuidTwice: Rule = {
  id: 'product-uuid-twice',
  layer: 'machine',
  symptom: 'Two guests have the same product UUID.',
  cause: 'A guest was copied with its configuration; kubeadm asks for unique ones.',
  cure: 'Give all but one a new UUID in the hypervisor.',
  sources: ['kubernetes docs: setup/production-environment/tools/kubeadm/install-kubeadm, unique product_uuid'],
  needs: ['machine.identity'],
  explains: [],
  find(snapshot) {
    // In a container it is the host's, and the same for all on it.
    const rows = machinesWith(snapshot, 'identity')
      .filter(({ value }) => !value.container)
      .map(({ machine, value }) => ({ name: machine.name, value: value.productUuid.toLowerCase() }));
    return shared(rows).map(({ value, names }): Finding => {
      const [first = '', ...others] = names;
      return {
        says: `${list(names)} have the same product UUID (${value.slice(0, 8)}…): copies of one guest`,
        severity: 'note',
        certainty: 'certain',
        about: [entityOf({ name: first }), ...others.map(name => entityOf({ name }))],
        evidence: names.slice(0, 2).map(name => seenOn({ name }, value, 'sudo cat /sys/class/dmi/id/product_uuid')),
        cure: [`in the hypervisor: a new UUID for ${list(others)}, while it is switched off`],
      };
    });
  },
};

const ofPods = /^(lo|cni|docker|flannel|cilium|vxlan|kube|veth|lxc|cali)/;

export const addressChanged: Rule = {
  id: 'address-changed',
  layer: 'machine',
  symptom: 'A node is Ready now and then, its pods are not reached; kubectl logs and exec fail.',
  cause: 'The machine has another address than the one it joined with: DHCP gave it a new one.',
  cure: 'Give it its old address back, as a reservation in the router or fixed on the machine.',
  sources: ['kubernetes/kubeadm#338', 'kubernetes/kubernetes#107127'],
  needs: ['machine.nics', 'api.nodes'],
  explains: ['etcd-member-down', 'etcd-down', 'apiserver-down', 'kubelet-port-blocked', 'node-not-ready'].map(rule => ({
    rule,
    by: 'machine',
  })),
  find: snapshot =>
    machinesWith(snapshot, 'nics').flatMap(({ machine, value }): readonly Finding[] => {
      const node = nodeNamed(snapshot, machine.name);
      const known = node
        ? addressOf(node)
        : (snapshot.declared?.hosts.find(({ name }) => name === machine.name)?.address ?? '');
      const own = value.filter(({ name, addresses }) => !ofPods.test(name) && addresses.length > 0);
      const [adapter] = own;
      const has = own.flatMap(({ addresses }) => addresses.map(each => each.split('/')[0] ?? ''));
      if (!/^[0-9.]+$/.test(known) || !adapter || has.includes(known)) return [];
      return [
        {
          says: `${machine.name} has the address ${list(has)} now; the cluster knows it as ${known}`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `addresses: ${has.join(', ')}`, 'ip -4 -br address'),
            node
              ? { says: `InternalIP ${known}`, from: 'API server', again: `kubectl get node ${machine.name} -o wide` }
              : { says: `address: ${known}`, from: 'inventory', again: 'homelab validate' },
          ],
          cure: [
            `give ${machine.name} the address ${known} again: a DHCP reservation for ${adapter.mac || 'its MAC'}, or a fixed address`,
            on(machine, 'sudo systemctl restart kubelet'),
          ],
        },
      ];
    }),
};

export const nodeRenamed: Rule = {
  id: 'node-renamed',
  layer: 'machine',
  symptom:
    'A node stays NotReady beside a new one that nobody asked for, or the kubelet says its node is not found or forbidden.',
  cause: 'The machine’s hostname was changed: the kubelet registers by it.',
  cure: 'Give it its old name back.',
  sources: ['kubernetes docs: reference/access-authn-authz/node', 'kubernetes/kubeadm#338'],
  needs: ['machine.identity', 'machine.units', 'machine.clock', 'api.nodes', 'api.leases'],
  explains: ['kubelet-crashes', 'node-not-ready'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'identity').flatMap(({ machine, value: { hostname } }): readonly Finding[] => {
      const node = nodeNamed(snapshot, machine.name);
      const other = nodeNamed(snapshot, hostname.toLowerCase());
      const unit = machine.facts.units?.['kubelet'];
      const seconds = (clusterTime(snapshot) - Date.parse(lastHeard(snapshot, machine.name))) / 1000;
      const isOld = node !== undefined && readyOf(node)?.status !== 'True' && !(seconds <= silentAfterSeconds);
      const isForeign = other !== undefined && !snapshot.machines.some(({ name }) => name === other.metadata.name);
      const stumbles = unit !== undefined && (isCrashing(unit) || isRunning(unit));
      if (hostname.toLowerCase() === machine.name || !isOld || !stumbles) return [];
      return [
        {
          says: `${machine.name} calls itself ${hostname} now${isForeign ? `, and joined a second time as ${other.metadata.name}` : ''}: nobody reports for the node ${machine.name} any more`,
          severity: 'error',
          certainty: isForeign ? 'certain' : 'possible',
          ...(isForeign
            ? {}
            : { settledBy: on(machine, 'journalctl -u kubelet -n 50   # node not found, or forbidden') }),
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `hostname ${hostname}`, 'hostname'),
            { says: `node ${machine.name} is not Ready`, from: 'API server', again: 'kubectl get nodes' },
          ],
          cure: [
            on(machine, `sudo hostnamectl set-hostname ${machine.name}`),
            on(machine, 'sudo systemctl restart kubelet'),
            ...(isForeign ? [`kubectl delete node ${other.metadata.name}`] : []),
          ],
        },
      ];
    }),
};

export const identityRules: readonly Rule[] = [
  clockHere,
  clockUnsynchronised,
  clockOff,
  machineIdTwice,
  productUuidTwice,
  addressChanged,
  nodeRenamed,
  mainRuleGone,
  forwardingOff,
  rulesWiped,
];
