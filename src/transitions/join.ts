// bare machine → worker, or further control plane, of this cluster.
import type { Host } from '../model/cluster.ts';
import type { Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import {
  controlPlaneOf,
  type EtcdMember,
  endpointOf,
  factsOf,
  servesClusterCertificates,
  type World,
  withMember,
} from '../model/world.ts';
import { awaitServingRequest } from './approve-serving.ts';
import { awaitNotReady, beginning, begunBy, ended, goingOn, isNewcomer } from './begun.ts';
import { borrowEncryptionKey } from './certificates.ts';
import { encryptionPath, madeWith } from './choices.ts';
import {
  addedLines,
  awaitPodSubnet,
  certificateKeySecret,
  configFunction,
  keepingOutput,
  kubeadmExplained,
  settledByKubeadm,
  stopKubelet,
  tokenSecret,
} from './kubeadm.ts';
import { renderJoin } from './kubeadm-config.ts';

// kubeadm waits 1 minute for discovery and 5 for the TLS bootstrap.
const timeoutMs = 480_000;

export function join(world: World, host: Host): Transition {
  const { membership } = factsOf(world, host);
  const theirs = factsOf(world, controlPlaneOf(world)).membership;
  const caHash = theirs.state === 'joined' ? theirs.caHash : 'unknown';
  return {
    kind: 'transition',
    name: 'join',
    title: host.role === 'worker' ? 'Join the cluster as a worker' : 'Join the cluster as a control plane',
    now: membership.state,
    to: 'joined',
    settles: settledByKubeadm,
    // A control plane's half-done join has left a member in etcd, too: that is for reset.
    change:
      membership.state === 'absent' || (host.role === 'worker' && isNewcomer(world, host))
        ? joinChange(world, host, caHash)
        : joinRefusal(world, host, caHash),
    predict: before => {
      const after = withMember(before, host, caHash);
      if (host.role === 'worker' || after.etcd === 'unknown') return after;
      return {
        ...after,
        etcd: [...after.etcd, { id: 'at join', name: host.name, address: host.address, healthy: true, learner: false }],
      };
    },
  };
}

function joinChange(world: World, host: Host, caHash: string): Transition['change'] {
  const { name: asked } = controlPlaneOf(world);
  const theirs = factsOf(world, asked).membership.state;
  // In a run about all machines a control plane that is half done is refused itself.
  if (theirs === 'absent' || (theirs === 'partial' && world.about !== undefined)) {
    return {
      refuse: `there is no cluster to join: ${asked} is no control plane yet`,
      hint: 'make it first: homelab bootstrap',
    };
  }
  // After an init of this run the world knows a node.
  if (theirs === 'joined' && world.nodes === 'unknown') {
    return {
      refuse: `no API server answers on ${asked}, so nothing can join`,
      hint: 'see why: homelab verify --only control-plane; then run the same command again',
    };
  }
  const lost = host.role === 'control-plane' && world.etcd !== 'unknown' ? unhealthy(world.etcd) : undefined;
  if (lost !== undefined) {
    return {
      refuse: `another member would join an etcd that is not healthy: ${lost}`,
      hint: 'bring every member back first (homelab verify names them), or take out the one that is lost: homelab remove-node NAME --dead; what a join that was cut off has left goes with homelab reset NAME',
    };
  }
  const documents = renderJoin(world, host, caHash);
  const begun = begunBy('join', world, host, documents);
  if (typeof begun === 'object') return begun;
  const borrowsKey = host.role === 'control-plane' && madeWith(world, 'encryption-provider-config', encryptionPath);
  const endpoint = endpointOf(world);
  const [name = '', port = ''] = endpoint.split(':');
  return {
    why:
      begun === 'fresh' ? 'this machine belongs to no cluster' : 'kubeadm join was begun and did not come to its end',
    diff: addedLines(documents),
    risk: 'safe',
    action: {
      script: `left=6
until timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' - ${sh(name)} ${sh(port)} 2>/dev/null; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo ${sh(`homelab: cannot reach the API server at ${endpoint} from this machine`)} >&2; exit 70; }
  sleep 1
done
${configFunction(documents)}config | kubeadm config validate --config /dev/stdin >/dev/null
${stopKubelet}${begun === 'again' ? awaitNotReady(host.name) : ''}${borrowsKey ? borrowEncryptionKey : ''}${beginning('join', documents)}${keepingOutput('join', `config | kubeadm join --config /dev/stdin${goingOn('join', begun)}`)}${ended}${awaitPodSubnet('/etc/kubernetes/kubelet.conf', host.name)}${servesClusterCertificates(world) ? awaitServingRequest('/etc/kubernetes/kubelet.conf', host.name) : ''}`,
      secrets: host.role === 'worker' ? tokenSecret : { ...tokenSecret, ...certificateKeySecret },
      timeoutMs,
      explain: kubeadmExplained,
    },
  };
}

function joinRefusal(world: World, host: Host, caHash: string): Transition['change'] {
  const { membership } = factsOf(world, host);
  if (membership.state === 'partial') {
    return {
      refuse: membership.why,
      hint: membership.hint,
    };
  }
  if (membership.state !== 'joined') return undefined;
  if (membership.role !== host.role) {
    return {
      refuse: `it is a ${words[membership.role]} of a cluster, and the inventory calls it a ${words[host.role]}`,
      hint: `correct the role in the inventory, or take the machine out first: homelab reset ${host.name}`,
    };
  }
  // A control plane that is half done does not say whose worker this is; its own refusal stops the run.
  const isOurs = membership.caHash === caHash || factsOf(world, controlPlaneOf(world)).membership.state === 'partial';
  if (!isOurs) {
    return {
      refuse: 'it belongs to another cluster (its CA is not the one of our control plane)',
      hint: `if the control plane was lost and this is a new one: homelab restore ARCHIVE; if that other cluster does not need it: remove the node there, then sudo kubeadm reset -f on ${host.name}`,
    };
  }
  return undefined;
}

const words = { 'control-plane': 'control plane', worker: 'worker' } as const;

function unhealthy(members: readonly EtcdMember[]): string | undefined {
  const down = members.filter(each => !each.healthy).map(({ name, address }) => name || address);
  return down.length === 0 ? undefined : `${down.join(', ')} of ${members.length} members`;
}
