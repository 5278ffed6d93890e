// One reading of a machine: what it is and where it stands between bare and member.

import { createHash, X509Certificate } from 'node:crypto';
import { HomelabError } from '../model/errors.ts';
import { sh } from '../model/shell.ts';
import type { UpgradeFacts } from '../model/upgrade-facts.ts';
import { builtByKey, type Facts, type Membership, type Nic, restoredFromKey, type World } from '../model/world.ts';
import { type Adapters, adaptersFragment, noAdapter, parseAdapters } from './adapters.ts';
import { type ApiReading, apiPatienceSeconds, parseApi } from './api.ts';
import { parseEtcd } from './etcd.ts';
import { type FenceReading, parseFence } from './fence.ts';
import type { Fragment, Frame } from './frames.ts';
import { parseUpgrade } from './upgrade-facts.ts';
import { parseWorkloads } from './workloads.ts';

/** What one machine told: its facts and, on a control plane whose API server answers, the nodes. */
export interface Reading
  extends Pick<World, 'nodes' | 'live' | 'servingRequests' | 'proofs' | 'upgrading' | 'etcd' | 'workloads'> {
  readonly facts: Facts;
  readonly fence: FenceReading;
  /** What homelab began there and did not come to the end of, by its own note. */
  readonly begun?: Begun;
  /** Undefined where nobody asked. */
  readonly upgrade?: UpgradeFacts | undefined;
}

const timeServices = ['chrony', 'chronyd', 'ntp', 'ntpsec', 'openntpd', 'systemd-timesyncd'];

/** Files that kubeadm makes, in the order in which it makes them. */
const kubeadmFiles = [
  'pki/ca.crt',
  'pki/ca.key',
  'admin.conf',
  'super-admin.conf',
  'kubelet.conf',
  'bootstrap-kubelet.conf',
  'manifests/kube-apiserver.yaml',
  'manifests/etcd.yaml',
];

/** pgrep -f: the commands that change a machine. Others only look, and homelab itself asks some of them when it reads. */
export const kubeadmAtWork = '^([^ ]*/)?kubeadm ([^ ]+ )*(init|join|reset|upgrade (apply|node))( |$)';

export const factFragments: readonly Fragment[] = [
  { id: 'clock', script: 'date +%s%3N' },
  { id: 'hostname', script: 'cat /proc/sys/kernel/hostname' },
  {
    id: 'identity',
    // A byte of a broken DMI table must not end the reading; not every machine has one.
    script: `cat /etc/machine-id 2>/dev/null || echo; cat /sys/class/dmi/id/product_uuid 2>/dev/null || echo unknown`,
  },
  { id: 'boot', script: 'cat /proc/sys/kernel/random/boot_id' },
  {
    id: 'os',
    script: `. /etc/os-release; printf '%s\\n' "$ID" "\${VERSION_ID-}" "\${VERSION_CODENAME-}" "$PRETTY_NAME"`,
  },
  { id: 'kernel', script: 'uname -r' },
  { id: 'arch', script: 'dpkg --print-architecture' },
  { id: 'virt', script: 'systemd-detect-virt || true; systemd-detect-virt --container || true' },
  { id: 'cgroup', script: 'stat -fc %T /sys/fs/cgroup' },
  { id: 'nics', script: 'ip -j -4 address show; echo; ip -j link show' },
  adaptersFragment,
  {
    id: 'membership',
    script: `for path in ${kubeadmFiles.join(' ')}; do [ ! -e "/etc/kubernetes/$path" ] || echo "$path"; done
[ ! -e /var/lib/kubelet/config.yaml ] || echo kubelet-config
[ ! -d /var/lib/etcd/member ] || echo etcd-member
[ ! -e /etc/systemd/system/homelab-network.service ] || echo pod-network
! pgrep -f ${sh(kubeadmAtWork)} >/dev/null || echo kubeadm-runs
# What src/transitions/begun.ts writes.
[ ! -e /var/lib/homelab/begun ] || { printf 'begun '; cat /var/lib/homelab/begun; }
[ ! -e /etc/kubernetes/pki/ca.crt ] || { echo; cat /etc/kubernetes/pki/ca.crt; }`,
  },
  {
    id: 'versions',
    // dpkg knows in a moment what three programs of Go take a while to say.
    script: `packages=$(dpkg-query -W -f '\${db:Status-Status} \${Package} v\${Version}\\n' kubeadm kubelet containerd containerd.io 2>/dev/null || true)
version() {
  command -v "$1" >/dev/null || { echo absent; return; }
  printf '%s\\n' "$packages" | grep -E -m 1 "^installed $1(\\.io)? " || "$@"
}
version kubeadm version -o short
version kubelet --version
version containerd --version
# The first line of what src/phases/containerd-config.ts writes.
! grep -qs '^# Written by homelab' /etc/containerd/config.toml || echo prepared`,
  },
  {
    id: 'time-service',
    // One question for all of them; those that are not installed are left out of the answer.
    script: `systemctl list-unit-files --no-legend --state=enabled ${timeServices.map(name => `${name}.service`).join(' ')} || true`,
  },
];

