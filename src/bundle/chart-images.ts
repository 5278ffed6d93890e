// Which images a chart's pods will ask for: in its manifest, and in what it tells programs that make pods themselves.
import { loadAll } from 'js-yaml';
import * as z from 'zod';
import { isImageRef } from './image-ref.ts';

const container = z.object({
  image: z.string().optional(),
  command: z.array(z.unknown()).optional().catch(undefined),
  args: z.array(z.unknown()).optional().catch(undefined),
  env: z
    .array(z.object({ name: z.string(), value: z.string().optional().catch(undefined) }))
    .optional()
    .catch(undefined),
});
const configMap = z.object({ kind: z.literal('ConfigMap'), data: z.record(z.string(), z.string()) });

/** As they are written there, each once. Throws what the YAML parser throws. */
export function imagesIn(manifest: string): readonly string[] {
  return [...new Set(loadAll(manifest, { json: true }).flatMap(document => [...imagesOf(document)]))].toSorted();
}

function* imagesOf(value: unknown): Generator<string> {
  if (Array.isArray(value)) {
    for (const each of value) yield* imagesOf(each);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (['containers', 'initContainers'].includes(key) && Array.isArray(inner)) {
      for (const each of inner) yield* ofContainer(each);
    }
    yield* imagesOf(inner);
  }
  const config = configMap.safeParse(value);
  for (const text of config.success ? Object.values(config.data.data) : []) yield* imagesOf(podIn(text));
}

/** local-path keeps the pod that it makes as YAML in a ConfigMap. */
function podIn(text: string): unknown {
  if (!/^\s*containers:/m.test(text)) return undefined;
  try {
    return loadAll(text, { json: true });
  } catch {
    return undefined;
  }
}

function* ofContainer(value: unknown): Generator<string> {
  const parsed = container.safeParse(value);
  if (!parsed.success) return;
  const { image, command = [], args = [], env = [] } = parsed.data;
  if (image !== undefined && image !== '') yield image;
  // Longhorn: --engine-image X; others: --engine-image=X.
  const words = [...command, ...args].map(String);
  const given = words.flatMap((word, index) => {
    const flag = /^--?[\w-]*image(?:=(.*))?$/.exec(word);
    return flag ? [flag[1] ?? words[index + 1] ?? ''] : [];
  });
  // Longhorn: CSI_ATTACHER_IMAGE.
  const named = env.flatMap(({ name, value: of = '' }) => (/(^|_)IMAGE$/.test(name) ? [of] : []));
  yield* [...given, ...named].filter(text => /[/:]/.test(text) && isImageRef(text));
}
