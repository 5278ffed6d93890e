// Longhorn: volumes that outlive a machine, kept on several of them.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Layer } from '../layer.ts';
import { recoveryProbe } from '../recovery-probe.ts';
import { longhornProbes } from './probes.ts';
import { recurringJob } from './snapshots.ts';
import { longhornCost, longhornValues } from './values.ts';
import { untilHealthy } from './volume-probe.ts';

export const longhorn: Layer = {
  name: 'longhorn',
  release: 'longhorn',
  namespace: 'longhorn-system',
  podSecurity: 'privileged',
  chart: version => ({ name: 'longhorn', version, source: { kind: 'repository', url: 'https://charts.longhorn.io' } }),
  values: longhornValues,
  objects: cluster => [recurringJob(cluster)],
  // longhorn.io/docs/latest/deploy/install: volumes are attached by iSCSI, shared ones by NFS; longhorn/longhorn#8697 for the module.
  onMachines: { packages: ['open-iscsi', 'nfs-common'], modules: ['iscsi_tcp'], units: ['iscsid.service'] },
  cost: longhornCost,
  isFelt: true,
  // longhorn.io/docs/latest/deploy/upgrade: from one minor to the next only, and never back.
  minorsAtOnce: 1,
  storage: {
    provisioners: ['driver.longhorn.io'],
    classes: ['longhorn', 'longhorn-static'],
    objects: 'volumes.longhorn.io',
  },
  // Its uninstall job refuses without it: longhorn.io/docs/latest/deploy/uninstall.
  beforeUninstall: `${adminKubectl(30)} patch -n longhorn-system settings.longhorn.io deleting-confirmation-flag --type=merge -p '{"value":"true"}' >/dev/null\n`,
  upgrades: 'before-kubernetes',
  probes: longhornProbes,
  recovery: (world, lost) =>
    recoveryProbe(world, {
      storageClass: 'longhorn',
      lost,
      settle: `${untilHealthy}[ "$left" -gt 0 ] || { echo "$volume has not all its copies after two minutes" >&2; exit 1; }\n`,
    }),
};
