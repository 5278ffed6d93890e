// Constructed: a healthy cluster of three machines, with the values that Debian 12, kubeadm 1.31.1 and containerd 2.1.5 show on guests of KVM.
import type { MachineFacts, MachineNic, Unit } from '../../src/doctor/machine-facts.ts';
import { listsOf } from '../../src/doctor/objects/read.ts';
import type { MachineLook, Snapshot } from '../../src/doctor/snapshot.ts';
import { withFacts, withObjects } from './rig.ts';

export const at = Date.parse('2026-11-22T02:14:30Z');

/** So many seconds before the look. */
export function ago(seconds: number): string {
  return new Date(at - seconds * 1000).toISOString();
}

export const names = ['cp', 'w1', 'w2'] as const;
export type Name = (typeof names)[number];
const addresses = { cp: '192.168.0.10', w1: '192.168.0.11', w2: '192.168.0.12' } as const;
export const endpoint = 'k8s-api.home.arpa';
const day = 86_400;
const gib = 2 ** 30;

export const running: Unit = {
  load: 'loaded',
  active: 'active',
  sub: 'running',
  result: 'success',
  enabled: 'enabled',
  since: ago(9 * day),
  restarts: 0,
  pid: 812,
  frozen: false,
};
export const stopped: Unit = { ...running, active: 'inactive', sub: 'dead', since: ago(200), pid: 0 };
export const crashing: Unit = {
  ...running,
  active: 'activating',
  sub: 'auto-restart',
  result: 'exit-code',
  since: ago(3),
  restarts: 41,
  pid: 0,
};

function nicOf(name: Name): MachineNic {
  return {
    name: 'ens18',
    mac: `52:54:00:00:00:${addresses[name].slice(-2)}`,
    driver: 'virtio_net',
    bus: 'virtio',
    wifi: false,
    operstate: 'up',
    carrier: true,
    carrierChanges: 2,
    carrierChangesNow: 0,
    mtu: 1500,
    addresses: [`${addresses[name]}/24`],
    powerControl: 'auto',
    eee: 'unsupported',
    powerSave: '',
    features: { 'tx-udp_tnl-segmentation': 'on', 'tx-udp_tnl-csum-segmentation': 'on' },
  };
}

const bridge: MachineNic = {
  ...nicOf('cp'),
  name: 'cni0',
  bus: '',
  driver: 'bridge',
  operstate: 'down',
  carrier: false,
  carrierChanges: 31,
  addresses: ['10.244.0.1/24'],
};

function certificatesOf(name: Name): NonNullable<MachineFacts['certificates']> {
  const one = (path: string) => ({
    path,
    subject: 'CN=constructed',
    notBefore: ago(9 * day),
    notAfter: ago(-356 * day),
  });
  const kubelet = [
    '/var/lib/kubelet/pki/kubelet-client-current.pem',
    '/var/lib/kubelet/pki/kubelet-server-current.pem',
  ].map(one);
  if (name !== 'cp') return kubelet;
  const pki = [
    'apiserver',
    'apiserver-etcd-client',
    'apiserver-kubelet-client',
    'front-proxy-client',
    'etcd/server',
    'etcd/peer',
    'etcd/healthcheck-client',
  ];
  const cas = ['ca', 'front-proxy-ca', 'etcd/ca'].map(each => ({
    ...one(`/etc/kubernetes/pki/${each}.crt`),
    notAfter: ago(-3640 * day),
  }));
  return [
    ...kubelet,
    ...cas,
    ...pki.map(each => one(`/etc/kubernetes/pki/${each}.crt`)),
    ...['admin', 'controller-manager', 'scheduler'].map(each => one(`/etc/kubernetes/${each}.conf`)),
  ];
}

const ok = { ok: true, says: 'ok' };
const processes = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];

