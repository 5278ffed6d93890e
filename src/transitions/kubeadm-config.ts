// The documents kubeadm reads, as data: v1beta4 from Kubernetes 1.31 on, v1beta3 before.
import { dump } from 'js-yaml';
import { type Host, type Json, type JsonObject, runsEverything } from '../model/cluster.ts';
import { kubeadmApi } from '../model/versions.ts';
import { endpointOf, type Goal, willServeClusterCertificates } from '../model/world.ts';
import { tokenDescription } from '../resources/our-tokens.ts';
import { apiServerVolumes, controlPlaneArgs, etcdFolder, extraArgs } from './choices.ts';

/** Stands where the join token belongs; the machine's shell puts the token in, so that no file of ours ever has it. */
export const tokenPlace = '@JOIN_TOKEN@';

/** The same for the key that certificates travel under. */
export const certificateKeyPlace = '@CERTIFICATE_KEY@';

/** The lifetime of the tokens we make; kubeadm's own default would be 24 hours. */
export const tokenTtl = '15m0s';

/** kubeadm init's documents: init, cluster, kubelet, kube-proxy. */
export function renderInit(goal: Goal, host: Host): string {
  const { kubernetes, name } = goal.cluster;
  const api = kubeadmApi(kubernetes.version);
  const args = controlPlaneArgs(willServeClusterCertificates(goal));
  const argsOf = (process: string) => ({ extraArgs: extraArgs(api, args[process] ?? {}) });
  return documents([
    {
      apiVersion: api,
      kind: 'InitConfiguration',
      // An empty list would make kubeadm mint a token for 24 hours.
      bootstrapTokens: [
        {
          token: tokenPlace,
          description: tokenDescription,
          ttl: tokenTtl,
          usages: ['signing', 'authentication'],
          groups: ['system:bootstrappers:kubeadm:default-node-token'],
        },
      ],
      localAPIEndpoint: localEndpoint(host),
      nodeRegistration: nodeRegistration(api, host, goal),
      // A restored cluster has its own, as its owner may have changed them.
      ...(goal.restore ? { skipPhases: ['addon'] } : kubernetes.kubeProxy ? {} : { skipPhases: ['addon/kube-proxy'] }),
    },
    {
      apiVersion: api,
      kind: 'ClusterConfiguration',
      clusterName: name,
      kubernetesVersion: kubernetes.version,
      controlPlaneEndpoint: endpointOf(goal),
      networking: {
        podSubnet: kubernetes.podSubnet,
        serviceSubnet: kubernetes.serviceSubnet,
        dnsDomain: 'cluster.local',
      },
      apiServer: { certSANs: certSANs(goal), ...argsOf('kube-apiserver'), extraVolumes: apiServerVolumes },
      controllerManager: argsOf('kube-controller-manager'),
      scheduler: argsOf('kube-scheduler'),
      etcd: { local: { dataDir: etcdFolder, ...argsOf('etcd') } },
    },
    {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      cgroupDriver: 'systemd',
      // The certificate it serves comes from the cluster's CA once its request is approved; else it would sign its own.
      serverTLSBootstrap: true,
      ...kubernetes.kubeletConfig,
    },
    ...(kubernetes.kubeProxy
      ? [
          {
            apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
            kind: 'KubeProxyConfiguration',
            metricsBindAddress: '127.0.0.1:10249',
            ...kubernetes.proxyConfig,
          },
        ]
      : []),
  ]);
}

/** What the API server is reached by, now and when the inventory's other control planes have joined. */
export function certSANs(goal: Goal): readonly string[] {
  const { hosts, kubernetes } = goal.cluster;
  const controlPlanes = hosts.filter(host => host.role === 'control-plane');
  const own = controlPlanes.flatMap(({ name, address }) => [name, address]);
  return [...new Set([endpointOf(goal).replace(/:6443$/, ''), ...own, ...kubernetes.certSANs])];
}

// The API server was reached and the token made a moment ago; kubeadm's own 5 minutes would only be waited for in vain. It asks every 5 s: where
// its last question falls on the deadline, it says that ("would exceed context deadline") instead of what was wrong all the time.
const discoveryTimeout = '58s';

/** kubeadm join's document. `caHash` pins the cluster's CA: a stranger on the endpoint's address is not believed. */
export function renderJoin(goal: Goal, host: Host, caHash: string): string {
  const api = kubeadmApi(goal.cluster.kubernetes.version);
  return documents([
    {
      apiVersion: api,
      kind: 'JoinConfiguration',
      discovery: {
        bootstrapToken: { apiServerEndpoint: endpointOf(goal), token: tokenPlace, caCertHashes: [`sha256:${caHash}`] },
        ...(isV1beta4(api) ? {} : { timeout: discoveryTimeout }),
      },
      ...(isV1beta4(api) ? { timeouts: { discovery: discoveryTimeout } } : {}),
      nodeRegistration: nodeRegistration(api, host, goal),
      ...(host.role === 'control-plane'
        ? { controlPlane: { localAPIEndpoint: localEndpoint(host), certificateKey: certificateKeyPlace } }
        : {}),
    },
  ]);
}

/** What `kubeadm init phase upload-certs` reads: the key, and enough of the cluster not to look for it on the internet. */
export function renderUploadCerts(goal: Goal, host: Host): string {
  const { version } = goal.cluster.kubernetes;
  const api = kubeadmApi(version);
  return documents([
    {
      apiVersion: api,
      kind: 'InitConfiguration',
      certificateKey: certificateKeyPlace,
      localAPIEndpoint: localEndpoint(host),
      nodeRegistration: { name: host.name, criSocket },
    },
    {
      apiVersion: api,
      kind: 'ClusterConfiguration',
      kubernetesVersion: version,
      controlPlaneEndpoint: endpointOf(goal),
    },
  ]);
}

const criSocket = 'unix:///run/containerd/containerd.sock';

function localEndpoint(host: Host): JsonObject {
  return { advertiseAddress: host.address, bindPort: 6443 };
}

function nodeRegistration(api: string, host: Host, { cluster }: Goal): JsonObject {
  return {
    name: host.name,
    criSocket,
    kubeletExtraArgs: extraArgs(api, { 'node-ip': host.address }),
    // An empty list, not none: none is kubeadm's own taint.
    ...(runsEverything(cluster, host) ? { taints: [] } : {}),
    // A control plane beside workers keeps kubeadm's own taint; what the inventory adds is set on the node afterwards.
    ...(host.role === 'worker' && host.taints.length > 0
      ? {
          taints: host.taints.map(({ key, value, effect }) => ({
            key,
            effect,
            ...(value === undefined ? {} : { value }),
          })),
        }
      : {}),
  };
}

function isV1beta4(api: string): boolean {
  return api.endsWith('v1beta4');
}

function documents(list: readonly JsonObject[]): string {
  return list.map(each => dump(each as Json, { lineWidth: -1, noRefs: true })).join('---\n');
}
