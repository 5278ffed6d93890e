// The proxy of the inventory for what fetches on machines: apt, containerd, kubelet. Without one, nothing of ours stays behind.
import { BlockList } from 'node:net';
import type { Cluster } from '../model/cluster.ts';
import type { Resource } from '../model/plan.ts';
import { file, noFile } from '../resources/file.ts';

/**
 * What the cluster is made of goes past the proxy: it could not reach it, and health checks through it lie. Machines in a subnet that
 * the inventory names are not listed one by one, so that a new one changes nothing on the others.
 */
export function noProxyOf({ hosts, kubernetes, proxy }: Cluster): readonly string[] {
  const named = new BlockList();
  for (const subnet of proxy?.no ?? []) {
    const [base = '', prefix] = subnet.split('/');
    if (prefix !== undefined) named.addSubnet(base, Number(prefix));
  }
  return [
    ...new Set([
      'localhost',
      '127.0.0.1',
      ...hosts.map(({ address }) => address).filter(address => !named.check(address)),
      ...(kubernetes.endpoint === undefined ? [] : [kubernetes.endpoint]),
      kubernetes.podSubnet,
      kubernetes.serviceSubnet,
      '.svc',
      '.cluster.local',
      ...(proxy?.no ?? []),
    ]),
  ];
}

/** Environment of what fetches; nothing without a proxy. */
export function proxyVariables(cluster: Cluster): Readonly<Record<string, string>> {
  const { proxy } = cluster;
  if (!proxy) return {};
  return {
    ...(proxy.http === undefined ? {} : { HTTP_PROXY: proxy.http }),
    ...(proxy.https === undefined ? {} : { HTTPS_PROXY: proxy.https }),
    NO_PROXY: noProxyOf(cluster).join(','),
  };
}

/** Where a unit's proxy is written. */
export function dropInOf(unit: string): string {
  return `/etc/systemd/system/${unit}.d/homelab-proxy.conf`;
}

/** The drop-in of a unit that fetches. */
export function proxyOf(unit: string, name: string, cluster: Cluster): Resource {
  const path = dropInOf(unit);
  if (!cluster.proxy) return noFile({ path, name });
  const lines = Object.entries(proxyVariables(cluster)).map(
    ([variable, value]) => `Environment="${variable}=${value}"`,
  );
  return file({
    path,
    name,
    title: `Give ${unit} the proxy`,
    content: `# Written by homelab from proxy in the inventory.\n[Service]\n${lines.join('\n')}\n`,
  });
}

const aptPath = '/etc/apt/apt.conf.d/90homelab-proxy';

/** apt knows hosts, not domains and subnets. */
export function aptProxy(cluster: Cluster): Resource {
  const { proxy } = cluster;
  if (!proxy) return noFile({ path: aptPath, name: 'apt-proxy' });
  const schemes = [
    ...(proxy.http === undefined ? [] : [['http', proxy.http]]),
    ...(proxy.https === undefined ? [] : [['https', proxy.https]]),
  ];
  const direct = noProxyOf(cluster).filter(each => !/^\.|\//.test(each));
  return file({
    path: aptPath,
    name: 'apt-proxy',
    title: 'Give apt the proxy',
    content: `// Written by homelab from proxy in the inventory.\n${schemes
      .flatMap(([scheme, url]) => [
        `Acquire::${scheme}::Proxy "${url}";`,
        ...direct.map(host => `Acquire::${scheme}::Proxy::${host} "DIRECT";`),
      ])
      .join('\n')}\n`,
  });
}
