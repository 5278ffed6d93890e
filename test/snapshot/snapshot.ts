// What a lab's machines are, as one JSON: two labs that were made alike have the same, whatever happened on the way.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Json } from '../../src/model/cluster.ts';

const json: z.ZodType<Json> = z.json();
const items = z.record(z.string(), json);

/** Places ('k8s-cp files', 'api Node') with what is there by name. */
const schema = z.object({ lab: z.string(), places: z.record(z.string(), items) });

export type Items = Readonly<z.infer<typeof items>>;

export interface Snapshot {
  readonly lab: string;
  readonly places: Readonly<Record<string, Items>>;
}

export async function readSnapshot(file: string): Promise<Snapshot> {
  return schema.parse(JSON.parse(await readFile(file, 'utf8')));
}
