// What homelab does, in order. A phase is one file and one line here.
import { layers } from '../layers/index.ts';
import type { Phase } from '../model/plan.ts';
import { backups } from './backups.ts';
import { connect } from './connect.ts';
import { containerd } from './containerd.ts';
import { controlPlane } from './control-plane.ts';
import { controlPlaneJoin } from './control-plane-join.ts';
import { hostBase } from './host-base.ts';
import { kubePackages } from './kube-packages.ts';
import { kubeletCertificates } from './kubelet-certificates.ts';
import { layerPhase } from './layers.ts';
import { drain, etcdMember, forget, reset } from './leaving.ts';
import { phaseNames } from './names.ts';
import { network } from './network.ts';
import { nicPower } from './nic-power.ts';
import { preflight } from './preflight/index.ts';
import { workers } from './workers.ts';

export const phases: readonly Phase[] = [
  connect,
  preflight,
  hostBase,
  nicPower,
  containerd,
  kubePackages,
  controlPlane,
  controlPlaneJoin,
  workers,
  kubeletCertificates,
  layerPhase(layers.crds, phaseNames.crds),
  // Cilium is a part of it, where it is the provider.
  network,
  layerPhase(layers['metrics-server'], phaseNames.metricsServer),
  layerPhase(layers['sealed-secrets'], phaseNames.sealedSecrets),
  layerPhase(layers['local-path'], phaseNames.localPath),
  layerPhase(layers.longhorn, phaseNames.longhorn),
  backups,
];

/**
 * What happens when a machine leaves. The others are told while its node object is still there: it is how they know what it made
 * different on them.
 */
export const leavingPhases: readonly Phase[] = [connect, drain, etcdMember, reset, hostBase, network, forget];
