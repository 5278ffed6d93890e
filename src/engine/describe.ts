// Asks a running cluster what an inventory would say about it. Reads only.
import { randomBytes, X509Certificate } from 'node:crypto';
import { load } from 'js-yaml';
import { z } from 'zod';
import type { Json, JsonObject } from '../model/cluster.ts';
import type { DescribedNode, Description } from '../model/description.ts';
import { HomelabError } from '../model/errors.ts';
import { adminKubectl } from '../model/kubectl.ts';
import { type Fragment, joinFragments, splitFrames } from './frames.ts';
import { inLanes, valuesOf } from './lanes.ts';
import type { Machine } from './machine.ts';

const kubectl = adminKubectl(20);

// Of the kubelet's own certificate only what is public: its file holds the key too.
export const describeFragments: readonly Fragment[] = [
  {
    id: 'certificate',
    script: `sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' /var/lib/kubelet/pki/kubelet-client-current.pem 2>/dev/null || true`,
  },
  {
    id: 'containerd',
    script: `path=$(command -v containerd) || exit 0
containerd --version
dpkg-query -S "$(readlink -f "$path")" 2>/dev/null | cut -d: -f1 || true`,
  },
  {
    id: 'cni',
    // The first by name is the one that runtimes take.
    script: `for path in /etc/cni/net.d/*; do
  case $path in *.conf | *.conflist) echo "\${path##*/}"; break ;; esac
done`,
  },
  {
    id: 'objects',
    script: `[ -e /etc/kubernetes/admin.conf ] && [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || exit 0
${kubectl} get nodes,configmaps,daemonsets -n kube-system -o json`,
  },
];

/** Throws where no cluster answers. */
export async function describe(machines: readonly Machine[], fork: number, signal: AbortSignal): Promise<Description> {
  const answers = valuesOf(await inLanes(machines, fork, machine => ask(machine, signal)));
  const objects = answers.map(({ text }) => text('objects')).find(text => text.trim() !== '');
  if (objects === undefined) {
    throw new HomelabError('HL_REFUSED', 'no cluster answers on these machines, there is nothing to describe', {
      hint: 'is the control plane in the inventory, and does it run? On it: sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes',
    });
  }
  return descriptionOf(
    objects,
    answers.map(({ host, text }) => machineOf(host, text)),
  );
}

interface Answer {
  readonly host: string;
  text(id: string): string;
}

export interface MachineAnswer {
  readonly host: string;
  /** By the kubelet's own certificate; empty where it has none. */
  readonly node: string;
  readonly containerd: string;
  readonly containerdPackage: string;
  readonly cni: string;
}

async function ask(machine: Machine, signal: AbortSignal): Promise<Answer> {
  const mark = `@${randomBytes(9).toString('hex')}`;
  const frames = splitFrames(
    await machine.exec(joinFragments(describeFragments, mark), 60_000, signal),
    describeFragments,
    mark,
  );
  return {
    host: machine.host,
    text(id) {
      const frame = frames.get(id);
      if (frame?.code === 0) return frame.stdout;
      throw new HomelabError('HL_OBSERVE', `${machine.host} did not answer what describes it (${id})`, {
        context: { host: machine.host, stderr: frame?.stderr ?? 'no answer' },
        hint: 'mend what it says above, then run the same command again',
      });
    },
  };
}

function machineOf(host: string, text: (id: string) => string): MachineAnswer {
  const [version = '', containerdPackage = ''] = text('containerd').split('\n');
  return {
    host,
    node: nodeNameOf(text('certificate')),
    containerd: /\sv?(\d+\.\d+\.\d+)/.exec(version)?.[1] ?? '',
    containerdPackage: containerdPackage.trim(),
    cni: text('cni').trim(),
  };
}

// kubelets are users called system:node:NAME.
function nodeNameOf(pem: string): string {
  if (pem.trim() === '') return '';
  return /CN=system:node:(\S+)/.exec(new X509Certificate(pem).subject)?.[1] ?? '';
}

const named = { metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }) };
const effect = z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
const object = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('Node'),
    ...named,
    spec: z.object({
      taints: z.array(z.object({ key: z.string(), value: z.string().optional(), effect })).default([]),
    }),
    status: z.object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]) }),
  }),
  z.object({ kind: z.literal('ConfigMap'), ...named, data: z.record(z.string(), z.string()).default({}) }),
  z.object({ kind: z.literal('DaemonSet'), ...named }),
]);
const list = z.object({ items: z.array(object) });
const clusterConfiguration = z.object({
  kubernetesVersion: z.string(),
  controlPlaneEndpoint: z.string().default(''),
  networking: z.object({ podSubnet: z.string().default(''), serviceSubnet: z.string().default('') }),
});

