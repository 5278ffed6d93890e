// What a chart repository says of its charts: index.yaml, as Helm writes it.
import { FAILSAFE_SCHEMA, load } from 'js-yaml';
import * as z from 'zod';
import { HomelabError } from '../model/errors.ts';
import type { Chart } from '../model/layers.ts';

export interface IndexedChart {
  readonly url: string;
  /** Of its archive; undefined: the repository does not say. */
  readonly sha256: string | undefined;
}

const entry = z.object({
  version: z.string(),
  urls: z.array(z.string()).optional(),
  digest: z
    .string()
    .regex(/^(sha256:)?[0-9a-f]{64}$/)
    .optional(),
});
const named = z.object({ version: z.string() });
const indexSchema = z.object({ entries: z.record(z.string(), z.array(z.unknown())) });

/** Addresses in it may be relative to the repository's own. */
export function findChart(text: string, { name, version }: Chart, repository: string): IndexedChart {
  const of = parseIndex(text, repository).entries[name] ?? [];
  const versions = of.flatMap(each => named.safeParse(each).data?.version ?? []);
  const found = of.find(each => named.safeParse(each).data?.version === version);
  if (found === undefined) {
    throw new HomelabError('HL_BUNDLE', `${repository} has no chart ${name} ${version}`, {
      context: { details: [`versions there: ${versions.slice(0, 10).join(', ') || 'none'}`] },
      hint: 'give another version under layers of the inventory; homelab profiles lists sets that were tested together',
    });
  }
  const { data } = entry.safeParse(found);
  const [url = ''] = data?.urls ?? [];
  const base = repository.replace(/\/*$/, '/');
  if (url === '' || !URL.canParse(url, base) || !/^https?:$/.test(new URL(url, base).protocol)) {
    throw new HomelabError('HL_BUNDLE', `${repository} does not say where chart ${name} ${version} is`, {
      hint: 'give another version under layers of the inventory',
    });
  }
  return { url: new URL(url, base).href, sha256: data?.digest?.replace('sha256:', '') };
}

function parseIndex(text: string, repository: string): z.output<typeof indexSchema> {
  const parsed = indexSchema.safeParse(yamlOf(text));
  if (parsed.success) return parsed.data;
  throw new HomelabError('HL_BUNDLE', `${repository} answers with something that is no index of charts`, {
    hint: 'a proxy or a portal may stand in between; open the address in a browser and see',
  });
}

/** Every scalar as the text that it is written with: a version is no number. */
function yamlOf(text: string): unknown {
  try {
    return load(text, { schema: FAILSAFE_SCHEMA });
  } catch {
    return undefined;
  }
}
