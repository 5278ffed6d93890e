// The inventory that describes a running cluster: what its owner wrote about reaching machines, and the rest as it was found.
import { dump } from 'js-yaml';
import semver from 'semver';
import type { DescribedNode, Description } from '../model/description.ts';
import { usualProfile } from './profiles.ts';
import { at, listAt, textAt } from './raw.ts';
import { checkContainerdVersion } from './versions.ts';

/** `raw`: the inventory that the cluster was reached by. Paths in it stay as they are: the text belongs beside it. */
export function describeInventory(raw: unknown, found: Description): string {
  const versions = found.nodes.flatMap(({ containerd }) => (containerd === '' ? [] : [containerd]));
  const containerd = versions.toSorted(semver.compare).findLast(each => checkContainerdVersion(each) === undefined);
  const packages = [...new Set(found.nodes.flatMap(({ containerdPackage }) => containerdPackage || []))];
  const isOurs = found.cni === '10-homelab.conflist';
  const parts: readonly (readonly [comment: string, value: object])[] = [
    [
      'What homelab found running. Compare it with what you know, then: homelab plan -i THIS-FILE',
      {
        apiVersion: 'homelab/v1',
        kind: 'Cluster',
        name: at(raw, ['name']),
        timeZone: at(raw, ['timeZone']),
        // A version that homelab cannot install is no version to write; a new machine gets the profile's.
        profile: containerd === undefined ? (at(raw, ['profile']) ?? usualProfile) : undefined,
      },
    ],
    [
      found.port === '6443'
        ? ''
        : `The API server is reached on port ${found.port}; homelab joins machines on 6443 only.`,
      {
        kubernetes: {
          ...Object(at(raw, ['kubernetes'])),
          version: found.version,
          endpoint: found.endpoint || undefined,
          podSubnet: found.podSubnet || undefined,
          serviceSubnet: found.serviceSubnet || undefined,
          kubeProxy: found.kubeProxy,
          kubeletConfig: Object.keys(found.kubeletConfig).length > 0 ? found.kubeletConfig : undefined,
        },
      },
    ],
    [
      mixed(found.nodes),
      {
        containerd: {
          ...Object(at(raw, ['containerd'])),
          version: containerd,
          package: packages.length === 1 ? packages[0] : at(raw, ['containerd', 'package']),
        },
      },
    ],
    ['', { ssh: at(raw, ['ssh']) }],
    [
      isOurs || found.cni === '' ? '' : `The pod network is /etc/cni/net.d/${found.cni}.`,
      { network: { provider: isOurs ? 'basic' : 'external' } },
    ],
    ['', { nicPower: at(raw, ['nicPower']), backup: at(raw, ['backup']) }],
    ['', { hosts: hostsOf(raw, found.nodes) }],
  ];
  return parts
    .map(([comment, value]) => [comment === '' ? '' : `# ${comment}\n`, dumped(value)].join(''))
    .filter(text => text !== '')
    .join('\n');
}

/** In the order of the inventory; nodes that it does not have come last. */
function hostsOf(raw: unknown, nodes: readonly DescribedNode[]): readonly object[] {
  const written = listAt(raw, ['hosts']);
  const place = ({ host }: DescribedNode): number => {
    const index = written.findIndex(each => textAt(each, ['name']) === host);
    return index === -1 ? written.length : index;
  };
  return nodes
    .toSorted((left, right) => place(left) - place(right))
    .map(node => ({
      name: node.name,
      role: node.role,
      address: node.address,
      labels: Object.keys(node.labels).length > 0 ? node.labels : undefined,
      taints:
        node.taints.length > 0
          ? node.taints.map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`)
          : undefined,
      nicPower: at(written[place(node)], ['nicPower']),
      ssh: at(written[place(node)], ['ssh']),
    }));
}

function mixed(nodes: readonly DescribedNode[]): string {
  const versions = nodes.flatMap(({ name, containerd }) => (containerd === '' ? [] : [`${name} ${containerd}`]));
  const isMixed = new Set(nodes.flatMap(({ containerd }) => containerd || [])).size > 1;
  const isOld = nodes.some(({ containerd }) => containerd !== '' && checkContainerdVersion(containerd) !== undefined);
  return isMixed || isOld
    ? `What runs: ${versions.join(', ')}. Members keep theirs; this is what a new machine gets.`
    : '';
}

function dumped(value: object): string {
  const plain: unknown = JSON.parse(JSON.stringify(value));
  if (Object.values(Object(plain)).length === 0) return '';
  return dump(plain, { lineWidth: -1, quoteStyle: 'double', noRefs: true });
}