/** Last of every reading: the machine's clock at its end. */
export const clockFragment: Fragment = { id: 'clock-end', script: 'date +%s%3N' };

/** Deadline of one reading, milliseconds. */
export const factsTimeoutMs = (apiPatienceSeconds + 30) * 1000;

/**
 * `sentMs` and `receivedMs` are our own clock around the reading. The machine's clock at its beginning was read after `sentMs`, the
 * one at its end before `receivedMs`: the offset lies between the two differences, however long the reading took.
 */
export function parseReading(
  host: string,
  run: string,
  frames: ReadonlyMap<string, Frame>,
  sentMs: number,
  receivedMs: number,
): Reading {
  const text = (id: string): string => {
    const frame = frames.get(id);
    if (frame && frame.code === 0) return frame.stdout;
    throw new HomelabError('HL_OBSERVE', `${host} did not answer what it is (${id})`, {
      context: { host, stderr: frame?.stderr ?? 'no answer' },
      hint: 'is it a Debian or Ubuntu machine with systemd? Look with: ssh to it and run what the error names',
    });
  };
  const lines = (id: string): readonly string[] => text(id).split('\n');
  const [id = 'unknown', versionId = '', codename = '', pretty = 'unknown'] = lines('os');
  const [virtualization = 'none', container = 'none'] = lines('virt');
  const [machineId = '', productUuid = 'unknown'] = lines('identity');
  const [kubeadm = 'absent', kubelet = 'absent', containerd = 'absent', prepared = ''] = lines('versions');
  const api = parseApi(frames.get('api'));
  const adapters = parseAdapters(text('adapters'));
  const { files, begun } = splitBegun(text('membership'));
  const membership = parseMembership(host, files);
  const isPrepared = prepared === 'prepared';
  const missing = isPrepared ? [...api.missing, ...leftByOurInit(files, api, begun)] : api.missing;
  return {
    facts: {
      host,
      hostname: text('hostname').trim(),
      machineId,
      productUuid: productUuid.toLowerCase(),
      bootId: text('boot').trim(),
      clockOffsetMs: Math.round(
        (Number(text('clock').trim()) - sentMs + Number(text('clock-end').trim()) - receivedMs) / 2,
      ),
      os: { id, versionId, codename, pretty },
      kernel: text('kernel').trim(),
      arch: text('arch').trim(),
      virtualization,
      container: container !== 'none' && container !== '',
      cgroup: text('cgroup').trim() === 'cgroup2fs' ? 2 : 1,
      nics: parseNics(text('nics'), adapters),
      membership: withBegun(
        membership.state === 'joined' && missing.length > 0
          ? partial(host, `kubeadm init did not finish: the cluster has no ${missing.join(', no ')}`)
          : membership,
        begun,
      ),
      kubeadm: versionIn(kubeadm),
      kubelet: versionIn(kubelet),
      // 'containerd github.com/containerd/containerd/v2 v2.1.5 REVISION'; Debian's says more after a + or ~.
      containerd: /\sv?(\d+\.\d+\.\d+)/.exec(containerd)?.[1] ?? 'absent',
      isPrepared,
      timeService: text('time-service').split('.service')[0]?.trim() || 'none',
      power: adapters.power,
    },
    fence: fenceOf(host, frames.get('fence'), run),
    begun,
    nodes: api.nodes,
    live: api.live,
    servingRequests: api.servingRequests,
    proofs: api.proofs,
    upgrading: api.upgrading,
    etcd: parseEtcd(frames.get('etcd')),
    workloads: parseWorkloads(frames.get('workloads')),
    upgrade: parseUpgrade(frames),
  };
}

// 'v1.31.1', 'Kubernetes v1.31.1', or a package's, which ends with its Debian revision: 'installed kubelet v1.31.1-1.1'.
function versionIn(said: string): string {
  return said
    .replace(/^.* /, '')
    .replace(/^v/, '')
    .replace(/-[0-9.]+$/, '');
}

function fenceOf(host: string, frame: Frame | undefined, run: string): FenceReading {
  try {
    return parseFence(frame, run);
  } catch (error) {
    throw error instanceof HomelabError ? error.at({ host }) : error;
  }
}

// What homelab's own init ends with (src/transitions/init.ts): the mark in the cluster, then super-admin.conf is removed. Where neither
// was done, kubeadm did not come to its end, whichever of its own last objects are there. A restored cluster has its mark from before:
// there it is the note of what was begun that says so.
function leftByOurInit(files: string, { nodes, proofs }: ApiReading, begun: Begun): readonly string[] {
  const isOpen = files.split('\n').includes('super-admin.conf') && nodes !== 'unknown';
  if (isOpen && begun?.step === 'restore') return [`${restoredFromKey} in ConfigMap homelab`];
  return isOpen && proofs[builtByKey] === undefined ? [`${builtByKey} in ConfigMap homelab`] : [];
}

