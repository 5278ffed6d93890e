// Answers that no lab machine gives: metal's network cards, firewalls, containerd's old config, processes that stand still. Constructed, from
// what the tools print.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { health, manifests } from '../../../src/doctor/looks/control-plane.ts';
import { firewall } from '../../../src/doctor/looks/firewall.ts';
import { homelab } from '../../../src/doctor/looks/homelab.ts';
import { clock } from '../../../src/doctor/looks/identity.ts';
import { kubelet } from '../../../src/doctor/looks/kubelet.ts';
import { nics, routing } from '../../../src/doctor/looks/links.ts';
import { journals, kernelLog } from '../../../src/doctor/looks/logs.ts';
import type { Look } from '../../../src/doctor/looks/look.ts';
import { packageLog } from '../../../src/doctor/looks/packages.ts';
import { reach, resolverAnswers } from '../../../src/doctor/looks/reach.ts';
import { containerd } from '../../../src/doctor/looks/runtime.ts';
import { filesystems } from '../../../src/doctor/looks/storage.ts';
import { units } from '../../../src/doctor/looks/units.ts';
import { dash } from '../../dash.ts';
import { scratch, standIns } from '../../resources/rig.ts';
import { root } from '../../sample.ts';

const at = { beginMs: 0, endMs: 0, sentMs: 0, receivedMs: 0 };
const parsed = (look: Look, output: string) => look.parse(output, at);
const about = { peers: [], endpoint: undefined };

describe('network cards', () => {
  const output = `@addresses
[{"ifname":"eno1","operstate":"UP","mtu":1500,"address":"aa:bb:cc:00:00:01","addr_info":[{"family":"inet","local":"192.168.0.11","prefixlen":24},{"family":"inet6","local":"fe80::1","prefixlen":64}]},{"ifname":"wlp2s0","operstate":"DOWN","mtu":1500,"address":"aa:bb:cc:00:00:02","addr_info":[]},{"ifname":"flannel.1","mtu":1450,"addr_info":[{"family":"inet","local":"10.244.1.0","prefixlen":32}]}]
@count /sys/class/net/eno1/carrier_changes 28
@checksums 7
@link eno1
carrier 1
speed 1000
device /sys/devices/pci0000:00/0000:00:1f.6
driver e1000e
power auto
eee enabled - active
feature tx-udp_tnl-segmentation: off [fixed]
feature tcp-segmentation-offload: on
@link wlp2s0
device /sys/devices/pci0000:00/0000:02:00.0
driver iwlwifi
wifi
saving on
@link flannel.1
carrier 1
@cni
@file 05-cilium.conflist
{"plugins": [{"type": "cilium-cni"}, {"type": "istio-cni"}]}
@file 10-broken.conf
{"type":
@count /sys/class/net/eno1/carrier_changes 31
@checksums 9
@whole
`;

  it('of four drivers, recorded in a QEMU machine, are told apart by bus', () => {
    const output = readFileSync(join(root, 'test/fixtures/doctor/looks/qemu-nics.txt'), 'utf8');
    const rows = parsed(nics, output).nics?.map(({ name, driver, bus, powerControl, eee, carrier }) =>
      [name, driver, bus, powerControl, eee, carrier].join(' '),
    );
    expect(rows).toEqual([
      'enp0s5 virtio_net virtio auto unsupported true',
      'enp1s0 e1000e pci on unsupported true',
      'enp2s0 vmxnet3 pci on unsupported true',
      // The interface itself has no power/control; the device above it has.
      'enx525400020003 cdc_ether usb on unsupported true',
    ]);
  });

  it('of USB are asked about the device above the interface: only that can sleep', () => {
    const sys = scratch();
    const bin = standIns(sys, { ip: 'echo "[]"', ethtool: 'exit 1', sleep: ':' });
    const tree = `mkdir -p ${sys}/usb1/1-1/power ${sys}/usb1/1-1/1-1:1.0 ${sys}/net/enx0 ${sys}/bus/usb
ln -s ${sys}/usb1/1-1/1-1:1.0 ${sys}/net/enx0/device
ln -s ${sys}/bus/usb ${sys}/usb1/1-1/1-1:1.0/subsystem
echo auto >${sys}/usb1/1-1/power/control
echo 0 >${sys}/net/enx0/carrier_changes
`;
    const script = nics.script(about).replaceAll('/sys/class/net', `${sys}/net`).replaceAll('/sys/bus', `${sys}/bus`);
    const { code, stdout, stderr } = dash(`set -eu\n${tree}${script}`, { bin });
    expect([code, stderr]).toEqual([0, '']);
    expect(parsed(nics, stdout).nics).toMatchObject([{ name: 'enx0', bus: 'usb', powerControl: 'auto' }]);
  });

  it('say what they do to save power, and whether their link flaps now', () => {
    const [eno1, wifi, ...others] = parsed(nics, output).nics ?? [];
    expect(eno1).toMatchObject({
      driver: 'e1000e',
      bus: 'pci',
      eee: 'on',
      powerControl: 'auto',
      carrierChanges: 31,
      carrierChangesNow: 3,
      addresses: ['192.168.0.11/24'],
      features: { 'tx-udp_tnl-segmentation': 'off', 'tcp-segmentation-offload': 'on' },
    });
    expect(wifi).toMatchObject({ wifi: true, powerSave: 'on', eee: 'unsupported' });
    // It is down by its owner's will: whether a cable is in is not known.
    expect(wifi).not.toHaveProperty('carrier');
    expect(others).toEqual([]);
  });

  it('leave what pods make to the pod network', () => {
    const { cni, tcp } = parsed(nics, output);
    expect(cni).toEqual({
      files: [
        { name: '05-cilium.conflist', types: ['cilium-cni', 'istio-cni'] },
        { name: '10-broken.conf', types: [] },
      ],
      links: [{ name: 'flannel.1', addresses: ['10.244.1.0/32'], mtu: 1450 }],
    });
    expect(tcp).toEqual({ checksumErrors: 7, checksumErrorsNow: 2 });
  });

  it('that were cut off are no cards at all', () => {
    expect(() => parsed(nics, output.replace('@whole\n', ''))).toThrow('cut off');
  });
});

