// Who and when a machine is: clock, ids, address, name; and routes that networkd takes away.
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, objects, type Snapshot } from '../snapshot.ts';
import { addressOf, clusterTime, entityOf, isCrashing, isRunning, lastHeard, list, median, nodeNamed, on, readyOf, seenOn, silentAfterSeconds, span } from './on-machine.ts';

/** Below it nothing of Kubernetes minds; certificates, tokens and etcd do above. */
const offSeconds = 2;
/** From here on tokens and new certificates are refused and logs come in the wrong order. */
const badSeconds = 30;

interface Reading {
  readonly machine: MachineLook;
  /** Against this computer, seconds. */
  readonly offset: number;
  readonly uncertainty: number;
}

/** Containers show their host's clock: one reading for all of a host's. */
function readings(snapshot: Snapshot): readonly Reading[] {
  return machinesWith(snapshot, 'clock').map(({ machine, value }) => ({
    machine,
    offset: value.offsetMs / 1000,
    uncertainty: value.uncertaintyMs / 1000,
  }));
}

/** Do most of them agree with one another? Then those show what time it is. */
function agreed(all: readonly Reading[]): number | undefined {
  const middle = median(all.map(({ offset }) => offset));
  if (middle === undefined || all.length < 2) return undefined;
  const near = all.filter(({ offset, uncertainty }) => Math.abs(offset - middle) <= offSeconds + uncertainty);
  return near.length * 2 > all.length ? middle : undefined;
}

export const clockHere: Rule = {
  id: 'clock-here',
  layer: 'machine',
  symptom: 'All machines seem to be off by the same time.',
  cause: 'It is the clock of this computer that is wrong: the machines agree with one another.',
  cure: 'Set the clock of this computer; what it says of ages and certificates here was reckoned by the machines’ time.',
  sources: ['design: several clocks that agree outvote one'],
  needs: ['machine.clock'],
  explains: [],
  find(snapshot) {
    const all = readings(snapshot);
    const common = agreed(all);
    const [first] = all;
    if (common === undefined || !first || Math.abs(common) <= offSeconds + Math.max(...all.map(each => each.uncertainty))) return [];
    return [
      {
        says: `the clock of this computer is ${span(common)} ${common > 0 ? 'behind' : 'ahead'}: ${all.length} machines agree with one another and not with it`,
        severity: 'warning',
        certainty: 'likely',
        settledBy: 'a clock of neither: a phone, or curl -sI https://kubernetes.io | grep -i ^date',
        about: ['object:this computer'],
        evidence: [seenOn(first.machine, `${span(first.offset)} ${first.offset > 0 ? 'ahead of' : 'behind'} this computer`, 'date -u')],
        cure: ['timedatectl set-ntp true   # on this computer'],
      },
    ];
  },
};

export const clockOff: Rule = {
  id: 'clock-off',
  layer: 'machine',
  symptom: '"certificate is not yet valid", joins and tokens fail, logs are refused as too old or too new.',
  cause: 'The clock of a machine differs from the others’.',
  cure: 'Let it keep time (one source: a time service, or the hypervisor, not both).',
  sources: ['kubernetes/kubernetes#102556', 'etcd docs: op-guide/hardware, clock difference against peers'],
  needs: ['machine.clock', 'machine.identity'],
  explains: [
    'kubelet-certificate-ended',
    'apiserver-certificate-ended',
    'etcd-certificate-ended',
    'control-plane-certificate-ended',
  ].map(rule => ({ rule, by: 'machine' })),
  find(snapshot) {
    const all = readings(snapshot);
    const common = agreed(all);
    return all.flatMap(({ machine, offset, uncertainty }): readonly Finding[] => {
      const off = offset - (common ?? 0);
      if (Math.abs(off) <= offSeconds + uncertainty) return [];
      const { synchronized, service } = machine.facts.clock ?? { synchronized: false, service: 'none' };
      const container = machine.facts.identity?.container === true;
      const which = common === undefined ? 'this computer’s' : 'the other machines’';
      const keeper = synchronized ? '' : service === 'none' ? '; no time service is enabled there' : `; ${service} has not synchronised it`;
      return [
        {
          says: `the clock of ${machine.name} is ${span(off)} ${off > 0 ? 'ahead of' : 'behind'} ${which}${container ? '' : keeper}`,
          severity: Math.abs(off) > badSeconds ? 'error' : 'warning',
          certainty: common === undefined ? (synchronized ? 'possible' : 'likely') : 'certain',
          ...(common === undefined ? { settledBy: 'a third clock: a phone, or date -u on another machine' } : {}),
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `${span(off)} ${off > 0 ? 'ahead' : 'behind'} (± ${uncertainty.toFixed(1)} s)`, 'date -u'),
            seenOn(machine, `NTPSynchronized=${synchronized ? 'yes' : 'no'}, service: ${service}`, 'timedatectl'),
          ],
          cure: container
            ? ['set the clock of the computer that this container runs on: it is the same one']
            : [
                on(machine, service === 'none' ? 'sudo apt-get install -y systemd-timesyncd' : `sudo systemctl restart ${service}`),
                on(machine, 'sudo timedatectl set-ntp true'),
                on(machine, 'sudo systemctl restart kubelet'),
              ],
        },
      ];
    });
  },
};

