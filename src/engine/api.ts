// What the API server says: the nodes, what was decided at init, what was proven. Asked in the reading of a control plane.
import { load } from 'js-yaml';
import { z } from 'zod';
import { adminKubectl } from '../model/kubectl.ts';
import { amountsOf } from '../model/quantities.ts';
import { command } from '../model/shell.ts';
import { cordonMark, type LiveCluster, type NodeFacts, type ServingRequest, type World } from '../model/world.ts';
import { parseCertificateRequest } from './certificate-request.ts';
import type { Fragment, Frame } from './frames.ts';

const kubectl = adminKubectl(5);
const objects = `${kubectl} get nodes,configmaps,certificatesigningrequests -n kube-system -o json`;

/** How long a control plane that just booted may take to answer before it counts as down, seconds. */
export const apiPatienceSeconds = 90;

/** How long while another one answers what there is to know. */
const patienceBesideOthersSeconds = 5;

// sh: no API server runs and nobody is going to start one: its kubelet stands still, and the machine is not booting.
const isForsaken = `{ ! pgrep -x kube-apiserver >/dev/null && [ "$(systemctl is-active kubelet.service)" = inactive ] && [ "$(systemctl is-system-running)" != starting ]; }`;

/**
 * Asked on control planes only. Waits for an API server that is still starting, as after a boot, unless one of the other control planes
 * (their addresses) is ready: whether this one is, is for its proofs to say.
 */
export function apiFragment(others: readonly string[] = []): Fragment {
  const anotherIsReady = others
    .map(address => `${kubectl} ${command(`--server=https://${address}:6443`)} get --raw /readyz >/dev/null 2>&1`)
    .join(' || ');
  const leave = `  [ "$(date +%s)" -lt "$((end - ${apiPatienceSeconds - patienceBesideOthersSeconds}))" ] || ! { ${anotherIsReady}; } || { echo silent; exit 0; }
`;
  return {
    id: 'api',
    script: `[ -e /etc/kubernetes/admin.conf ] && [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || { echo none; exit 0; }
# Most of the time it answers at once.
if said=$(${objects} 2>/dev/null) && [ -n "$said" ]; then
  echo answers
  printf '%s\\n' "$said"
  exit 0
fi
end=$(($(date +%s) + ${apiPatienceSeconds}))
until ${kubectl} get --raw /readyz >/dev/null 2>&1; do
  [ "$(date +%s)" -lt "$end" ] && ! ${isForsaken} || { echo silent; exit 0; }
${others.length > 0 ? leave : ''}  sleep 1
done
echo answers
${objects}`,
  };
}

/** The same for who only looks: an API server that does not answer now is one that does not answer. */
export const apiNowFragment: Fragment = {
  id: 'api',
  script: `[ -e /etc/kubernetes/admin.conf ] || { echo none; exit 0; }
said=$(${objects} 2>/dev/null) && [ -n "$said" ] || { echo silent; exit 0; }
echo answers
printf '%s\\n' "$said"
`,
};

export interface ApiReading extends Pick<World, 'nodes' | 'live' | 'servingRequests' | 'proofs' | 'upgrading'> {
  /** Objects that a finished init leaves and that are not there. */
  readonly missing: readonly string[];
}

const nodeObject = z.object({
  kind: z.literal('Node'),
  metadata: z.object({
    name: z.string(),
    annotations: z.record(z.string(), z.string()).default({}),
    labels: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.object({ podCIDR: z.string().optional(), unschedulable: z.boolean().default(false) }),
  status: z.object({
    addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]),
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    nodeInfo: z.object({ kubeletVersion: z.string() }),
    allocatable: z.record(z.string(), z.string()).default({}),
  }),
});
const configMap = z.object({
  kind: z.literal('ConfigMap'),
  metadata: z.object({ name: z.string() }),
  data: z.record(z.string(), z.string()).default({}),
});
const signingRequest = z.object({
  kind: z.literal('CertificateSigningRequest'),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    signerName: z.string(),
    username: z.string().default(''),
    groups: z.array(z.string()).default([]),
    usages: z.array(z.string()).default([]),
    request: z.string(),
  }),
  status: z.object({ conditions: z.array(z.unknown()).default([]) }).default({ conditions: [] }),
});
const list = z.object({ items: z.array(z.discriminatedUnion('kind', [nodeObject, configMap, signingRequest])) });

// CoreDNS is not among them: other people's clusters may have another DNS.
const leftByInit = ['kubeadm-config', 'kubelet-config'];