/** `objects`: what kubectl printed. */
export function descriptionOf(objects: string, machines: readonly MachineAnswer[]): Description {
  const { items } = list.parse(JSON.parse(objects));
  const data = new Map(items.flatMap(each => (each.kind === 'ConfigMap' ? [[each.metadata.name, each.data]] : [])));
  const config = clusterConfiguration.parse(load(data.get('kubeadm-config')?.['ClusterConfiguration'] ?? ''));
  const [endpoint = '', port = '6443'] = config.controlPlaneEndpoint.split(':');
  const nodes = items.flatMap(each => (each.kind === 'Node' ? [each] : []));
  const described = nodes.map(({ metadata: { name, labels }, spec, status }): DescribedNode => {
    const address = status.addresses.find(({ type }) => type === 'InternalIP')?.address ?? '';
    const machine = machines.find(({ node, host }) => (node || host) === name);
    return {
      name,
      role: isMarked(labels) ? 'control-plane' : 'worker',
      address,
      labels: Object.fromEntries(Object.entries(labels).filter(([key]) => isUsers(key))),
      taints: spec.taints
        .filter(({ key }) => isUsers(key))
        .map(({ key, value, effect: what }) => ({ key, value, effect: what })),
      host: machine?.host,
      containerd: machine?.containerd ?? '',
      containerdPackage: machine?.containerdPackage ?? '',
    };
  });
  const first = described.find(({ role, host }) => role === 'control-plane' && host !== undefined);
  return {
    version: config.kubernetesVersion,
    endpoint,
    port,
    podSubnet: ipv4Of(config.networking.podSubnet),
    serviceSubnet: ipv4Of(config.networking.serviceSubnet),
    kubeProxy: items.some(each => each.kind === 'DaemonSet' && each.metadata.name === 'kube-proxy'),
    kubeletConfig: beyondDefaults(load(data.get('kubelet-config')?.['kubelet'] ?? '{}') as Json),
    cni: machines.find(({ host }) => host === first?.host)?.cni ?? '',
    nodes: described,
  };
}

function isMarked(labels: Readonly<Record<string, string>>): boolean {
  return ['control-plane', 'master'].some(role => `node-role.kubernetes.io/${role}` in labels);
}

// Kubernetes sets its own, and networks theirs while a node starts. Where a machine stands only its owner knows.
function isUsers(key: string): boolean {
  if (/^topology\.kubernetes\.io\/(region|zone)$/.test(key)) return true;
  return !/^([^/]+\.)?(kubernetes\.io|k8s\.io|cilium\.io|projectcalico\.org)\//.test(key);
}

// 'IPv4,IPv6' where a cluster has both.
function ipv4Of(subnets: string): string {
  return subnets.split(',').find(each => !each.includes(':')) ?? '';
}

/** What kubeadm writes into every KubeletConfiguration, or derives from the rest. */
const kubeadmsOwn: Readonly<Record<string, Json | undefined>> = {
  cgroupDriver: 'systemd',
  healthzBindAddress: '127.0.0.1',
  healthzPort: 10248,
  rotateCertificates: true,
  staticPodPath: '/etc/kubernetes/manifests',
  resolvConf: '/run/systemd/resolve/resolv.conf',
};
const derived = [
  'apiVersion',
  'kind',
  'authentication',
  'authorization',
  'clusterDNS',
  'clusterDomain',
  'containerRuntimeEndpoint',
];

function beyondDefaults(config: Json): JsonObject {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return {};
  const entries = Object.entries(config as JsonObject);
  return Object.fromEntries(
    entries.flatMap(([key, value]) => {
      if (derived.includes(key) || kubeadmsOwn[key] === value) return [];
      const kept = withoutUnset(value);
      return kept === undefined ? [] : [[key, kept]];
    }),
  );
}

// kubeadm writes every duration and section, '0s' and {} where nothing was said.
function withoutUnset(value: Json): Json | undefined {
  if (value === '0s' || value === '' || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) return value;
  const kept = Object.entries(value as JsonObject).flatMap(([key, inner]) => {
    const some = withoutUnset(inner);
    return some === undefined || unsetLogging[key] === some ? [] : [[key, some] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

const unsetLogging: Readonly<Record<string, Json>> = { flushFrequency: 0, verbosity: 0, infoBufferSize: '0' };
