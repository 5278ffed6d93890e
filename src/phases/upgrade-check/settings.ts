// Feature gates and flags that are gone in a version on the way: whoever has one does not start, so they go first.
import { controlPlaneOf } from '../../model/world.ts';
import { minorText } from '../../upgrade/compat.ts';
import {
  type Gates,
  type Obsolete,
  obsoleteFlags,
  obsoleteGates,
  obsoleteKubeadmGates,
  parseGates,
} from '../../upgrade/settings.ts';
import type { Finding, Findings, Subject } from './finding.ts';

interface Place {
  readonly where: string;
  readonly hint: string;
  readonly obsolete: readonly Obsolete[];
}

const edit = (name: string) => `kubectl -n kube-system edit configmap ${name}`;

export const settings: Findings = subject => {
  const places = [...ofMachine(subject), ...ofCluster(subject)].filter(({ obsolete }) => obsolete.length > 0);
  return [
    {
      id: 'settings',
      title: `has no setting that Kubernetes ${minorText(subject.to)} refuses`,
      expected: 'feature gates and flags that it knows',
      observed: 'none found',
      reproduce:
        'grep -i feature /var/lib/kubelet/config.yaml; kubectl -n kube-system get configmap kubeadm-config kubelet-config kube-proxy -o yaml',
      refuse:
        places.length === 0
          ? undefined
          : {
              reason: places.map(({ where, obsolete }) => `${where} has ${obsolete.map(said).join(', ')}`).join('; '),
              hint: `take it out first: ${[...new Set(places.map(({ hint }) => hint))].join('; ')}`,
            },
    } satisfies Finding,
  ];
};

function said({ setting, minor, how }: Obsolete): string {
  return how === 'gone' ? `${setting}, gone in ${minor}` : `${setting}, which ${minor} takes with its own value only`;
}

function ofMachine({ read, to }: Subject): readonly Place[] {
  const files = [...new Set(read.kubeletFlags.map(({ file }) => file))];
  return [
    {
      where: '/var/lib/kubelet/config.yaml',
      // kubeadm writes it from there.
      hint: `${edit('kubelet-config')}, and the same line out of /var/lib/kubelet/config.yaml`,
      obsolete: obsoleteGates(gatesOf(read.kubeletConfig), to),
    },
    ...files.map(file => {
      const flags = read.kubeletFlags.filter(each => each.file === file).map(({ flag }) => splitFlag(flag));
      const names = flags.map(({ name }) => name).filter(name => !isKubeadms(file, name));
      const gates = parseGates(flags.find(({ name }) => name === 'feature-gates')?.value ?? '');
      return {
        where: file,
        hint: `sudo nano ${file}, then sudo systemctl restart kubelet`,
        obsolete: [...obsoleteFlags('kubelet', names, to), ...obsoleteGates(gates, to)],
      };
    }),
  ];
}

// kubeadm 1.35 takes this one out of its own file itself (cmd/kubeadm/app/cmd/phases/upgrade/postupgrade.go).
function isKubeadms(file: string, flag: string): boolean {
  return file.endsWith('kubeadm-flags.env') && flag === 'pod-infra-container-image';
}

// What the cluster's own objects have is said once.
function ofCluster({ world, host, read, to }: Subject): readonly Place[] {
  const cluster = read.controlPlane?.cluster ?? 'unknown';
  if (host !== controlPlaneOf(world)) return [];
  const args = world.live === 'unknown' ? {} : world.live.args;
  const processes = Object.entries(args).map(([process, values]) => ({
    where: `ClusterConfiguration, ${process}`,
    hint: edit('kubeadm-config'),
    obsolete: [
      ...obsoleteFlags(process, Object.keys(values), to),
      // etcd has gates of its own.
      ...(process === 'etcd' ? [] : obsoleteGates(parseGates(values['feature-gates'] ?? ''), to)),
    ],
  }));
  if (cluster === 'unknown') return processes;
  return [
    ...processes,
    {
      where: 'ConfigMap kubelet-config',
      hint: edit('kubelet-config'),
      obsolete: obsoleteGates(gatesOf(cluster.kubeletConfig), to),
    },
    { where: 'ConfigMap kube-proxy', hint: edit('kube-proxy'), obsolete: obsoleteGates(cluster.proxyGates, to) },
    {
      where: "ClusterConfiguration's own featureGates",
      hint: edit('kubeadm-config'),
      obsolete: obsoleteKubeadmGates(cluster.kubeadmGates, to),
    },
  ];
}

function gatesOf(config: Subject['read']['kubeletConfig']): Gates {
  const gates = config === 'unknown' ? undefined : config['featureGates'];
  return Object.fromEntries(
    Object.entries(typeof gates === 'object' && gates !== null ? gates : {}).map(([name, value]) => [
      name,
      value === true,
    ]),
  );
}

function splitFlag(flag: string): { readonly name: string; readonly value: string } {
  const [name = '', ...value] = flag.replace(/^--/, '').split('=');
  return { name, value: value.join('=') };
}