function factsOf(name: Name): MachineFacts {
  const number = names.indexOf(name);
  const isControlPlane = name === 'cp';
  const others = names.filter(each => each !== name);
  const answers = { ok: true, says: 'answers' };
  return {
    identity: {
      hostname: name,
      machineId: `${number}`.repeat(32),
      productUuid: `0000000${number}-0000-4000-8000-000000000000`,
      bootId: `b00${number}`,
      bootedAt: ago(9 * day),
      os: { id: 'debian', versionId: '12', pretty: 'Debian GNU/Linux 12 (bookworm)' },
      kernel: '6.1.0-40-amd64',
      arch: 'x86_64',
      virtualization: 'kvm',
      container: false,
      vendor: 'QEMU',
      product: 'Standard PC (Q35 + ICH9, 2009)',
    },
    clock: { offsetMs: 12 + number, uncertaintyMs: 20, synchronized: true, service: 'systemd-timesyncd' },
    units: {
      kubelet: running,
      containerd: { ...running, pid: 640 },
      ssh: running,
      'systemd-timesyncd': running,
      'homelab-backup': { ...stopped, enabled: 'static', since: ago(4000) },
      ...(isControlPlane ? { 'homelab-backup.timer': { ...running, sub: 'waiting' } } : {}),
    },
    health: {
      kubelet: ok,
      containerd: ok,
      ...(isControlPlane
        ? {
            apiserver: ok,
            etcd: { ok: true, says: '{"health":"true","reason":""}' },
            'controller-manager': ok,
            scheduler: ok,
          }
        : {}),
    },
    listening: [22, 10248, 10250, ...(isControlPlane ? [2379, 2380, 2381, 6443, 10257, 10259] : [])],
    nics: [nicOf(name), bridge],
    routing: { defaults: [{ dev: 'ens18', via: '192.168.0.1' }], mainRule: true, networkdKeepsForeign: true },
    filesystems: [
      {
        mount: '/',
        device: '/dev/vda1',
        type: 'ext4',
        sizeBytes: 40 * gib,
        freeBytes: 22 * gib,
        inodes: 2_600_000,
        inodesFree: 2_300_000,
        readOnly: false,
      },
      {
        mount: '/boot',
        device: '/dev/vda2',
        type: 'ext4',
        sizeBytes: gib,
        freeBytes: gib / 2,
        inodes: 65_000,
        inodesFree: 64_000,
        readOnly: false,
      },
    ],
    drives: [
      {
        name: 'vda',
        model: '',
        bus: 'virtio',
        port: '',
        removable: false,
        devices: ['/dev/vda', '/dev/vda1', '/dev/vda2'],
      },
    ],
    memory: { totalBytes: 8 * gib, availableBytes: 5 * gib },
    swap: [],
    kernelLog: [],
    journal: { kubelet: [], containerd: [], 'systemd-networkd': [], 'homelab-backup': [] },
    certificates: certificatesOf(name),
    packages: ['kubelet', 'kubeadm', 'kubectl'].map(each => ({ name: each, version: '1.31.1-1.1', held: true })),
    packageLog: [],
    containerd: {
      version: '2.1.5',
      configVersion: 3,
      systemdCgroup: true,
      sandboxImage: 'registry.k8s.io/pause:3.10',
      ignoredPlugins: [],
      broken: '',
    },
    kubelet: {
      version: '1.31.1',
      cgroupDriver: 'systemd',
      resolvConf: '/etc/resolv.conf',
      clusterDNS: ['10.96.0.10'],
      failSwapOn: true,
      evictionHard: {},
      serverTLSBootstrap: true,
      staticPodPath: '/etc/kubernetes/manifests',
    },
    cni: {
      files: [{ name: '10-homelab.conflist', types: ['bridge', 'portmap'] }],
      links: [{ name: 'cni0', addresses: [`10.244.${number}.1/24`], mtu: 1500 }],
    },
    sysctl: { 'fs.inotify.max_user_instances': '8192', 'vm.max_map_count': '65530', 'net.ipv4.ip_forward': '1' },
    conntrack: { count: 900, max: 262_144 },
    firewall: { active: [], drops: [] },
    manifests: isControlPlane ? processes.map(each => ({ name: each, trouble: '' })) : [],
    controlPlane: isControlPlane
      ? processes.map(each => ({ name: each, state: 'running', exitCode: 0, finishedAt: '', lastLines: [] }))
      : [],
    reach: [
      { to: endpoint, port: 6443, ...answers },
      ...others.flatMap(to => [22, 10250, 0].map(port => ({ to, port, ...answers }))),
    ],
    tcp: { checksumErrors: 3, checksumErrorsNow: 0 },
    homelab: {
      claim: '',
      claimState: 'free',
      begun: '',
      lastBackupAt: isControlPlane ? ago(8 * 3600) : '',
      backupSchedule: isControlPlane ? '03:00 Asia/Seoul' : '',
    },
  };
}

function node(name: Name) {
  const condition = (type: string, status: string, reason: string) => ({
    type,
    status,
    reason,
    message: '',
    lastTransitionTime: ago(8 * day),
  });
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `node-${name}`,
      creationTimestamp: ago(9 * day),
      labels: name === 'cp' ? { 'node-role.kubernetes.io/control-plane': '' } : {},
    },
    spec: { podCIDR: `10.244.${names.indexOf(name)}.0/24` },
    status: {
      addresses: [{ type: 'InternalIP', address: addresses[name] }],
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
        condition('Ready', 'True', 'KubeletReady'),
      ],
      nodeInfo: {
        machineID: `${names.indexOf(name)}`.repeat(32),
        bootID: `b00${names.indexOf(name)}`,
        kubeletVersion: 'v1.31.1',
        containerRuntimeVersion: 'containerd://2.1.5',
      },
    },
  };
}

export function lease(namespace: string, name: string, seconds: number) {
  return {
    metadata: { namespace, name },
    spec: { renewTime: ago(seconds), leaseDurationSeconds: 40 },
  };
}

const leases = [
  ...names.map(name => lease('kube-node-lease', name, 4)),
  lease('kube-system', 'kube-scheduler', 1),
  lease('kube-system', 'kube-controller-manager', 1),
];

