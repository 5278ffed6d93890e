// Network adapters: down, flapping, hanging, saving power, breaking checksums.
import type { MachineNic } from '../machine-facts.ts';
import type { Explains, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { hypervisorCure } from './hypervisor.ts';
import { addressOf, clockOf, entityOf, nodeNamed, on, readyOf, recent, seenOn, span, timeOn } from './on-machine.ts';

/** Every wording that a rule about adapters looks for, with where it comes from. */
export const lines = {
  /** e1000e, igb, r8169, virtio: 'NIC Link is Down', 'Link is Down'; networkd: 'Lost carrier'. */
  down: /[Ll]ink (?:is )?[Dd]own|Lost carrier/,
  /** drivers/net/ethernet/intel/e1000e/netdev.c */
  intelHang: /Detected Hardware Unit Hang/,
  /** net/sched/sch_generic.c: 'NETDEV WATCHDOG: enp2s0 (r8169): transmit queue 0 timed out'; drivers/net/ethernet/realtek/r8169_main.c */
  stall: /NETDEV WATCHDOG: ?(?:CPU: \d+: )?(?:[\w.-]+ \(([\w-]+)\))?|(r8169).*rtl_rxtx_empty_cond/,
} as const;

/** Adapters that matter: with a device below them, or what a container has in their place. Bridges of pods are none. */
function adapters(machine: MachineLook, nics: readonly MachineNic[]): readonly MachineNic[] {
  const defaults = machine.facts.routing?.defaults.map(({ dev }) => dev) ?? [];
  const isOwn = ({ addresses }: MachineNic) => machine.address !== '' && addresses.some(each => each.split('/')[0] === machine.address);
  return nics.filter(nic => nic.bus !== '' || defaults.includes(nic.name) || isOwn(nic));
}

function isUsed(machine: MachineLook, { name, addresses }: MachineNic): boolean {
  return addresses.length > 0 || (machine.facts.routing?.defaults.some(({ dev }) => dev === name) ?? false);
}

function isGuest({ facts }: MachineLook): boolean {
  return facts.identity !== undefined && !facts.identity.container && facts.identity.virtualization !== 'none';
}

const nodeGone: readonly Explains[] = ['etcd-member-down', 'api-port-blocked', 'kubelet-port-blocked', 'node-not-ready'].map(rule => ({
  rule,
  by: 'machine',
}));

function downOn(snapshot: Snapshot) {
  return machinesWith(snapshot, 'nics').flatMap(({ machine, value }) => {
    const node = nodeNamed(snapshot, machine.name);
    const known = [machine.address, node ? addressOf(node) : ''].filter(each => each !== '');
    return adapters(machine, value)
      .filter(nic => nic.carrier === false && isUsed(machine, nic))
      .map(nic => ({
        nic,
        machine,
        isMain:
          nic.addresses.some(each => known.includes(each.split('/')[0] ?? '')) ||
          (machine.facts.routing?.defaults ?? []).every(({ dev }) => dev === nic.name),
      }));
  });
}

function downFinding({ nic, machine, isMain }: ReturnType<typeof downOn>[number]): Finding {
  return {
    says: `${nic.name} of ${machine.name} (${nic.addresses.join(', ') || 'its default route'}) has no link`,
    severity: isMain ? 'error' : 'warning',
    certainty: 'certain',
    about: [entityOf(machine)],
    evidence: [
      seenOn(machine, `${nic.name}: carrier 0, operstate ${nic.operstate}`, `cat /sys/class/net/${nic.name}/carrier`),
    ],
    cure: [`look at the cable of ${machine.name} and its switch port`, on(machine, `sudo ip link set ${nic.name} up`)],
  };
}

const downRow = {
  layer: 'machine',
  cure: 'Look at cable and switch port.',
  sources: ['kernel docs: ABI/testing/sysfs-class-net, carrier'],
  needs: ['machine.nics', 'machine.routing', 'api.nodes'],
} as const;

export const nicDown: Rule = {
  ...downRow,
  id: 'nic-down',
  symptom: 'A node is NotReady, and its machine is reached by another of its networks only.',
  cause: 'The adapter with the node’s address has no link: cable, switch port, or the other end is off.',
  explains: nodeGone,
  find: snapshot => downOn(snapshot).filter(({ isMain }) => isMain).map(downFinding),
};

export const secondNicDown: Rule = {
  ...downRow,
  id: 'second-nic-down',
  symptom: 'What goes over a second network (storage, backups) hangs.',
  cause: 'A further adapter has an address and no link.',
  explains: [],
  find: snapshot => downOn(snapshot).filter(({ isMain }) => !isMain).map(downFinding),
};

/** A switch that restarts is two of them; more a day has a reason. */
const manyADay = 8;

interface Flapping {
  readonly nic: MachineNic;
  readonly certainty: Finding['certainty'];
  readonly isNow: boolean;
  readonly since?: string;
  readonly says: string;
  readonly line?: string;
}

function flappingOf(snapshot: Snapshot, machine: MachineLook, nic: MachineNic): Flapping | undefined {
  const { kernelLog, journal, identity } = machine.facts;
  const now = timeOn(machine, snapshot);
  const logged = [...(kernelLog ?? []), ...(journal?.['systemd-networkd'] ?? [])].filter(({ text }) => text.includes(nic.name));
  const downs = recent(logged, lines.down, 3600, now);
  const [first] = downs;
  const times = { ...(first ? { since: first.at, line: first.text } : {}) };
  if (nic.carrierChangesNow > 0)
    return {
      nic,
      isNow: true,
      certainty: 'certain',
      ...times,
      says: `lost or got its link ${nic.carrierChangesNow} times while doctor looked (${nic.carrierChanges} times since boot)`,
    };
  if (downs.length >= 3 && first)
    return { nic, isNow: false, certainty: 'certain', ...times, says: `lost its link ${downs.length} times since ${clockOf(first.at, snapshot)}` };
  // Of a container the counter begins with its adapter, not with the host's boot.
  const upSeconds = identity && !identity.container ? (now - Date.parse(identity.bootedAt)) / 1000 : 0;
  const days = Math.max(1, Number.isNaN(upSeconds) ? 1 : upSeconds / 86_400);
  if (identity && nic.carrierChanges / days > manyADay)
    return {
      nic,
      isNow: false,
      certainty: 'likely',
      says: `changed its link ${nic.carrierChanges} times${days > 1 ? ` in the ${span(upSeconds)} since boot` : ' since it is there'}, and has one now`,
    };
  return undefined;
}

export const nicFlapping: Rule = {
  id: 'nic-flapping',
  layer: 'machine',
  symptom: 'A node is NotReady for a minute and Ready again, with the same boot id: it never was off.',
  cause: 'Its link comes and goes: power saving of the adapter or (for a guest) of its host, a bad cable, a switch port.',
  cure: 'Switch power saving off (EEE, Wi-Fi, USB; for a guest on its host), then cable and port.',
  sources: ['kubernetes docs: concepts/architecture/nodes, node heartbeats', 'siderolabs/talos#10200', 'kernel docs: ABI/testing/sysfs-class-net, carrier_changes'],
  needs: ['machine.nics', 'machine.routing', 'machine.identity', 'machine.kernelLog', 'machine.journal', 'machine.clock', 'api.nodes'],
  explains: nodeGone,
  find: snapshot =>
    machinesWith(snapshot, 'nics').flatMap(({ machine, value }) =>
      adapters(machine, value).flatMap((nic): readonly Finding[] => {
        const found = flappingOf(snapshot, machine, nic);
        if (!found || nic.carrier === false) return [];
        const bootId = machine.facts.identity?.bootId;
        const node = nodeNamed(snapshot, machine.name);
        const isSameBoot = bootId !== undefined && bootId !== '' && node?.status.nodeInfo.bootID === bootId;
        const isAway = node !== undefined && readyOf(node)?.status !== 'True';
        return [
          {
            says: `the link of ${machine.name} flaps: ${nic.name} ${found.says}${isAway && isSameBoot ? '; the machine was never off (same boot id)' : ''}`,
            severity: found.isNow ? 'error' : 'warning',
            certainty: found.certainty,
            ...(found.certainty === 'certain' ? {} : { settledBy: on(machine, `cat /sys/class/net/${nic.name}/carrier_changes   # twice, some minutes apart`) }),
            about: [entityOf(machine)],
            ...(found.since ? { since: found.since } : {}),
            evidence: [
              seenOn(machine, `${nic.name} (${nic.driver}): carrier_changes ${nic.carrierChanges}`, `cat /sys/class/net/${nic.name}/carrier_changes`),
              ...(found.line ? [seenOn(machine, found.line, "journalctl -g 'link is down|lost carrier' --since -1h")] : []),
            ],
            cure: [
              ...(isGuest(machine) ? hypervisorCure(snapshot, machine) : [on(machine, `sudo ethtool --set-eee ${nic.name} eee off`)]),
              `look at the cable of ${machine.name} and its switch port (green Ethernet off there, too)`,
            ],
          },
        ];
      }),
    ),
};

function logRule(
  row: Pick<Rule, 'id' | 'symptom' | 'cause' | 'cure' | 'sources'> & {
    readonly pattern: RegExp;
    readonly drivers: RegExp | undefined;
    readonly what: string;
    readonly commands: (machine: MachineLook, nic: string) => readonly string[];
  },
): Rule {
  const { pattern, drivers, what, commands, ...rule } = row;
  return {
    ...rule,
    layer: 'machine',
    needs: ['machine.kernelLog', 'machine.nics', 'machine.clock', 'machine.identity'],
    explains: [{ rule: 'nic-flapping', by: 'machine' }, ...nodeGone],
    find: snapshot =>
      machinesWith(snapshot, 'kernelLog').flatMap(({ machine, value }): readonly Finding[] => {
        const now = timeOn(machine, snapshot);
        const found = machine.facts.identity?.container ? [] : recent(value, pattern, 3600, now);
        const [first] = found;
        const last = found.at(-1);
        if (!first || !last) return [];
        const [, one, other] = pattern.exec(last.text) ?? [];
        const nics = machine.facts.nics ?? [];
        const nic = nics.find(({ name }) => last.text.includes(name)) ?? nics.find(({ driver }) => drivers?.test(driver));
        const driver = nic?.driver ?? one ?? other ?? '';
        if (drivers && driver !== '' && !drivers.test(driver)) return [];
        const isNow = (now - Date.parse(last.at)) / 1000 < 600;
        return [
          {
            says: `${nic?.name ?? 'an adapter'} of ${machine.name}${driver ? ` (${driver})` : ''} ${what}: ${found.length} times since ${clockOf(first.at, snapshot)}`,
            severity: isNow ? 'error' : 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            since: first.at,
            evidence: [seenOn(machine, last.text, "journalctl -k -g 'Hardware Unit Hang|NETDEV WATCHDOG|rtl_rxtx_empty_cond'")],
            cure: commands(machine, nic?.name ?? 'eth0'),
          },
        ];
      }),
  };
}

export const intelHang = logRule({
  id: 'nic-intel-hang',
  symptom: 'A machine with an Intel adapter is off the network for seconds to minutes; the kernel says "Detected Hardware Unit Hang".',
  cause: 'The adapter (e1000e, often I219) stops sending, most often with Energy Efficient Ethernet or segmentation offload on.',
  cure: 'EEE off, then segmentation offload off, then deeper sleep states of the processor off; else another adapter.',
  sources: ['siderolabs/talos#10200', 'siderolabs/talos#8935', 'siutsin/otaru#2637'],
  pattern: lines.intelHang,
  drivers: /^(e1000e?|igb|igc)$/,
  what: 'hangs',
  commands: (machine, nic) => [
    on(machine, `sudo ethtool --set-eee ${nic} eee off`),
    on(machine, `sudo ethtool -K ${nic} tso off gso off   # if it goes on`),
    `to last: the same in a unit of systemd that runs at boot, before kubelet.service`,
  ],
});

export const nicStall = logRule({
  id: 'nic-stalls',
  symptom: 'A machine is off the network now and then; the kernel says "NETDEV WATCHDOG … transmit queue timed out".',
  cause: 'The adapter stops sending and is reset: on Realtek’s r8169 mostly its power saving (ASPM) or checksum offload.',
  cure: 'Power saving of that device off, EEE off, checksum offload off; else another adapter or driver.',
  sources: ['home-assistant/operating-system#5019', 'openwrt/openwrt#13248'],
  pattern: lines.stall,
  drivers: undefined,
  what: 'stalls',
  commands: (machine, nic) => [
    on(machine, `for f in /sys/class/net/${nic}/device/link/*aspm; do echo 0 | sudo tee $f; done`),
    on(machine, `sudo ethtool --set-eee ${nic} eee off`),
    on(machine, `sudo ethtool -K ${nic} tx off   # if it goes on`),
    `to last: the same in a unit of systemd that runs at boot, before kubelet.service`,
  ],
});

/** With Energy Efficient Ethernet these are known to lose their link or hang. */
const badWithEee = /^(e1000e|igb|igc|r8169|r8168|r8125|r8152|atlantic)$/;

export const nicPowerSaving: Rule = {
  id: 'nic-power-saving',
  layer: 'machine',
  symptom: 'Links that flap or adapters that hang when there is little to do.',
  cause: 'The adapter saves power: Energy Efficient Ethernet, Wi-Fi power save, or USB autosuspend.',
  cure: 'Switch it off on machines that are always on.',
  sources: ['kernel docs: ABI/testing/sysfs-devices-power', 'ethtool(8) --set-eee', 'iw docs: power_save', 'siderolabs/talos#10200'],
  needs: ['machine.nics', 'machine.routing', 'machine.identity', 'machine.kernelLog', 'machine.journal', 'machine.clock', 'api.nodes'],
  explains: ['nic-intel-hang', 'nic-stalls', 'nic-flapping'].map(rule => ({ rule, by: 'machine' })),
  find(snapshot) {
    const trouble = [intelHang, nicStall, nicFlapping].flatMap(rule => rule.find(snapshot).map(({ about: [first] }) => first));
    return machinesWith(snapshot, 'nics').flatMap(({ machine, value }) =>
      adapters(machine, value)
        .filter(nic => nic.bus !== '' && nic.bus !== 'virtio' && isUsed(machine, nic))
        .flatMap((nic): readonly Finding[] => {
          const { name, driver } = nic;
          const usb = `/sys/class/net/${name}/device/../power/control`;
          const knobs = [
            ...(nic.eee === 'on'
              ? [
                  {
                    what: 'Energy Efficient Ethernet',
                    again: `sudo ethtool --show-eee ${name}`,
                    // The link goes down for some seconds: not done unasked.
                    cure: `sudo ethtool --set-eee ${name} eee off`,
                    weight: badWithEee.test(driver) ? ('warning' as const) : ('note' as const),
                  },
                ]
              : []),
            ...(nic.wifi && nic.powerSave === 'on'
              ? [
                  {
                    what: 'Wi-Fi power save',
                    again: `iw dev ${name} get power_save`,
                    cure: `sudo iw dev ${name} set power_save off`,
                    undo: `iw dev ${name} set power_save on\n`,
                    script: `iw dev ${name} set power_save off\n`,
                    weight: 'warning' as const,
                  },
                ]
              : []),
            ...(nic.bus === 'usb' && nic.powerControl === 'auto'
              ? [
                  {
                    what: 'USB autosuspend',
                    again: `cat ${usb}`,
                    cure: `echo on | sudo tee ${usb}`,
                    undo: `echo auto > ${usb}\n`,
                    script: `echo on > ${usb}\n`,
                    weight: 'warning' as const,
                  },
                ]
              : []),
          ];
          return knobs.map(
            (knob): Finding => ({
              says: `${name} of ${machine.name} (${driver}) saves power: ${knob.what} is on`,
              severity: knob.weight,
              // That it is on is certain; that the link suffers from it is not.
              ...(trouble.includes(entityOf(machine))
                ? { certainty: 'likely', settledBy: `switch it off, and see for a day whether the link of ${machine.name} stays` }
                : { certainty: 'certain' }),
              about: [entityOf(machine)],
              evidence: [seenOn(machine, `${knob.what}: on`, knob.again)],
              cure: [on(machine, knob.cure), 'to last: the same in a unit of systemd or a udev rule that runs at boot'],
              ...('script' in knob && knob.script
                ? { fix: { machine: machine.name, title: `Switch ${knob.what} of ${name} off`, script: knob.script, undo: knob.undo } }
                : {}),
            }),
          );
        }),
    );
  },
};

const tunnels = /^(cilium_vxlan|cilium_geneve|flannel\.\d+|vxlan\.calico)$/;
const offloads = ['tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'] as const;

export const tunnelChecksums: Rule = {
  id: 'tunnel-checksums',
  layer: 'machine',
  symptom: 'Pods on different machines ping each other, and TCP between them fails or crawls.',
  cause: 'A paravirtual adapter (vmxnet3, virtio) computes checksums inside VXLAN wrongly; the other side drops the packets.',
  cure: 'Switch its tunnel offloads off on every such machine.',
  sources: ['cilium/cilium#21801', 'projectcalico/calico#4727'],
  needs: ['machine.nics', 'machine.routing', 'machine.cni', 'machine.tcp'],
  explains: [],
  find(snapshot) {
    // Those who get such packets count them, not the one that sends them.
    const counting = machinesWith(snapshot, 'tcp').filter(({ value }) => value.checksumErrorsNow > 0);
    return machinesWith(snapshot, 'nics').flatMap(({ machine, value }) => {
      const counter = counting.find(each => each.machine.name !== machine.name) ?? counting[0];
      const hasTunnel = (machine.facts.cni?.links ?? []).some(({ name }) => tunnels.test(name));
      if (!counter || !hasTunnel) return [];
      return adapters(machine, value)
        .map(nic => ({ nic, on: offloads.filter(feature => nic.features[feature] === 'on') }))
        .filter(({ nic, on: features }) => /^(vmxnet3|virtio_net|hv_netvsc)$/.test(nic.driver) && features.length > 0)
        .map(({ nic, on: features }): Finding => {
          const off = features.map(feature => `${feature} off`).join(' ');
          return {
            says: `${nic.name} of ${machine.name} (${nic.driver}) computes checksums inside tunnels, and ${counter.machine.name} gets wrong ones: TCP between pods of these machines fails`,
            severity: 'error',
            certainty: 'likely',
            settledBy: `${on(machine, `sudo ethtool -K ${nic.name} ${off}`)}   # then the count on ${counter.machine.name} stands still`,
            about: [entityOf(machine), ...(counter.machine === machine ? [] : [entityOf(counter.machine)])],
            evidence: [
              seenOn(counter.machine, `TcpInCsumErrors grew by ${counter.value.checksumErrorsNow} while doctor looked (${counter.value.checksumErrors} since boot)`, 'nstat -az TcpInCsumErrors'),
              seenOn(machine, `${features.join(', ')}: on`, `ethtool -k ${nic.name}`),
            ],
            cure: [on(machine, `sudo ethtool -K ${nic.name} ${off}`), 'to last: the same in a unit of systemd that runs at boot, on every such machine'],
            fix: {
              machine: machine.name,
              title: `Switch tunnel offloads of ${nic.name} off`,
              script: `ethtool -K ${nic.name} ${off}\n`,
              undo: `ethtool -K ${nic.name} ${features.map(feature => `${feature} on`).join(' ')}\n`,
            },
          };
        });
    });
  },
};

/** What VXLAN adds to each packet. */
const vxlanBytes = 50;

export const mtuTooLarge: Rule = {
  id: 'mtu-too-large',
  layer: 'machine',
  symptom: 'Small packets between pods arrive, large ones are lost: TLS handshakes hang, ping works.',
  cause: 'The tunnel’s MTU does not leave room for its header in the adapter’s, or machines on one network have different MTUs.',
  cure: 'The same MTU on all machines, and 50 bytes less in the tunnel.',
  sources: ['flannel docs: backends, vxlan', 'cozystack/cozystack#2147'],
  needs: ['machine.nics', 'machine.routing', 'machine.cni'],
  explains: [],
  find(snapshot) {
    const rows = machinesWith(snapshot, 'nics').flatMap(({ machine, value }) => {
      const [nic] = adapters(machine, value).filter(each => isUsed(machine, each));
      return nic ? [{ machine, nic }] : [];
    });
    const usual = mostFrequent(rows.map(({ nic }) => nic.mtu));
    return rows.flatMap(({ machine, nic }): readonly Finding[] => {
      // Cilium's device has the adapter's MTU; its routes have the smaller one.
      const tunnel = (machine.facts.cni?.links ?? []).find(({ name }) => /^(flannel\.\d+|vxlan\.calico)$/.test(name));
      const isTooLarge = tunnel !== undefined && tunnel.mtu > nic.mtu - vxlanBytes;
      const isOther = usual !== undefined && nic.mtu !== usual;
      if (!isTooLarge && !isOther) return [];
      const mtu = isTooLarge ? nic.mtu - vxlanBytes : usual;
      const device = isTooLarge ? tunnel.name : nic.name;
      return [
        {
          says: isTooLarge
            ? `the MTU of ${tunnel.name} on ${machine.name} is ${tunnel.mtu}, and ${nic.name} carries ${nic.mtu}: large packets between pods are lost`
            : `the MTU of ${nic.name} on ${machine.name} is ${nic.mtu}, and ${usual} on the other machines`,
          severity: isTooLarge ? 'error' : 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, `${nic.name}: ${nic.mtu}${tunnel ? `, ${tunnel.name}: ${tunnel.mtu}` : ''}`, 'ip -br -d link | grep -o "^[^ ]*\\|mtu [0-9]*"')],
          cure: [on(machine, `sudo ip link set ${device} mtu ${mtu}`), 'to last: in netplan or networkd for the adapter, in the network plugin’s configuration for the tunnel'],
        },
      ];
    });
  },
};

/** Undefined for fewer than three, and where no value has a majority: then nobody is the odd one out. */
function mostFrequent(values: readonly number[]): number | undefined {
  if (values.length < 3) return undefined;
  return values.find(value => values.filter(each => each === value).length * 2 > values.length);
}

export const nicRules: readonly Rule[] = [nicPowerSaving, intelHang, nicStall, nicDown, secondNicDown, nicFlapping, tunnelChecksums, mtuTooLarge];