describe('routes', () => {
  const with_ = (rules: string, networkd: string) => `@routes\n[]\n@rules\n${rules}\n${networkd}`;

  it('without the rule for the table main reach nobody', () => {
    expect(parsed(routing, with_('[{"priority":0,"table":"local"}]', '')).routing?.mainRule).toBe(false);
  });

  it.each([
    ['@networkd\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n', true],
    ['@networkd\nManageForeignRoutes=no\n', false],
    ['@networkd\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\nManageForeignRoutes=yes\n', false],
    ['@networkd\n', false],
    ['', undefined],
  ])('are safe from networkd when it is told so last: %j', (networkd, keeps) => {
    expect(parsed(routing, with_('[]', networkd)).routing?.networkdKeepsForeign).toBe(keeps);
  });
});

it('a process that was stopped by a signal is frozen', () => {
  const output = `MainPID=812\nNRestarts=3\nId=kubelet.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nUnitFileState=enabled\nStateChangeTimestamp=Sun 2026-11-22 02:11:04 UTC\n\nfrozen=812\n`;
  expect(parsed(units, output).units).toEqual({
    kubelet: {
      load: 'loaded',
      active: 'active',
      sub: 'running',
      result: 'success',
      enabled: 'enabled',
      since: '2026-11-22T02:11:04Z',
      restarts: 3,
      pid: 812,
      frozen: true,
    },
  });
});

it('file systems are those that can be filled, and / whatever it is', () => {
  const output = `disk 100 3 50 0 ext4 /dev/sda1 /
disk 100 90 - - btrfs /dev/sdb /var/lib/longhorn
disk 100 90 50 40 tmpfs tmpfs /tmp
disk 10 9 5 4 ext4 /dev/sda2 /boot
ro /boot
`;
  expect(parsed(filesystems, output).filesystems).toEqual([
    {
      mount: '/',
      device: '/dev/sda1',
      type: 'ext4',
      sizeBytes: 100,
      freeBytes: 3,
      inodes: 50,
      inodesFree: 0,
      readOnly: false,
    },
    {
      mount: '/var/lib/longhorn',
      device: '/dev/sdb',
      type: 'btrfs',
      sizeBytes: 100,
      freeBytes: 90,
      inodes: 0,
      inodesFree: 0,
      readOnly: false,
    },
    {
      mount: '/boot',
      device: '/dev/sda2',
      type: 'ext4',
      sizeBytes: 10,
      freeBytes: 9,
      inodes: 5,
      inodesFree: 4,
      readOnly: true,
    },
  ]);
});