const bare: Snapshot = {
  at,
  machines: names.map(
    (name): MachineLook => ({
      name,
      address: addresses[name],
      role: name === 'cp' ? 'control-plane' : 'worker',
      facts: factsOf(name),
      missed: {},
    }),
  ),
  api: { state: 'answers', says: 'ok', from: 'cp' },
  lists: listsOf(new Map(), 'not constructed'),
  logs: [],
  declared: {
    cluster: 'homelab',
    version: 'v1.31.1',
    endpoint,
    hosts: names.map(name => ({
      name,
      address: addresses[name],
      role: name === 'cp' ? ('control-plane' as const) : ('worker' as const),
    })),
  },
  openRuns: [],
};

export const healthy: Snapshot = (['pods', 'events', 'csr'] as const).reduce<Snapshot>(
  (snapshot, kind) => withObjects(snapshot, kind, []),
  withObjects(withObjects(bare, 'nodes', names.map(node)), 'leases', leases),
);

type Whole = { readonly [K in keyof MachineFacts]-?: NonNullable<MachineFacts[K]> };

/** Healthy but for these facts of one machine; each is given from what it is. */
export function with1(machine: Name, change: (facts: Whole) => MachineFacts, from: Snapshot = healthy): Snapshot {
  const facts = from.machines.find(({ name }) => name === machine)?.facts;
  return withFacts(from, machine, { ...facts, ...change(facts as Whole) });
}

export function unit(machine: Name, name: string, change: Partial<Unit>, from: Snapshot = healthy): Snapshot {
  return with1(
    machine,
    ({ units }) => ({ units: { ...units, [name]: { ...(units[name] ?? running), ...change } } }),
    from,
  );
}

export function nic(machine: Name, change: Partial<MachineNic>, from: Snapshot = healthy): Snapshot {
  return with1(
    machine,
    ({ nics }) => ({ nics: nics.map(each => (each.name === 'ens18' ? { ...each, ...change } : each)) }),
    from,
  );
}

/** Without this fact: it was asked and did not come. */
export function without(machine: Name, fact: keyof MachineFacts, from: Snapshot = healthy): Snapshot {
  return {
    ...from,
    machines: from.machines.map(each => {
      if (each.name !== machine) return each;
      const { [fact]: _, ...facts } = each.facts;
      return { ...each, facts, missed: { ...each.missed, [fact]: 'no answer in 5 s' } };
    }),
  };
}

/** It does not answer SSH. The others' looks at it are another thing: `unreachedByPeers`. */
export function silent(machine: Name, from: Snapshot = healthy): Snapshot {
  return {
    ...from,
    machines: from.machines.map(each =>
      each.name === machine
        ? { ...each, facts: {}, unreached: { kind: 'no answer', says: `connect ${each.address}:22: timed out` } }
        : each,
    ),
  };
}

/** Its kernel took our connection before it was silent. */
export function tookConnection(machine: Name, from: Snapshot): Snapshot {
  return {
    ...from,
    machines: from.machines.map(each =>
      each.name === machine && each.unreached
        ? { ...each, unreached: { ...each.unreached, tookConnection: true } }
        : each,
    ),
  };
}

/** What its peers have of it; ports that are not named stay. */
export function peersSee(
  machine: Name,
  says: string,
  from: Snapshot,
  ports: readonly number[] = [0, 22, 10250],
): Snapshot {
  return names
    .filter(each => each !== machine)
    .reduce(
      (snapshot, each) =>
        snapshot.machines.find(({ name }) => name === each)?.facts.reach === undefined
          ? snapshot
          : with1(
              each,
              ({ reach }) => ({
                reach: reach.map(row =>
                  row.to === machine && ports.includes(row.port) ? { ...row, ok: false, says } : row,
                ),
              }),
              snapshot,
            ),
      from,
    );
}

/** The API has not heard of it for 70 s. */
export function notReady(
  machine: Name,
  from: Snapshot,
  status: 'Unknown' | 'False' = 'Unknown',
  message = 'Kubelet stopped posting node status.',
): Snapshot {
  const nodes = from.lists.nodes.state === 'seen' ? from.lists.nodes.items : [];
  const heard = withObjects(
    from,
    'nodes',
    nodes.map(each =>
      each.metadata.name === machine
        ? {
            ...each,
            status: {
              ...each.status,
              conditions: each.status.conditions.map(condition =>
                condition.type === 'Ready'
                  ? {
                      ...condition,
                      status,
                      reason: status === 'Unknown' ? 'NodeStatusUnknown' : 'KubeletNotReady',
                      message,
                      lastTransitionTime: ago(150),
                    }
                  : condition,
              ),
            },
          }
        : each,
    ),
  );
  const items = from.lists.leases.state === 'seen' ? from.lists.leases.items : [];
  return status === 'False'
    ? heard
    : withObjects(
        heard,
        'leases',
        items.map(each => (each.metadata.name === machine ? lease('kube-node-lease', machine, 190) : each)),
      );
}

/** Nobody looked at any machine. */
export function apiOnly(from: Snapshot): Snapshot {
  return {
    ...from,
    machines: from.machines.map(each => ({
      ...each,
      facts: {},
      unreached: { kind: 'not asked', says: 'no inventory' },
    })),
  };
}

export function apiSilent(says: string, from: Snapshot = healthy): Snapshot {
  return { ...from, api: { state: 'silent', says, from: 'cp' }, lists: listsOf(new Map(), says) };
}
