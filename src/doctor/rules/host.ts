// Rules that need facts of machines, from the bottom up.
import type { Rule } from '../rule.ts';
import { certificateRules } from './certificates.ts';
import { cniRules } from './cni.ts';
import { containerdRules } from './containerd.ts';
import { processRules } from './control-plane.ts';
import { diskRules } from './disks.ts';
import { driveRules } from './drives.ts';
import { etcdRules } from './etcd.ts';
import { firewallRules } from './firewall.ts';
import { hardwareErrors } from './hardware.ts';
import { homelabFirst } from './homelab.ts';
import { identityRules } from './identity.ts';
import { kubeletRules } from './kubelet.ts';
import { kubeletConfigRules, servingNotApproved } from './kubelet-config.ts';
import { manifestRules } from './manifests.ts';
import { memoryRules } from './memory.ts';
import { nicRules } from './nic-power.ts';
import { silenceRules } from './silence.ts';

export const hostRules: readonly Rule[] = [
  ...homelabFirst,
  ...silenceRules,
  hardwareErrors,
  ...driveRules,
  ...diskRules,
  ...memoryRules,
  ...identityRules,
  ...nicRules,
  ...firewallRules,
  ...containerdRules,
  ...cniRules,
  ...kubeletConfigRules,
  ...kubeletRules,
  ...certificateRules,
  ...manifestRules,
  ...etcdRules,
  ...processRules,
  servingNotApproved,
];