it('drives are what file systems lie on, and are called as the kernel calls them', () => {
  const output = `disk 100 3 50 0 ext4 /dev/mapper/vg-root /
PATH="/dev/sr0" TYPE="rom" TRAN="sata" RM="1" MODEL="VBOX_CD-ROM"
PATH="/dev/sda" TYPE="disk" TRAN="sata" RM="0" MODEL="WDC\\x20WD40EFRX"
PATH="/dev/sda1" TYPE="part" TRAN="" RM="0" MODEL=""
PATH="/dev/mapper/vg-root" TYPE="lvm" TRAN="" RM="0" MODEL=""
PATH="/dev/loop0" TYPE="loop" TRAN="" RM="0" MODEL=""
PATH="/dev/loop0p1" TYPE="part" TRAN="" RM="0" MODEL=""
PATH="/dev/nvme0n1" TYPE="disk" TRAN="nvme" RM="0" MODEL="Samsung SSD 980"
port sda ata3
drives
`;
  expect(parsed(filesystems, output).drives).toEqual([
    {
      name: 'sda',
      model: 'WDC WD40EFRX',
      bus: 'sata',
      port: 'ata3',
      removable: false,
      devices: ['/dev/sda', '/dev/sda1', '/dev/mapper/vg-root'],
    },
    { name: 'nvme0n1', model: 'Samsung SSD 980', bus: 'nvme', port: '', removable: false, devices: ['/dev/nvme0n1'] },
  ]);
  // In a container they are nobody's here; so they are where the answer was cut off.
  expect(parsed(filesystems, output.replace('drives\n', ''))).not.toHaveProperty('drives');
});

describe('health', () => {
  const of = (line: string) => Object.values(parsed(health, `${line}\n@listening\n22\n`).health ?? {})[0];

  it.each([
    ['kubelet 0 HTTP/1.0 200 OK\u001f\u001fok', { ok: true, says: 'ok' }],
    ['kubelet 124 ', { ok: false, says: 'timed out' }],
    ['kubelet 1 bash: connect: Connection refused', { ok: false, says: 'refused' }],
    ['scheduler 1 40F7:error:8000006F:connect:errno=111', { ok: false, says: 'refused' }],
    [
      'apiserver 0 depth=0 CN = kube-apiserver\u001fHTTP/1.0 500 Internal Server Error\u001f\u001f[+]ping ok\u001f[-]etcd failed: reason withheld\u001freadyz check failed',
      { ok: false, says: 'HTTP 500: [-]etcd failed: reason withheld' },
    ],
    [
      'apiserver 0 HTTP/1.0 401 Unauthorized\u001f\u001f{}',
      { ok: true, says: 'HTTP 401: it answers only who it knows' },
    ],
    [
      'etcd 0 HTTP/1.0 503 Service Unavailable\u001f\u001f{"health":"false","reason":"ALARM NOSPACE"}',
      { ok: false, says: 'HTTP 503: {"health":"false","reason":"ALARM NOSPACE"}' },
    ],
    [
      'etcd 0 HTTP/1.0 200 OK\u001f\u001f{"health":"false","reason":"ALARM NOSPACE"}',
      { ok: false, says: '{"health":"false","reason":"ALARM NOSPACE"}' },
    ],
    ['containerd 0 io.containerd.cri.v1 images ok\u001fio.containerd.grpc.v1 cri ok', { ok: true, says: 'ok' }],
    ['containerd 0 io.containerd.grpc.v1 cri error', { ok: false, says: 'plugin io.containerd.grpc.v1.cri: error' }],
    ['containerd 0 ', { ok: false, says: 'it has no CRI plugin' }],
    ['containerd 124 ', { ok: false, says: 'timed out' }],
  ])('%j', (line, answer) => {
    expect(of(line)).toEqual(answer);
  });
});

