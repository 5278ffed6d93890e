// What doctor reads of a machine. Every part may be missing: it was not asked, or the machine did not say. Times are ISO 8601, UTC.
import { z } from 'zod';
import { reference } from './objects/common.ts';

const line = z.object({ at: z.string(), text: z.string() });
/** Did it answer, within its deadline; and what it said. */
const answer = z.object({ ok: z.boolean(), says: z.string() });

const identity = z.object({
  hostname: z.string(),
  machineId: z.string(),
  /** 'unknown' where the firmware says nothing; in a container it is the host's. */
  productUuid: z.string(),
  bootId: z.string(),
  bootedAt: z.string(),
  os: z.object({ id: z.string(), versionId: z.string(), pretty: z.string() }),
  kernel: z.string(),
  arch: z.string(),
  /** systemd-detect-virt: 'none' on metal, 'kvm', 'vmware', 'systemd-nspawn'. */
  virtualization: z.string(),
  /** Clock, swap, kernel log, modules and kernel-wide sysctls are the host's. */
  container: z.boolean(),
  /** Of the DMI: 'QEMU', 'VMware, Inc.'. */
  vendor: z.string(),
  product: z.string(),
});

const clock = z.object({
  /** Of this machine against the computer that looked, milliseconds, with its uncertainty. */
  offsetMs: z.number(),
  uncertaintyMs: z.number(),
  /** As timedatectl says; undefined where it did not answer in time. */
  synchronized: z.boolean().optional(),
  /** The enabled unit, 'none' without one. */
  service: z.string(),
});

export const unit = z.object({
  load: z.string(),
  active: z.string(),
  sub: z.string(),
  /** 'success', 'exit-code', 'oom-kill'. */
  result: z.string(),
  /** UnitFileState: 'enabled', 'disabled', 'masked', 'static'. */
  enabled: z.string(),
  /** Of the last change of its state; empty when there was none. */
  since: z.string(),
  restarts: z.number(),
  pid: z.number(),
  /** Its main process is stopped (state T): it is there and does nothing. */
  frozen: z.boolean(),
});

const nic = z.object({
  name: z.string(),
  mac: reference,
  driver: z.string(),
  /** 'pci', 'usb', 'virtio', '' for what has no device below it. */
  bus: z.string(),
  wifi: z.boolean(),
  operstate: z.string(),
  /** Undefined while the link is administratively down. */
  carrier: z.boolean().optional(),
  /** Since boot; and how many more they became while doctor looked. */
  carrierChanges: z.number(),
  carrierChangesNow: z.number(),
  mtu: z.number(),
  /** address/prefix, IPv4. */
  addresses: z.array(z.string()),
  /** /sys/class/net/X/device/power/control, of USB the device's above it: 'on', 'auto', '' where there is none. */
  powerControl: z.string(),
  /** 'on', 'off', 'unsupported'. */
  eee: z.string(),
  /** Wi-Fi's. */
  powerSave: z.string(),
  /** Of ethtool -k, only what rules read: 'tx-udp_tnl-segmentation' → 'on'. */
  features: z.record(z.string(), z.string()),
});

const filesystem = z.object({
  mount: z.string(),
  device: z.string(),
  type: z.string(),
  sizeBytes: z.number(),
  freeBytes: z.number(),
  inodes: z.number(),
  inodesFree: z.number(),
  readOnly: z.boolean(),
});

const drive = z.object({
  /** As the kernel calls it: 'sda', 'nvme0n1', 'vda', 'fd0'. */
  name: reference,
  model: z.string(),
  /** 'sata', 'nvme', 'usb', 'iscsi' (a volume of Longhorn's), '' where nothing says. */
  bus: z.string(),
  /** As the kernel calls an ATA drive in its log: 'ata1'. */
  port: reference,
  removable: z.boolean(),
  /** Itself, and all that lies on it: '/dev/sda2', '/dev/mapper/vg-root'. */
  devices: z.array(z.string()),
});

