// The `backup` section: for whom archives are encrypted, when they are made, how many are kept.
import * as z from 'zod';
import { checkSchedule } from './backup.ts';
import { pathProblem } from './paths.ts';
import { text } from './schema-text.ts';
import { checkReference } from './secrets.ts';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: the references' own syntax
export const backup = z
  .strictObject({
    recipient: text(pathProblem, {
      description: 'File with the PEM certificate that archives are encrypted for, relative to the inventory',
      examples: ['keys/backup.crt'],
    }),
    key: text(checkReference, {
      description:
        "Where the certificate's private key is to be had: ${env:NAME} or ${file:PATH}; to open archives only, machines that make them have none",
      examples: ['${file:~/.config/homelab/backup.key}', '${env:BACKUP_KEY}'],
      pattern: '^\\$\\{(env|file):[^}]+\\}$',
    }).optional(),
    schedule: text(checkSchedule, {
      description:
        'When control planes make one by themselves, in timeZone: HH:MM, or weekdays and HH:MM; default: never',
      examples: ['03:00', 'Sun 03:00', 'Mon,Thu 03:00'],
    }).optional(),
    keep: z
      .int()
      .min(1)
      .max(1000)
      .default(7)
      .meta({ description: 'How many archives are kept, on each control plane and on your computer' }),
  })
  .meta({ description: 'Backups of etcd and the keys of the cluster' });
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: the references' own syntax