describe('manifests', () => {
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - name: etcd\n    image: etcd:3\n';
  const trouble = (text: string) => parsed(manifests, `@manifest etcd.yaml\n${text}\n`).manifests?.[0]?.trouble;

  it('without trouble read as a Pod', () => expect(trouble(pod)).toBe(''));
  it.each([
    [pod.replace('kind: Pod', 'kind: Pods'), /^kind: /],
    [pod.replace('  containers:', '  container:'), /^spec\.containers: /],
    [pod.replace('metadata:\n', 'metadata:\n\t- x: [\n'), /line \d/],
    ['', /./],
  ])('say where they do not', (text, words) => {
    expect(trouble(text)).toMatch(words);
  });
  it('never quote the file', () => {
    expect(trouble(`${pod}env: "hunter22\n`)).not.toContain('hunter22');
  });
});

describe('firewalls', () => {
  const drops = (...lines: readonly string[]) =>
    parsed(firewall, `${lines.join('\n')}\nwhole\n`).firewall?.drops.map(({ port, protocol }) => `${port}/${protocol}`);

  it.each([
    ['rule nft tcp dport 10250 drop', ['10250/tcp']],
    [
      'rule nft tcp dport { 6443, 10250-10257 } counter packets 1 bytes 60 reject',
      ['6443/tcp', '10250/tcp', '10256/tcp', '10257/tcp'],
    ],
    ['rule nft udp dport 8472 drop', ['8472/udp']],
    ['rule nft tcp dport != 22 drop', []],
    ['rule iptables-save -A INPUT -p tcp -m tcp --dport 10250 -j DROP', ['10250/tcp']],
    ['rule iptables-save -A INPUT -p tcp -m multiport --dports 2379:2380,22 -j REJECT', ['2379/tcp', '2380/tcp']],
    ['rule iptables-save -A INPUT -p tcp -m tcp ! --dport 10250 -j DROP', []],
    ['rule iptables-save -A INPUT -p tcp -m tcp --dport 31337 -j DROP', []],
  ])('%s', (line, expected) => {
    expect(drops(line)).toEqual(expected);
  });

  it('are read from a ruleset, without what kube-proxy and pod networks refuse by design', () => {
    const ruleset = `table inet filter {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\ttcp dport 10250 drop
\t}
}
table ip kube-proxy {
\tchain service-endpoints-check { tcp dport 53 reject }
}
table ip filter {
\tchain KUBE-SERVICES {
\t\tip daddr 10.96.0.10 udp dport 53 reject
\t}
}`;
    const folder = scratch();
    const bin = standIns(folder, {
      nft: `cat <<'EOF'\n${ruleset}\nEOF`,
      systemctl: 'exit 3',
      'iptables-legacy-save': ':',
    });
    const { stdout } = dash(`set -eu\n${firewall.script(about)}`, { bin });
    expect(parsed(firewall, stdout).firewall).toEqual({
      active: ['nft: input drops by default'],
      drops: [{ port: 10250, protocol: 'tcp', rule: 'nft: tcp dport 10250 drop' }],
    });
  });
});

describe('whom a machine asks', () => {
  const hosts = Array.from({ length: 30 }, (_, index) => ({
    name: `n${index}`,
    address: `10.0.0.${index}`,
    role: index < 3 ? ('control-plane' as const) : ('worker' as const),
  }));
  const asked = (name: string, port = 10250) =>
    hosts.filter(peer =>
      reach
        .script({ name, peers: hosts, endpoint: undefined })
        .includes(`knock ${peer.name} ${peer.address} ${port} &`),
    );

  it('is every control plane, and those that come after it: so that each is asked by as many', () => {
    const by = new Map(hosts.map(({ name }) => [name, 0]));
    for (const { name } of hosts) for (const peer of asked(name)) by.set(peer.name, (by.get(peer.name) ?? 0) + 1);
    expect(asked('n28').map(({ name }) => name)).toEqual([
      'n0',
      'n1',
      'n2',
      'n3',
      'n4',
      'n5',
      'n6',
      'n7',
      'n8',
      'n9',
      'n10',
      'n29',
    ]);
    expect(hosts.slice(0, 3).map(({ name }) => by.get(name))).toEqual([29, 29, 29]);
    expect(Math.min(...by.values())).toBeGreaterThanOrEqual(9);
    expect(asked('n5', 6443).map(({ name }) => name)).toEqual(['n0', 'n1', 'n2']);
  });

  it('is never itself', () => {
    for (const { name } of hosts) expect(asked(name).map(peer => peer.name)).not.toContain(name);
  });
});