const parts = {
  identity,
  clock,
  /** By name without '.service': kubelet, containerd and what else a rule asks for. */
  units: z.record(z.string(), unit),
  /** What answers on the machine itself: kubelet (healthz), containerd (its socket), apiserver (/readyz), etcd (/health), controller-manager, scheduler. */
  health: z.record(z.string(), answer),
  /** TCP ports that somebody listens on. */
  listening: z.array(z.number()),
  nics: z.array(nic),
  routing: z.object({
    /** Of the default routes. */
    defaults: z.array(z.object({ dev: z.string(), via: z.string() })),
    /** ip rule still has the table main. */
    mainRule: z.boolean(),
    /** networkd leaves foreign routes and rules alone; undefined where networkd does not run. */
    networkdKeepsForeign: z.boolean().optional(),
  }),
  filesystems: z.array(filesystem),
  /** Not in a container: they are its host's. */
  drives: z.array(drive),
  memory: z.object({ totalBytes: z.number(), availableBytes: z.number() }),
  swap: z.array(z.object({ name: z.string(), sizeBytes: z.number() })),
  /** Lines of the last day that a rule knows, of the kernel. */
  kernelLog: z.array(line),
  /** By unit: the last lines of this boot at warning or worse, or that a rule knows. */
  journal: z.record(z.string(), z.array(line)),
  certificates: z.array(
    z.object({ path: z.string(), subject: z.string(), notBefore: z.string(), notAfter: z.string() }),
  ),
  packages: z.array(z.object({ name: z.string(), version: z.string(), held: z.boolean() })),
  /** apt's history of the last 60 days about kube*, containerd*, cri-tools: who asked for it. */
  packageLog: z.array(z.object({ at: z.string(), command: z.string(), text: z.string() })),
  containerd: z.object({
    version: z.string(),
    configVersion: z.number(),
    /** Of the config in use (containerd config dump); undefined where it does not say. */
    systemdCgroup: z.boolean().optional(),
    sandboxImage: z.string(),
    /** Plugin ids of version 2 in a file of version 3: ignored by containerd. */
    ignoredPlugins: z.array(z.string()),
    /** What `containerd config dump` said when it failed. */
    broken: z.string(),
  }),
  kubelet: z.object({
    version: z.string(),
    cgroupDriver: z.string(),
    resolvConf: z.string(),
    clusterDNS: z.array(z.string()),
    failSwapOn: z.boolean(),
    evictionHard: z.record(z.string(), z.string()),
    serverTLSBootstrap: z.boolean(),
    /** Where its static pods are read from; empty when it reads none. */
    staticPodPath: z.string().optional(),
  }),
  /** Files that name resolvers: /etc/resolv.conf and kubelet's; and whether each resolver answers here. */
  resolvers: z.array(z.object({ path: z.string(), nameservers: z.array(z.string()) })),
  resolverAnswers: z.record(z.string(), answer),
  cni: z.object({
    files: z.array(z.object({ name: z.string(), types: z.array(z.string()) })),
    /** cni0, flannel.1, cilium_*: with their addresses. */
    links: z.array(z.object({ name: reference, addresses: z.array(z.string()), mtu: z.number() })),
  }),
  sysctl: z.record(z.string(), z.string()),
  conntrack: z.object({ count: z.number(), max: z.number() }),
  /** Rules that drop or reject a port of the cluster: 'nft: tcp dport 10250 drop'. */
  firewall: z.object({
    active: z.array(z.string()),
    drops: z.array(z.object({ port: z.number(), protocol: z.string(), rule: z.string() })),
  }),
  /** Files of static pods; `trouble` is empty when it reads as a Pod. */
  manifests: z.array(z.object({ name: z.string(), trouble: z.string() })),
  /** Containers of the control plane as containerd has them, with the last lines they wrote. */
  controlPlane: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      exitCode: z.number(),
      finishedAt: z.string(),
      lastLines: z.array(z.string()),
    }),
  ),
  /**
   * What this machine reaches over TCP: the API's endpoint (by the name in its kubelet.conf), the others' kubelets (10250) and SSH (22) by
   * their names; port 0 is a ping. `says`: 'timed out', 'refused', 'no route', 'name does not resolve', 'answers'.
   */
  reach: z.array(z.object({ to: reference, port: z.number(), ok: z.boolean(), says: z.string() })),
  /** TCP segments that came with a wrong checksum, since boot; and how many more they became while doctor looked. */
  tcp: z.object({ checksumErrors: z.number(), checksumErrorsNow: z.number() }),
  iscsi: z.object({
    installed: z.boolean(),
    initiator: z.string(),
    multipathOwns: z.array(z.string()),
  }),
  btf: z.boolean(),
  /** Of the machine that was asked about the API: what a CDN answers for a public host: cf-cache-status ('HIT', 'MISS', '' without one) and Age. */
  edge: z.array(z.object({ host: reference, cache: z.string(), ageSeconds: z.number() })),
  /** Of the machine that was asked about the API: whether it gets through to the Services of webhooks that the API server must ask. */
  webhooks: z.array(z.object({ service: z.string(), port: z.number(), ok: z.boolean(), says: z.string() })),
  /** What homelab left: a claim nobody renews, a step that did not end, when a backup was last made. */
  homelab: z.object({
    /** Who holds or held it, for people; empty when it is free. */
    claim: z.string(),
    /** 'lapsed': silent for longer than its lease, or its connection is gone. */
    claimState: z.enum(['free', 'held', 'lapsed']).optional(),
    /** The first word of /var/lib/homelab/begun: 'init', 'join', 'restore'. */
    begun: z.string(),
    lastBackupAt: z.string(),
    /** OnCalendar of homelab-backup.timer: 'Sun 03:00 Asia/Seoul'. */
    backupSchedule: z.string(),
  }),
} as const;

export const machineFacts = z.object(parts).partial();
export type MachineFacts = z.output<typeof machineFacts>;
export type FactName = keyof MachineFacts;
export type Unit = z.output<typeof unit>;
export type Drive = z.output<typeof drive>;
export type MachineNic = z.output<typeof nic>;
export const factNames = Object.keys(parts) as readonly FactName[];
