// The inventory's shape: where keys, their meaning and their form are defined. Editors get it as JSON Schema.
import * as z from 'zod';
import { checkLabelName, checkTimeZone } from './names.ts';
import { defaults, profiles } from './profiles.ts';
import { backup } from './schema-backup.ts';
import { host } from './schema-host.ts';
import { layers } from './schema-layers.ts';
import { proxy } from './schema-network.ts';
import { nicPower } from './schema-nic-power.ts';
import { containerd, kubernetes } from './schema-software.ts';
import { sshDefault } from './schema-ssh.ts';
import { text } from './schema-text.ts';
import { checkProfile } from './versions.ts';

export const inventorySchema = z
  .strictObject({
    apiVersion: z.literal('homelab/v1').meta({ description: 'Version of this format' }),
    kind: z.literal('Cluster').meta({ description: 'What this file describes' }),
    name: text(checkLabelName, {
      description: "The cluster's name",
      examples: ['homelab'],
      pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$',
    }),
    timeZone: text(checkTimeZone, {
      description: 'IANA time zone of schedules and reports',
      examples: ['Asia/Seoul'],
    }).default(defaults.timeZone),
    profile: text(checkProfile, {
      description: 'A tested set of versions; each can be overridden',
      examples: Object.keys(profiles),
      enum: Object.keys(profiles),
    }).optional(),
    kubernetes: kubernetes.prefault({}),
    containerd: containerd.prefault({}),
    proxy: proxy.optional(),
    ssh: sshDefault.optional(),
    network: z
      .strictObject({
        provider: z.enum(['basic', 'cilium', 'external']).default('basic').meta({
          description:
            "cilium: Cilium with Hubble, policies and flows; basic: CNI's own bridge and routes, one flat network, no policies; external: you install it yourself",
        }),
      })
      .prefault({})
      .meta({ description: 'The pod network' }),
    layers: layers.prefault({}),
    nicPower: nicPower.prefault({}),
    backup: backup.optional(),
    hosts: z.array(host).min(1).meta({ description: 'The machines' }),
  })
  .meta({ title: 'homelab inventory', description: 'A Kubernetes cluster: its machines and what is to run on them' });

/** An inventory that has the right shape; cross-checks come on top. */
export type Inventory = z.output<typeof inventorySchema>;