it('a kernel log that is not read in time is not an empty one', () => {
  const slow = (line: string) => ({
    bin: standIns(scratch(), { journalctl: `${line}; case $* in *-k*) exit 124 ;; esac` }),
  });
  const nothing = dash(`set -eu\n${kernelLog.script(about)}`, slow(':'));
  expect(() => parsed(kernelLog, nothing.stdout)).toThrow('no answer in time');
  const some = dash(`set -eu\n${kernelLog.script(about)}`, slow('echo "1795382896.5 kernel: e1000e: Link is Down"'));
  expect(parsed(kernelLog, some.stdout).kernelLog).toHaveLength(1);
  expect(parsed(kernelLog, '')).toEqual({ kernelLog: [] });
});

it('a clock shows what it shows, also where timedatectl does not answer', () => {
  const { stdout } = dash(`set -eu\n${clock.script(about)}`, {
    bin: standIns(scratch(), { timedatectl: 'exit 124' }),
  });
  const { clock: read } = clock.parse(stdout, { beginMs: 601_000, endMs: 602_000, sentMs: 0, receivedMs: 3_000 });
  expect(read).toMatchObject({ offsetMs: 600_000, uncertaintyMs: 1_000 });
  expect(read).not.toHaveProperty('synchronized');
});

describe('containerd', () => {
  const file = (...lines: readonly string[]) => `@version\n2.1.5-1\n@file\n${lines.join('\n')}\n@dump\n`;

  it('ignores what stands under the old plugin in a file of version 3', () => {
    const old = "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]";
    expect(parsed(containerd, file('version = 3', old)).containerd?.ignoredPlugins).toEqual([
      'io.containerd.grpc.v1.cri',
    ]);
    expect(parsed(containerd, file('version = 2', old)).containerd?.ignoredPlugins).toEqual([]);
    // The plugin has this name still; what it keeps there is its own.
    expect(
      parsed(containerd, file('version = 3', "[plugins.'io.containerd.grpc.v1.cri']")).containerd?.ignoredPlugins,
    ).toEqual([]);
  });

  it('says the driver of the runtime that it takes by default', () => {
    const dump = `version = 3
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'runc'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kata.options]
SystemdCgroup = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.k8s.io/pause:3.10'
`;
    expect(parsed(containerd, `${file('version = 3')}${dump}`).containerd).toMatchObject({
      systemdCgroup: false,
      sandboxImage: 'registry.k8s.io/pause:3.10',
    });
  });

  it('says what is wrong with its file, without what is secret there', () => {
    const broken = '@broken 1\ncontainerd: toml: line 3: expected value, found password = "hunter22"\n';
    expect(parsed(containerd, `${file('version = 3')}${broken}`).containerd?.broken).toBe(
      'containerd: toml: line 3: expected value, found password = "[redacted]"',
    );
  });

  it('that is not in time says nothing about its configuration', () => {
    const bin = standIns(scratch(), {
      containerd: 'echo "version = 3"; exit 124',
      'dpkg-query': 'echo installed 2.1.5',
    });
    expect(dash(`set -eu\n${containerd.script(about)}`, { bin }).code).toBe(124);
  });

  it('is not there where it is not installed', () => expect(parsed(containerd, '')).toEqual({}));
});

it('flags of the kubelet win over its config', () => {
  const output = `@config\ncgroupDriver: systemd\nresolvConf: /run/systemd/resolve/resolv.conf\n@flags\n--cgroup-driver=cgroupfs\n--cluster-dns=10.96.0.10,10.96.0.11\n@version\n1.31.1-1.1\n@resolver /etc/resolv.conf\n127.0.0.53\n`;
  const { kubelet: read, resolvers } = parsed(kubelet, output);
  expect(read).toMatchObject({ cgroupDriver: 'cgroupfs', clusterDNS: ['10.96.0.10', '10.96.0.11'], failSwapOn: true });
  expect(resolvers).toEqual([{ path: '/etc/resolv.conf', nameservers: ['127.0.0.53'] }]);
});

