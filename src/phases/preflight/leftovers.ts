// What another cluster left: only what would break kubeadm or the pods' network. A half-made member is recognised and refused elsewhere.
import type { Host } from '../../model/cluster.ts';
import { seen } from '../../model/probes.ts';
import { command } from '../../model/shell.ts';
import { factsOf, type World } from '../../model/world.ts';
import { type Checks, check } from './check.ts';
import { isPodLink } from './network.ts';

export const leftovers: Checks = (world, host) => [
  otherKubernetes(host),
  folders(host),
  ...(world.cluster.network.provider === 'external' ? [] : [cniConfig(host), links(world, host)]),
];

/** Units that are or bring a Kubernetes or a runtime of their own, and how each goes away. */
const others: readonly { readonly unit: string; readonly cure: string }[] = [
  { unit: 'k3s-agent', cure: 'sudo k3s-agent-uninstall.sh' },
  { unit: 'k3s', cure: 'sudo k3s-uninstall.sh' },
  { unit: 'rke2-', cure: 'sudo rke2-uninstall.sh' },
  { unit: 'k0s', cure: 'sudo k0s stop && sudo k0s reset' },
  { unit: 'snap.microk8s.', cure: 'sudo snap remove --purge microk8s' },
  { unit: 'cri-docker', cure: 'sudo systemctl disable --now cri-docker.socket cri-docker.service' },
  { unit: 'crio', cure: 'sudo systemctl disable --now crio' },
];

/** sh: the units of the above that are active, one a line. */
export const otherKubernetesScript = `${command('systemctl', 'list-units', '--plain', '--no-legend', '--state=active,activating', ...others.map(({ unit }) => `${unit}*`))} | awk '{print $1}'`;

/** How a unit of them goes away, with all that runs on it. */
export function cureOf(active: string): string {
  return others.find(({ unit }) => active.startsWith(unit))?.cure ?? `sudo systemctl disable --now ${active}`;
}

function otherKubernetes(host: Host) {
  return check({
    id: 'other-kubernetes',
    host,
    title: 'runs no other Kubernetes or runtime for one',
    expected: 'none active',
    script: otherKubernetesScript,
    reproduce: `systemctl list-units --state=active ${others.map(({ unit }) => `'${unit}*'`).join(' ')}`,
    judge(output) {
      const units = output.split('\n').filter(Boolean);
      const [first] = units;
      return first === undefined
        ? { ok: true, observed: 'none active' }
        : {
            ok: false,
            observed: units.join(', '),
            hint: `${cureOf(first)} removes it with all that runs on it; or take ${host.name} out of the inventory`,
          };
    },
  });
}

// kubeadm's FileAvailable and DirAvailable checks, and static pods that a kubelet would start; hidden files, as its package brings one, are
// none. A new filesystem has lost+found, which kubeadm takes for a leftover too.
function folders(host: Host) {
  const isControlPlane = host.role === 'control-plane';
  const places = ['/etc/kubernetes/manifests', ...(isControlPlane ? ['/var/lib/etcd'] : [])];
  return check({
    id: 'kubeadm-folders',
    host,
    title: 'has the folders empty that kubeadm fills',
    expected: `nothing in ${places.join(' and ')}`,
    script: `for place in ${places.join(' ')}; do if [ -d "$place" ]; then find "$place" -mindepth 1 -maxdepth 1 ! -name '.*'; fi; done`,
    reproduce: command('sudo', 'ls', '-A', ...places),
    judge(output) {
      const found = output.split('\n').filter(Boolean);
      const [fresh, old] = [found.filter(isFresh), found.filter(path => !isFresh(path))];
      return found.length === 0
        ? { ok: true, observed: 'nothing there' }
        : {
            ok: false,
            observed: found.join(', '),
            hint: [
              ...(old.length > 0
                ? [
                    `if no cluster needs them: sudo kubeadm reset -f, or sudo mkdir -p /root/before-homelab && sudo mv ${old.join(' ')} /root/before-homelab/`,
                  ]
                : []),
              ...fresh.map(path => `sudo rmdir ${path} (a new filesystem has it, and kubeadm wants the folder empty)`),
            ].join('; '),
          };
    },
  });
}

const isFresh = (path: string): boolean => path.endsWith('/lost+found');

// containerd takes the first file of the folder, in the order of their bytes.
const ours = '10-homelab.conflist';

function cniConfig(host: Host) {
  const folder = '/etc/cni/net.d';
  return check({
    id: 'cni-config',
    host,
    title: 'has no pod network that would come before ours',
    expected: `nothing before ${ours}`,
    script: `if [ -d ${folder} ]; then find ${folder} -maxdepth 1 -name '*.conf*' -printf '%f\\n'; fi`,
    reproduce: `ls ${folder}`,
    judge(output) {
      const first = output
        .split('\n')
        .filter(name => /\.conf(list)?$/.test(name) && name < ours)
        .sort();
      const paths = first.map(name => `${folder}/${name}`);
      return first.length === 0
        ? { ok: true, observed: 'none' }
        : {
            ok: false,
            observed: paths.join(', '),
            hint: `sudo mkdir -p /root/before-homelab && sudo mv ${paths.join(' ')} /root/before-homelab/`,
          };
    },
  });
}

function links(world: World, host: Host) {
  const names = factsOf(world, host)
    .nics.map(nic => nic.name)
    .filter(isPodLink);
  return seen({
    id: 'pod-links',
    host: host.name,
    title: 'has no bridge or tunnel of another pod network',
    expected: 'none',
    observed: names.join(', ') || 'none',
    reproduce: 'ip link',
    hint: names.map(name => command('sudo', 'ip', 'link', 'delete', name)).join('; '),
  });
}
