// A checked inventory to the model: defaults filled in, paths absolute, references parsed.
import type {
  Cluster,
  Host,
  JsonObject,
  Registry,
  Repository,
  SshTarget,
  Taint,
  WantedLayers,
} from '../model/cluster.ts';
import { layerNames } from '../model/layers.ts';
import { parseTaint } from './kubernetes-rules.ts';
import { expandPath, type Places } from './paths.ts';
import { profileOf } from './profiles.ts';
import { toJson } from './raw.ts';
import { dockerRepository, kubernetesRepository } from './repositories.ts';
import type { Inventory } from './schema.ts';
import { parseReference } from './secrets.ts';

type Key = Repository['key'];
type Ssh = NonNullable<Inventory['hosts'][number]['ssh']>;

/** What the inventory names by path, read. */
export interface Files {
  /** Of repositories, by section. */
  readonly keys: ReadonlyMap<string, Key>;
  /** Of registries, by host. */
  readonly cas: ReadonlyMap<string, string>;
  /** The certificate that backups are encrypted for. */
  readonly recipient: string | undefined;
  /** The inventory itself. */
  readonly text: string;
}

export function buildCluster(inventory: Inventory, { keys, cas, recipient, text }: Files, places: Places): Cluster {
  const { kubernetes, containerd } = inventory;
  const profile = profileOf(inventory.profile);
  const version = given(kubernetes.version ?? profile?.kubernetes);
  return {
    name: inventory.name,
    timeZone: inventory.timeZone,
    kubernetes: {
      version,
      endpoint: kubernetes.endpoint,
      certSANs: kubernetes.certSANs,
      podSubnet: kubernetes.podSubnet,
      serviceSubnet: kubernetes.serviceSubnet,
      kubeProxy: kubernetes.kubeProxy,
      repository: repositoryOf(kubernetes.repository, keys.get('kubernetes')) ?? kubernetesRepository(version),
      kubeletConfig: jsonObject(kubernetes.kubeletConfig),
      proxyConfig: jsonObject(kubernetes.proxyConfig),
    },
    containerd: {
      version: given(containerd.version ?? profile?.containerd),
      package: containerd.package,
      repository:
        repositoryOf(containerd.repository, keys.get('containerd')) ??
        (containerd.package === 'containerd.io' ? dockerRepository : undefined),
      config: jsonObject(containerd.config),
      registries: Object.entries(containerd.registries).map(([host, registry]) =>
        registryOf(host, registry, cas, places),
      ),
    },
    proxy: inventory.proxy && { http: inventory.proxy.http, https: inventory.proxy.https, no: inventory.proxy.no },
    network: inventory.network,
    layers: layersOf(inventory),
    backup: inventory.backup && {
      recipient: given(recipient),
      key: inventory.backup.key === undefined ? undefined : parseReference(inventory.backup.key, places),
      schedule: inventory.backup.schedule,
      keep: inventory.backup.keep,
      inventory: text,
    },
    hosts: inventory.hosts.map(host => hostOf(host, inventory, places)),
  };
}

function layersOf({ layers, network, profile }: Inventory): WantedLayers {
  const isCilium = network.provider === 'cilium';
  return Object.fromEntries(
    layerNames.flatMap(name => {
      const layer = layers[name] ?? (name === 'cilium' && isCilium ? { enabled: true, values: {} } : undefined);
      if (!layer?.enabled || (name === 'cilium' && !isCilium)) return [];
      const version = given(layer.version ?? profileOf(profile)?.layers[name]);
      return [[name, { version, values: jsonObject(layer.values) }] as const];
    }),
  );
}

function registryOf(
  host: string,
  { mirrors, credentials }: Inventory['containerd']['registries'][string],
  cas: ReadonlyMap<string, string>,
  places: Places,
): Registry {
  return {
    host,
    mirrors,
    ca: cas.get(host),
    credentials: credentials && {
      username: credentials.username,
      password: given(parseReference(credentials.password, places)),
    },
  };
}

function hostOf(host: Inventory['hosts'][number], common: Pick<Inventory, 'ssh' | 'nicPower'>, places: Places): Host {
  return {
    name: host.name,
    role: host.role,
    address: host.address,
    labels: host.labels,
    taints: host.taints.map(taintOf),
    nicPower: {
      level: host.nicPower?.level ?? common.nicPower.level,
      remedies: host.nicPower?.remedies ?? common.nicPower.remedies,
    },
    ssh: sshOf({ ...common.ssh, ...host.ssh }, places),
  };
}

function taintOf(taint: Inventory['hosts'][number]['taints'][number]): Taint {
  if (typeof taint === 'string') return given(parseTaint(taint));
  return { key: taint.key, value: taint.value, effect: taint.effect };
}

function sshOf(ssh: Ssh, places: Places): SshTarget {
  const path = (value: string | undefined) => (value === undefined ? undefined : expandPath(value, places));
  return {
    user: ssh.user,
    port: ssh.port,
    identityFile: path(ssh.identityFile),
    knownHosts: path(ssh.knownHosts),
    hostKey: ssh.hostKey,
    proxyJump: ssh.proxyJump,
    sudoPassword: ssh.sudo && parseReference(ssh.sudo.password, places),
  };
}

function repositoryOf(repository: Inventory['kubernetes']['repository'], key: Key | undefined): Repository | undefined {
  if (!repository) return undefined;
  const { url, suite, components, pin } = repository;
  return { url, suite, components, pin, key: given(key) };
}

function jsonObject(value: Readonly<Record<string, unknown>>): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}

/** What the checks before this guarantee; the type system cannot see them. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('an inventory that passed its checks lacks a value');
  return value;
}