it('a claim whose connection is gone or whose lease is over is lapsed', () => {
  const state = (claim: string) => parsed(homelab, `${claim}\nwhole\n`).homelab;
  expect(state('claim 500 460 alive anna@laptop: homelab bootstrap')).toMatchObject({
    claimState: 'held',
    claim: 'anna@laptop: homelab bootstrap',
  });
  expect(state('claim 500 501 alive anna')?.claimState).toBe('lapsed');
  expect(state('claim 500 460 gone anna')?.claimState).toBe('lapsed');
  expect(state('claim 500 460 unknown anna')?.claimState).toBe('held');
});

it('silence, refusal and a name that nobody knows are three answers', () => {
  const output = `k8s-w 10250 1 -: connect: Connection refused
k8s-w 22 124\x20
k8s-x 10250 1 -: connect: No route to host
api 6443 1 -: api: Name or service not known
`;
  expect(parsed(reach, output).reach?.map(({ to, port, ok, says }) => `${to} ${port} ${ok} ${says}`)).toEqual([
    'api 6443 false name does not resolve',
    'k8s-w 22 false timed out',
    'k8s-w 10250 false refused',
    'k8s-x 10250 false no route',
  ]);
});

it('a resolver that answers anything answers; what it says is told', () => {
  expect(
    parsed(resolverAnswers, '192.0.2.1 0 18 52 129 130\n192.0.2.2 124 \n127.0.0.53 1 Connection refused\n'),
  ).toEqual({
    resolverAnswers: {
      '192.0.2.1': { ok: true, says: 'SERVFAIL' },
      '192.0.2.2': { ok: false, says: 'timed out' },
      '127.0.0.53': { ok: false, says: 'refused' },
    },
  });
});

it("of apt's history only what is a node's is told, and who asked for it", () => {
  const output = `at 2026-11-20T05:10:00Z
Commandline: /usr/bin/unattended-upgrade
Requested-By: admin (1000)
Upgrade: libc6:amd64 (2.36-1, 2.36-2), kubelet:amd64 (1.31.1-1.1, 1.31.13-1.1)
at 2026-11-21T05:10:00Z
Commandline: apt install kubecolor-theme
Install: vim:amd64 (1)
`;
  expect(parsed(packageLog, output).packageLog).toEqual([
    {
      at: '2026-11-20T05:10:00Z',
      command: '/usr/bin/unattended-upgrade',
      text: 'Upgrade: kubelet:amd64 (1.31.1-1.1, 1.31.13-1.1); by admin (1000)',
    },
  ]);
});

describe('journals', () => {
  // A kubelet in trouble: the same error ten times a second for as long as there is.
  const flood = `case "$*" in
  *kubelet.service*) seq 1 5000 | awk '{ printf "%d.000000 kubelet[77]: E1122 02:11:%02d.%06d 77 x.go:1] \\"gone\\" id=\\"a%df\\"\\n", 1795371064 - $1, $1 % 60, $1, $1 }'
    echo '1795360000.000000 kubelet[77]: E1122 02:00:00.000000 77 run.go:74] "command failed" token=hunter2222' ;;
  *containerd.service*) echo '1795371063.5 containerd[5]: level=info msg="all is well"' ;;
esac`;
  const said = () => {
    const bin = standIns(scratch(), { journalctl: flood });
    const { stdout, code } = dash(`set -eu\n${journals.script(about)}`, { bin });
    expect(code).toBe(0);
    return parsed(journals, stdout).journal ?? {};
  };

  it('tell a line that repeats by its oldest and its newest, and mask what is secret', () => {
    expect(said()['kubelet']?.map(({ at: when, text }) => `${when} ${text.replace(/.*\] /, '')}`)).toEqual([
      '2026-11-22T15:06:40.000Z "command failed" token=[redacted]',
      '2026-11-22T16:47:44.000Z "gone" id="a5000f"',
      '2026-11-22T18:11:03.000Z "gone" id="a1f"',
    ]);
  });

  it('leave out what no rule knows', () => expect(said()['containerd']).toEqual([]));

  it('that cannot be read are missed, not empty', () => {
    const bin = standIns(scratch(), { journalctl: 'echo "No journal files were opened" >&2; exit 1' });
    expect(dash(`set -eu\n${journals.script(about)}`, { bin }).code).toBe(1);
  });
});
