// Hubble's flows as `hubble observe -o jsonpb` prints them (cilium api/v1/flow/flow.proto): one JSON object a line.
import { z } from 'zod';

const line = z.object({
  flow: z.object({
    verdict: z.string(),
    drop_reason_desc: z.string().optional(),
    IP: z.object({ destination: z.string() }).optional(),
    l4: z.object({ TCP: z.object({ destination_port: z.number() }).optional() }).optional(),
  }),
});

export interface SeenFlow {
  readonly verdict: string;
  /** Of a drop. */
  readonly reason: string;
  /** Its address. */
  readonly to: string;
  readonly port: number | undefined;
}

/** Other lines than flows (lost events, node states) are left out. */
export function flowsIn(output: string): readonly SeenFlow[] {
  return output
    .split('\n')
    .filter(text => text.startsWith('{'))
    .flatMap(text => line.safeParse(JSON.parse(text)).data ?? [])
    .map(({ flow }) => ({
      verdict: flow.verdict,
      reason: flow.drop_reason_desc ?? '',
      to: flow.IP?.destination ?? '',
      port: flow.l4?.TCP?.destination_port,
    }));
}
