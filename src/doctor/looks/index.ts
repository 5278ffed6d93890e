// All looks at a machine. Within a lane they run in this order.
import { certificates } from './certificates.ts';
import { controlPlane, health, manifests } from './control-plane.ts';
import { firewall } from './firewall.ts';
import { homelab } from './homelab.ts';
import { clock, identity, kernel } from './identity.ts';
import { kubelet } from './kubelet.ts';
import { nics, routing } from './links.ts';
import { journals, kernelLog } from './logs.ts';
import type { Look } from './look.ts';
import { packageLog, packages } from './packages.ts';
import { reach, resolverAnswers } from './reach.ts';
import { containerd } from './runtime.ts';
import { filesystems, iscsi } from './storage.ts';
import { units } from './units.ts';

export const looks: readonly Look[] = [
  ...[identity, kernel, routing, kubelet, manifests, certificates, packages, packageLog, iscsi, homelab],
  ...[nics, filesystems],
  ...[journals, kernelLog],
  ...[units, health, clock],
  ...[controlPlane, containerd, firewall],
  ...[resolverAnswers, reach],
];
