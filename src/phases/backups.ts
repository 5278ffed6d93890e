// Backups that control planes make by themselves: a script, a timer, the recipient's certificate, and no key that opens anything.
import type { Backup, Host } from '../model/cluster.ts';
import type { Phase, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { command } from '../model/shell.ts';
import { controlPlanesOf, factsOf, type World } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { noTimer } from '../resources/no-timer.ts';
import { renderTemplate } from '../resources/template.ts';
import { unit } from '../resources/unit.ts';
import { backupScript } from '../transitions/backup.ts';
import { phaseNames } from './names.ts';

const name = 'homelab-backup';
const timer = `${name}.timer`;
const timerPath = `/etc/systemd/system/${timer}`;
const servicePath = `/etc/systemd/system/${name}.service`;
const scriptPath = `/usr/local/sbin/${name}`;
const recipientPath = '/etc/homelab/backup.crt';
const inventoryPath = '/etc/homelab/inventory.yaml';

export const backups: Phase = {
  ...phaseNames.backups,
  wants(world, host): readonly Want[] {
    if (host.role !== 'control-plane') return [];
    const { backup } = world.cluster;
    return backup?.schedule === undefined
      ? [noTimer({ unit: timer, files: [timerPath, servicePath, scriptPath, recipientPath, inventoryPath] })]
      : scheduled(world, host, backup, backup.schedule);
  },
  probes: world =>
    world.cluster.backup?.schedule === undefined
      ? []
      : controlPlanesOf(world)
          .filter(({ name: each }) => world.facts.has(each) && factsOf(world, each).membership.state === 'joined')
          .map(({ name: host }) =>
            look({
              id: 'backup-timer',
              host,
              title: 'the next backup has its time',
              expected: 'a time',
              script: command('systemctl', 'show', '--value', '-p', 'NextElapseUSecRealtime', timer),
              reproduce: `systemctl list-timers ${timer}`,
              accept: output => /\d:\d\d/.test(output),
            }),
          ),
};

function scheduled({ cluster }: World, host: Host, backup: Backup, schedule: string): readonly Want[] {
  const script = backupScript({
    cluster: cluster.name,
    host,
    backup,
    printRecipient: `cat ${recipientPath}`,
    printInventory: `cat ${inventoryPath}`,
  });
  return [
    file({ path: recipientPath, name: 'backup-recipient', content: backup.recipient }),
    // What it names as secrets are references; who lives where is nobody else's business all the same.
    file({ path: inventoryPath, name: 'inventory', mode: '600', content: backup.inventory }),
    file({
      path: scriptPath,
      name: 'backup-script',
      mode: '700',
      content: `#!/bin/sh\n# Written by homelab.\nset -eu\n${script}`,
    }),
    file({ path: servicePath, name: 'backup-service', content: renderTemplate(`${name}.service`, { scriptPath }) }),
    file({
      path: timerPath,
      name: 'backup-timer-unit',
      content: renderTemplate(timer, { calendar: `${schedule} ${cluster.timeZone}` }),
    }),
    unit({
      unit: timer,
      name: 'backup-timer',
      title: `Make backups at ${schedule} (${cluster.timeZone})`,
      reads: [timerPath, servicePath],
      inputs: [`file:${timerPath}`, `file:${servicePath}`],
    }),
  ];
}