export const clockUnsynchronised: Rule = {
  id: 'clock-unsynchronised',
  layer: 'machine',
  symptom: 'Nothing keeps a machine’s clock right.',
  cause: 'No time service is enabled: the clock drifts by seconds a week, and far more in a guest whose host sleeps.',
  cure: 'Enable systemd-timesyncd or chrony.',
  sources: ['kubernetes/kubernetes#102556', 'systemd-timesyncd(8)'],
  needs: ['machine.clock', 'machine.identity'],
  explains: [],
  find(snapshot) {
    // It says so itself.
    const off = clockOff.find(snapshot).map(({ about: [entity] }) => entity);
    return machinesWith(snapshot, 'clock').flatMap(({ machine, value: { synchronized, service } }): readonly Finding[] =>
      synchronized || service !== 'none' || machine.facts.identity?.container !== false || off.includes(entityOf(machine))
        ? []
        : [
            {
              says: `nothing keeps the clock of ${machine.name}: no time service is enabled`,
              severity: 'warning',
              certainty: 'certain',
              about: [entityOf(machine)],
              evidence: [seenOn(machine, 'NTPSynchronized=no, no service', 'timedatectl')],
              cure: [on(machine, 'sudo apt-get install -y systemd-timesyncd'), on(machine, 'sudo timedatectl set-ntp true')],
            },
          ],
    );
  },
};

/** Machines by a value that should be each one's own. */
function shared(rows: readonly { readonly name: string; readonly value: string }[]): readonly { readonly value: string; readonly names: readonly string[] }[] {
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
    const read = machinesWith(snapshot, 'identity').map(({ machine, value }) => ({ name: machine.name, value: value.machineId }));
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
          on({ name }, 'sudo rm -f /etc/machine-id /var/lib/dbus/machine-id && sudo systemd-machine-id-setup && sudo reboot   # drain it first'),
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

export const addressChanged: Rule = {
  id: 'address-changed',
  layer: 'machine',
  symptom: 'A node is Ready now and then, its pods are not reached; kubectl logs and exec fail.',
  cause: 'The machine has another address than the one it joined with: DHCP gave it a new one.',
  cure: 'Give it its old address back, as a reservation in the router or fixed on the machine.',
  sources: ['kubernetes/kubeadm#338', 'kubernetes/kubernetes#107127'],
  needs: ['machine.nics', 'api.nodes'],
  explains: ['etcd-member-down', 'etcd-down', 'apiserver-down', 'kubelet-port-blocked', 'node-not-ready'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'nics').flatMap(({ machine, value }): readonly Finding[] => {
      const node = nodeNamed(snapshot, machine.name);
      const known = node ? addressOf(node) : (snapshot.declared?.hosts.find(({ name }) => name === machine.name)?.address ?? '');
      const has = value.flatMap(({ addresses }) => addresses.map(each => each.split('/')[0] ?? ''));
      if (!/^[0-9.]+$/.test(known) || has.length === 0 || has.includes(known)) return [];
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
            `give ${machine.name} the address ${known} again: a DHCP reservation for ${value.find(({ addresses }) => addresses.length > 0)?.mac ?? 'its MAC'}, or a fixed address`,
            on(machine, 'sudo systemctl restart kubelet'),
          ],
        },
      ];
    }),
};

