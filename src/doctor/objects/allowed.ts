// Of free text (arguments, environment, ConfigMaps) only what a rule compares: a secret can stand anywhere in the rest.
import { z } from 'zod';
import { many, text } from './common.ts';

/** Flags that say where a component listens and whom it trusts. */
const flags = /^--(bind-address|listen-metrics-urls|kubelet-insecure-tls|kubelet-certificate-authority)(=|$)/;

export const keptFlags = many(z.string()).transform(all => all.filter(argument => flags.test(argument)));

/** Variables that name an address. */
const variables = /^(INDEXER_URL|OPENSEARCH_HOSTS|KUBERNETES_SERVICE_HOST|KUBERNETES_SERVICE_PORT)$/;

export const keptEnvironment = many(z.object({ name: z.string(), value: text })).transform(all =>
  all.flatMap(({ name, value }) => (variables.test(name) ? [{ name, value: withoutCredentials(value) }] : [])),
);

function withoutCredentials(address: string): string {
  return address.replace(/\/\/[^/@\s]*@/g, '//');
}

/** Keys of ConfigMaps whose text is kept as it is: settings that hold no secret. */
const wholeKeys =
  /^(Corefile|ClusterConfiguration|kubelet|built-by|to|kube-proxy-replacement|bpf-lb-sock|bpf-lb-sock-hostns-only|cni-exclusive|routing-mode|tunnel-protocol|tunnel-port|tunnel|mtu|enable-bpf-masquerade|enable-ipv4-masquerade|enable-node-port|enable-wireguard|enable-ipsec|ipv4-native-routing-cidr|enable-ip-masq-agent|ipam|cluster-pool-ipv4-cidr)$/;
/** Lines of the rest, by key. */
const keptLines: Readonly<Record<string, RegExp>> = {
  'opensearch_dashboards.yml': /^\s*opensearch\.hosts\s*:.*$/gm,
  'config.yaml': /^\s*(retention_enabled|retention_period|delete_request_store|retention_deletes_enabled)\s*:.*$/gm,
};

/** What of a ConfigMap's data is kept; the same again when it is read from a saved snapshot. */
export function keptExcerpts(data: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).flatMap(([key, value]) => {
      if (wholeKeys.test(key)) return [[key, value]];
      const lines = keptLines[key];
      if (!lines) return [];
      return [[key, withoutCredentials((value.match(lines) ?? []).map(line => line.trim()).join('\n'))]];
    }),
  );
}
