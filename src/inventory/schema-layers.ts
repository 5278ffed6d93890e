// What stands on the cluster: the `layers` section.
import * as z from 'zod';
import { text } from './schema-text.ts';
import { checkChartVersion } from './versions.ts';

const layer = (description: string) =>
  z
    .strictObject({
      enabled: z.boolean().default(true).meta({ description: 'false: left as it is, installed nowhere' }),
      version: text(checkChartVersion, {
        description: 'Version of its chart, in quotes; the profile gives it when it is not here',
        examples: ['1.18.12'],
        pattern: '^[0-9]+\\.[0-9]+\\.[0-9]+$',
      }).optional(),
      values: z
        .record(z.string(), z.unknown())
        .default({})
        .meta({ description: "Values of its chart, merged into homelab's own, last" }),
    })
    .optional()
    .meta({ description });

export const layers = z
  .strictObject({
    crds: layer("The Prometheus operator's kinds, for the monitors of other layers"),
    cilium: layer('The pod network, where network.provider is cilium'),
    'metrics-server': layer('kubectl top, and figures for autoscalers'),
    'sealed-secrets': layer('Secrets that only this cluster opens'),
    'local-path': layer("Volumes that are folders of their pod's machine"),
    longhorn: layer('Volumes with copies on several machines'),
  })
  .meta({
    description: 'What stands on the cluster, each with a chart of its own; those that are named are installed',
  });