/** kubeadm's discovery hash of a CA certificate: sha256 of its public key, hex. */
export function caHashOf(pem: string): string {
  const der = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

function partial(host: string, why: string): Membership {
  return {
    state: 'partial',
    why,
    hint: `look at it first (sudo journalctl -u kubelet); if nothing there is needed: homelab reset ${host}, then run the same command again`,
  };
}

type Begun = Extract<Membership, { readonly state: 'partial' }>['begun'];

function splitBegun(output: string): { readonly files: string; readonly begun: Begun } {
  const [, step, digest] = /^begun (\S+) ([0-9a-f]+)$/m.exec(output) ?? [];
  const begun = step !== undefined && digest !== undefined ? { step, digest } : undefined;
  const files = output.replace(/^begun .*\n?/m, '');
  // While a kubeadm is at work, none is begun beside it.
  return { files, begun: files.split('\n').includes('kubeadm-runs') ? undefined : begun };
}

// A machine that is bare or whole says so by its files and its API server, whatever was begun before.
function withBegun(found: Membership, begun: Begun): Membership {
  return found.state === 'partial' && begun !== undefined ? { ...found, begun } : found;
}

/**
 * Files alone call a control plane whole as soon as its kubelet has a kubeconfig of its own. One whose join homelab began, and whose node
 * is not marked as a control plane, was cut off after that: its etcd may be no member yet, or one without a vote.
 */
export function factsAmong({ facts, begun }: Pick<Reading, 'facts' | 'begun'>, nodes: World['nodes']): Facts {
  const { host, membership } = facts;
  const node = nodes === 'unknown' ? undefined : nodes.find(({ name }) => name === host);
  const isWhole = membership.state !== 'joined' || membership.role === 'worker' || node?.isControlPlane !== false;
  if (isWhole || begun?.step !== 'join') return facts;
  const why = 'kubeadm join did not finish: the node is not marked as a control plane';
  return { ...facts, membership: withBegun(partial(host, why), begun) };
}

function parseMembership(host: string, output: string): Membership {
  const split = output.indexOf('-----BEGIN');
  const found = new Set((split < 0 ? output : output.slice(0, split)).split('\n').filter(Boolean));
  if (found.has('kubeadm-runs')) {
    return {
      state: 'partial',
      why: 'kubeadm is still at work there, from an earlier run or by hand',
      hint: `wait until it has ended (ssh to ${host}: pgrep -af kubeadm), then run the same command again`,
    };
  }
  const hasPodNetwork = found.delete('pod-network');
  if (found.size === 0 && hasPodNetwork) {
    return {
      state: 'partial',
      why: 'a reset did not finish: the pod network is still there',
      hint: `let it finish: homelab reset ${host}`,
    };
  }
  if (found.size === 0) return { state: 'absent' };
  const has = (...names: readonly string[]) => names.every(name => found.has(name));
  const isControlPlane = [
    'admin.conf',
    'manifests/kube-apiserver.yaml',
    'manifests/etcd.yaml',
    'etcd-member',
    'pki/ca.key',
  ].some(name => found.has(name));
  const needed = isControlPlane
    ? ['pki/ca.crt', 'admin.conf', 'kubelet.conf', 'manifests/kube-apiserver.yaml', 'kubelet-config']
    : ['pki/ca.crt', 'kubelet.conf', 'kubelet-config'];
  const missing = needed.filter(name => !has(name));
  if (missing.length > 0 || split < 0) {
    return partial(host, `a kubeadm run left ${[...found].join(', ')} and did not make ${missing.join(', ')}`);
  }
  // The last thing that kubeadm join does is to remove the kubeconfig with the token in it.
  if (has('bootstrap-kubelet.conf'))
    return partial(host, 'kubeadm join did not finish: bootstrap-kubelet.conf is still there');
  return { state: 'joined', role: isControlPlane ? 'control-plane' : 'worker', caHash: caHashOf(output.slice(split)) };
}

interface IpJson {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly address?: string;
  readonly link_type?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

function parseNics(output: string, { byName }: Adapters): readonly Nic[] {
  const gap = output.indexOf('\n');
  const addresses = JSON.parse(output.slice(0, gap)) as readonly IpJson[];
  const links = JSON.parse(output.slice(gap + 1)) as readonly IpJson[];
  return links
    .filter(link => link.link_type !== 'loopback')
    .map(link => ({
      name: link.ifname ?? '',
      mac: link.address ?? '',
      mtu: link.mtu ?? 0,
      addresses: addresses
        .filter(each => each.ifname === link.ifname)
        .flatMap(each => each.addr_info ?? [])
        .map(each => `${each.local}/${each.prefixlen}`),
      ...(byName.get(link.ifname ?? '') ?? noAdapter),
    }));
}
