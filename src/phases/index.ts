// What homelab does, in order. A phase is one file and one line here.
import type { Phase } from '../model/plan.ts';
import { connect } from './connect.ts';
import { containerd } from './containerd.ts';
import { controlPlane } from './control-plane.ts';
import { hostBase } from './host-base.ts';
import { kubePackages } from './kube-packages.ts';
import { network } from './network.ts';
import { workers } from './workers.ts';

export const phases: readonly Phase[] = [connect, hostBase, containerd, kubePackages, controlPlane, workers, network];
