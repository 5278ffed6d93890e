// What homelab does, in order. A phase is one file and one line here.
import type { Phase } from '../model/plan.ts';
import { backups } from './backups.ts';
import { connect } from './connect.ts';
import { containerd } from './containerd.ts';
import { controlPlane } from './control-plane.ts';
import { controlPlaneJoin } from './control-plane-join.ts';
import { hostBase } from './host-base.ts';
import { kubePackages } from './kube-packages.ts';
import { kubeletCertificates } from './kubelet-certificates.ts';
import { drain, etcdMember, forget, reset } from './leaving.ts';
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
  network,
  backups,
];

/**
 * What happens when a machine leaves. The others are told while its node object is still there: it is how they know what it made
 * different on them.
 */
export const leavingPhases: readonly Phase[] = [connect, drain, etcdMember, reset, hostBase, network, forget];