export const nodeRenamed: Rule = {
  id: 'node-renamed',
  layer: 'machine',
  symptom: 'A node stays NotReady beside a new one that nobody asked for, or the kubelet says its node is not found or forbidden.',
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
          ...(isForeign ? {} : { settledBy: on(machine, 'journalctl -u kubelet -n 50   # node not found, or forbidden') }),
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `hostname ${hostname}`, 'hostname'),
            { says: `node ${machine.name} is not Ready`, from: 'API server', again: 'kubectl get nodes' },
          ],
          cure: [on(machine, `sudo hostnamectl set-hostname ${machine.name}`), on(machine, 'sudo systemctl restart kubelet'), ...(isForeign ? [`kubectl delete node ${other.metadata.name}`] : [])],
        },
      ];
    }),
};

const dropIn = '[Network]\\nManageForeignRoutes=no\\nManageForeignRoutingPolicyRules=no\\n';
const leaveAlone = (machine: MachineLook) =>
  on(
    machine,
    `sudo mkdir -p /etc/systemd/networkd.conf.d && printf '${dropIn}' | sudo tee /etc/systemd/networkd.conf.d/10-kubernetes.conf   # to last`,
  );

export const mainRuleGone: Rule = {
  id: 'routing-rule-gone',
  layer: 'machine',
  symptom: 'After netplan apply, a restart of networkd or a link that came back the machine reaches nobody.',
  cause: 'The rule that looks up the table main is gone: systemd-networkd removes rules that it did not make.',
  cure: 'Add it again, and tell networkd to leave foreign rules alone.',
  sources: ['systemd/systemd#41350', 'cilium/cilium#18706'],
  needs: ['machine.routing'],
  explains: ['api-port-blocked', 'node-not-ready'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'routing')
      .filter(({ value }) => !value.mainRule)
      .map(({ machine }): Finding => ({
        says: `${machine.name} has lost its routing rule for the table main: nothing leaves it by its own routes`,
        severity: 'error',
        certainty: 'certain',
        about: [entityOf(machine)],
        evidence: [seenOn(machine, 'no rule looks up the table main', 'ip rule')],
        cure: [on(machine, 'sudo ip rule add pref 32766 lookup main'), leaveAlone(machine)],
        fix: {
          machine: machine.name,
          title: 'Add the rule for the table main again',
          script: 'ip rule add pref 32766 lookup main\n',
          undo: 'ip rule del pref 32766 lookup main\n',
        },
      })),
};

export const rulesWiped: Rule = {
  id: 'networkd-wipes-rules',
  layer: 'machine',
  symptom: 'Pods of a machine are cut off after netplan apply, a restart of networkd or a link that came back.',
  cause: 'systemd-networkd removes routes and rules that it did not make, and Cilium’s are such.',
  cure: 'Tell it to leave them alone.',
  sources: ['systemd/systemd#41350', 'cilium/cilium#18706', 'networkd.conf(5): ManageForeignRoutingPolicyRules='],
  needs: ['machine.routing', 'machine.cni'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'routing')
      .filter(({ machine, value }) => {
        const hasCilium = (machine.facts.cni?.links ?? []).some(({ name }) => name.startsWith('cilium_'));
        return value.mainRule && value.networkdKeepsForeign === false && hasCilium;
      })
      .map(({ machine }): Finding => ({
        says: `systemd-networkd on ${machine.name} will remove Cilium’s rules at its next restart`,
        severity: 'warning',
        certainty: 'certain',
        about: [entityOf(machine)],
        evidence: [
          seenOn(machine, 'ManageForeignRoutingPolicyRules is not off', 'systemd-analyze cat-config systemd/networkd.conf'),
        ],
        cure: [leaveAlone(machine)],
      })),
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
  rulesWiped,
];
