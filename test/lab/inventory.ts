// The inventory of a lab: what `homelab -i` reads. Everything in it that a guest on a shared machine needs has its reason here.
import path from 'node:path';
import { dump } from 'js-yaml';
import { labLayers } from './layer-values.ts';
import { podSubnet, serviceSubnet } from './network.ts';
import { type LabState, labFolder } from './state.ts';

export const kubernetesVersion = 'v1.31.1';
export const containerdVersion = '2.1.5';

/** Those sysctls are the host's. */
const hostsConntrack = {
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
};
/** Where the host itself lacks CAP_SYS_RESOURCE, no guest can lower oom_score_adj. */
const lowerNoScores = { plugins: { 'io.containerd.cri.v1.runtime': { restrict_oom_score_adj: true } } };

export function inventory(lab: LabState): object {
  const folder = labFolder(lab.name);
  const repository =
    lab.bundle === null
      ? {}
      : {
          repository: { url: 'file:/srv/homelab-lab/apt', suite: './', key: path.join(lab.bundle, 'apt', 'key.asc') },
        };
  return {
    apiVersion: 'homelab/v1',
    kind: 'Cluster',
    name: lab.name,
    timeZone: 'Asia/Seoul',
    kubernetes: {
      version: kubernetesVersion,
      endpoint: 'k8s-api.home.arpa',
      podSubnet,
      serviceSubnet,
      ...repository,
      kubeletConfig: {
        // A guest's disk is the host's: shares of it mean nothing. No registry can bring back an image once collected.
        evictionHard: { 'nodefs.available': '1Gi', 'imagefs.available': '1Gi', 'memory.available': '100Mi' },
        imageGCHighThresholdPercent: 100,
      },
      ...(lab.qemu ? {} : { proxyConfig: hostsConntrack }),
    },
    containerd: {
      version: containerdVersion,
      package: 'containerd',
      ...repository,
      ...(lab.qemu ? {} : { config: lowerNoScores }),
    },
    ssh: { user: 'admin', identityFile: path.join(folder, 'id_ed25519'), knownHosts: path.join(folder, 'known_hosts') },
    ...(lab.cilium ? { network: { provider: 'cilium' }, layers: labLayers() } : { network: { provider: 'basic' } }),
    hosts: lab.guests.map(({ name, role, address }) => ({ name, role, address })),
  };
}

export function renderInventory(lab: LabState): string {
  return dump(inventory(lab), { lineWidth: -1, noRefs: true });
}
