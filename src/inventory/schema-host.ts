// One machine: an entry of `hosts`.
import * as z from 'zod';
import { checkAddress } from './addresses.ts';
import { checkLabelKey, checkLabelValue, checkTaintText, effects } from './kubernetes-rules.ts';
import { checkHostName } from './names.ts';
import { nicPowerOfHost } from './schema-nic-power.ts';
import { sshOfHost } from './schema-ssh.ts';
import { text } from './schema-text.ts';

const taint = z.union(
  [
    text(checkTaintText, {
      description: 'key=value:Effect or key:Effect',
      examples: ['dedicated=database:NoSchedule'],
    }),
    z.strictObject({
      key: text(checkLabelKey, { description: "The taint's key", examples: ['dedicated'] }),
      value: text(checkLabelValue, { description: "The taint's value", examples: ['database'] }).optional(),
      effect: z.enum(effects).meta({ description: 'What happens to pods that do not tolerate it' }),
    }),
  ],
  { error: 'expected key=value:Effect, or a mapping with key, value and effect' },
);

export const host = z
  .strictObject({
    name: text(checkHostName, {
      description: "The machine's host name and the node's name",
      examples: ['k8s-worker1'],
    }),
    role: z.enum(['control-plane', 'worker']).meta({ description: 'What it is in the cluster' }),
    address: text(checkAddress, {
      description: "IPv4 address that the other machines reach it by; the node's InternalIP",
      examples: ['192.168.0.11'],
      pattern: '^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$',
    }),
    labels: z
      .record(
        z.string().superRefine((value, context) => {
          const problem = checkLabelKey(value);
          if (problem) context.addIssue({ code: 'custom', message: problem.expectation });
        }),
        text(checkLabelValue, { description: "A label's value", examples: ['ssd'] }),
      )
      .default({})
      .meta({ description: 'Labels of the node' }),
    taints: z.array(taint).default([]).meta({ description: 'Taints of the node' }),
    nicPower: nicPowerOfHost.optional(),
    ssh: sshOfHost.optional(),
  })
  .meta({ description: 'One machine' });