/** All unknown when no API server answered, or it went away in the middle. */
export function parseApi(frame: Frame | undefined): ApiReading {
  const silent: ApiReading = { nodes: 'unknown', live: 'unknown', missing: [], servingRequests: [], proofs: {} };
  const [state, ...json] = frame?.stdout.split('\n') ?? [];
  // kubeadm gives its own administrator the right to look when the API server is up: an init that was cut off there never did.
  if (state === 'answers' && /forbidden: User "kubernetes-admin"/.test(frame?.stderr ?? ''))
    return { ...silent, missing: ['ClusterRoleBinding kubeadm:cluster-admins'] };
  if (state !== 'answers' || frame?.code !== 0) return silent;
  const { items } = list.parse(JSON.parse(json.join('\n')));
  const data = new Map(items.flatMap(each => (each.kind === 'ConfigMap' ? [[each.metadata.name, each.data]] : [])));
  return {
    nodes: items.flatMap(each => (each.kind === 'Node' ? [nodeFrom(each)] : [])),
    live: parseLive(
      data.get('kubeadm-config')?.['ClusterConfiguration'] ?? '',
      data.get('kubelet-config')?.['kubelet'] ?? '',
    ),
    servingRequests: items.flatMap(each => (isPending(each) ? [servingRequestFrom(each)] : [])),
    missing: leftByInit.filter(name => !data.has(name)).map(name => `ConfigMap ${name}`),
    proofs: data.get('homelab') ?? {},
    // What src/transitions/upgrade-baseline.ts writes.
    upgrading: data.get('homelab-upgrade')?.['to'],
  };
}

type SigningRequest = z.output<typeof signingRequest>;

function isPending(item: z.output<typeof list>['items'][number]): item is SigningRequest {
  return (
    item.kind === 'CertificateSigningRequest' &&
    item.spec.signerName === 'kubernetes.io/kubelet-serving' &&
    // Approved, Denied or Failed: somebody has answered.
    item.status.conditions.length === 0
  );
}

function servingRequestFrom({ metadata, spec }: SigningRequest): ServingRequest {
  const { username, groups, usages, request } = spec;
  const pem = Buffer.from(request, 'base64').toString('latin1');
  return { name: metadata.name, username, groups, usages, asks: parseCertificateRequest(pem) };
}

function nodeFrom({ metadata, spec, status }: z.output<typeof nodeObject>): NodeFacts {
  return {
    name: metadata.name,
    address: status.addresses.find(({ type }) => type === 'InternalIP')?.address ?? '',
    podCidr: spec.podCIDR ?? 'unknown',
    ready: status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    kubeletVersion: status.nodeInfo.kubeletVersion.replace(/^v/, ''),
    ...allocatableIn(status.allocatable),
    unschedulable: spec.unschedulable,
    cordonedByUs: metadata.annotations[cordonMark] !== undefined,
    isControlPlane: metadata.labels['node-role.kubernetes.io/control-plane'] !== undefined,
  };
}

// A node that has just been made says nothing of it yet.
function allocatableIn(said: Readonly<Record<string, string>>): Pick<NodeFacts, 'allocatable'> {
  const { cpu, memory, 'ephemeral-storage': disk = 0 } = amountsOf(said);
  if (cpu === undefined || memory === undefined) return {};
  return {
    allocatable: { milliCpu: cpu, memoryMiB: Math.floor(memory / 2 ** 20), diskGiB: Math.floor(disk / 2 ** 30) },
  };
}

// A map until v1beta3, a list of names and values since.
const args = z
  .union([
    z.record(z.string(), z.string()),
    z
      .array(z.object({ name: z.string(), value: z.string() }))
      .transform(all => Object.fromEntries(all.map(({ name, value }) => [name, value]))),
  ])
  .default({});
const component = z.object({ extraArgs: args }).default({ extraArgs: {} });
const clusterConfiguration = z.object({
  kubernetesVersion: z.string(),
  controlPlaneEndpoint: z.string().default(''),
  networking: z.object({ podSubnet: z.string().default(''), serviceSubnet: z.string().default('') }),
  apiServer: z
    .object({ certSANs: z.array(z.string()).default([]), extraArgs: args })
    .default({ certSANs: [], extraArgs: {} }),
  controllerManager: component,
  scheduler: component,
  etcd: z.object({ local: component }).default({ local: { extraArgs: {} } }),
});
const kubeletConfiguration = z
  .object({ serverTLSBootstrap: z.boolean().default(false) })
  .catch({ serverTLSBootstrap: false });

function parseLive(cluster: string, kubelet: string): LiveCluster | 'unknown' {
  if (cluster.trim() === '') return 'unknown';
  const { kubernetesVersion, controlPlaneEndpoint, networking, apiServer, ...others } = clusterConfiguration.parse(
    load(cluster),
  );
  return {
    version: kubernetesVersion,
    endpoint: controlPlaneEndpoint,
    ...networking,
    certSANs: apiServer.certSANs,
    args: {
      'kube-apiserver': apiServer.extraArgs,
      'kube-controller-manager': others.controllerManager.extraArgs,
      'kube-scheduler': others.scheduler.extraArgs,
      etcd: others.etcd.local.extraArgs,
    },
    ...kubeletConfiguration.parse(load(kubelet || '{}')),
  };
}
