// bare machine → first control plane.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import {
  builtByKey,
  controlPlanesOf,
  factsOf,
  type World,
  willServeClusterCertificates,
  withMember,
} from '../model/world.ts';
import { awaitServingRequest } from './approve-serving.ts';
import { beginning, begunBy, ended, goingOn, isNewcomer } from './begun.ts';
import {
  addedLines,
  awaitPodSubnet,
  configFunction,
  keepingOutput,
  kubeadmExplained,
  settledByKubeadm,
  stopKubelet,
  tokenSecret,
} from './kubeadm.ts';
import { renderInit } from './kubeadm-config.ts';

// kubeadm itself waits 4 minutes for the API server; images are there before.
const timeoutMs = 600_000;

// Its bearer is above all authorisation and cannot be withdrawn. Whoever holds the CA's key, root, makes it anew when RBAC
// itself is broken: kubeadm init phase kubeconfig super-admin. From Kubernetes 1.29 on.
export const noSuperAdmin = 'rm -f /etc/kubernetes/super-admin.conf\n';

export function init(world: World, host: Host): Transition {
  const { membership } = factsOf(world, host);
  return {
    kind: 'transition',
    name: 'init',
    title: 'Initialise the control plane',
    now: membership.state,
    to: 'joined',
    settles: settledByKubeadm,
    change: isNewcomer(world, host) ? initChange(world, host) : initRefusal(world, host),
    // What is half done stays half done: a refusal changes nothing, and what follows must not be planned as if it had.
    predict: before => (isNewcomer(world, host) ? withMember({ ...before, live: 'unknown' }, host, 'unknown') : before),
  };
}

function initChange(world: World, host: Host): Transition['change'] {
  if (world.about?.kind === 'join') {
    return { refuse: 'there is no cluster that it could join', hint: 'make it first: homelab bootstrap' };
  }
  const unseen = unseenControlPlanes(world);
  if (unseen) return unseen;
  const documents = renderInit(world, host);
  const begun = begunBy('init', world, host, documents);
  if (typeof begun === 'object') return begun;
  return {
    why:
      begun === 'fresh' ? 'this machine belongs to no cluster' : 'kubeadm init was begun and did not come to its end',
    diff: addedLines(documents),
    risk: 'safe',
    action: {
      script: `${configFunction(documents)}config | kubeadm config validate --config /dev/stdin >/dev/null
${stopKubelet}${beginning('init', documents)}${keepingOutput('init', `config | kubeadm init --config /dev/stdin --skip-token-print --skip-certificate-key-print${goingOn('init', begun)}`)}${builtByUs}${noSuperAdmin}${ended}${awaitPodSubnet('/etc/kubernetes/admin.conf', host.name)}${willServeClusterCertificates(world) ? awaitServingRequest('/etc/kubernetes/admin.conf', host.name) : ''}`,
      secrets: tokenSecret,
      timeoutMs,
      explain: kubeadmExplained,
    },
  };
}

/** One that is down may well have the cluster; a second one of the same name would be no help. */
export function unseenControlPlanes(world: World): { readonly refuse: string; readonly hint: string } | undefined {
  const unseen = controlPlanesOf(world).filter(({ name }) => !world.facts.has(name));
  if (unseen.length === 0) return undefined;
  return {
    refuse: `it would begin a new cluster, and nobody looked whether ${unseen.map(({ name }) => name).join(', ')} has it already`,
    hint: `run it without --exclude, or take ${unseen.length === 1 ? 'that machine' : 'those machines'} out of the inventory`,
  };
}

// Whoever looks later knows that these machines are homelab's to change.
const builtByUs = `${adminKubectl(20)} get configmap homelab -n kube-system >/dev/null 2>&1 ||
  ${adminKubectl(20)} create configmap homelab -n kube-system --from-literal=${builtByKey}=homelab >/dev/null
`;

function initRefusal(world: World, host: Host): Transition['change'] {
  const { membership } = factsOf(world, host);
  switch (membership.state) {
    case 'partial':
      return {
        refuse: membership.why,
        hint: membership.hint,
      };
    case 'joined':
      return membership.role === 'control-plane'
        ? undefined
        : {
            refuse: 'it is a worker of a cluster, and the inventory calls it a control plane',
            hint: 'correct the role in the inventory, or take the machine out of its cluster first',
          };
    default:
      return undefined;
  }
}
