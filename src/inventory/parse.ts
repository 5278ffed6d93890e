// Inventory bytes to a Cluster, or everything that is wrong with them, in the order of the file.
import type { Cluster } from '../model/cluster.ts';
import { readRecipient } from './backup.ts';
import { buildCluster } from './build.ts';
import type { Finding, Issue } from './issue.ts';
import { renderPath } from './issue.ts';
import type { Places } from './paths.ts';
import { readCas } from './registries.ts';
import { type ReadText, readKeys } from './repositories.ts';
import { crossFindings } from './rules.ts';
import { inventorySchema } from './schema.ts';
import { shapeFindings } from './shape.ts';
import { textFindings } from './text-rules.ts';
import { readYaml } from './yaml.ts';

export interface InventoryContext extends Places {
  /** As issues name it. */
  readonly file: string;
  /** Reads signing keys and certificates; throws as node:fs does. */
  readonly readText: ReadText;
  /** Taken where the inventory names none. */
  readonly assumedProfile?: string;
}

export type Parsed =
  | { readonly ok: true; readonly cluster: Cluster }
  | { readonly ok: false; readonly issues: readonly Issue[] };

export function parseInventory(bytes: Uint8Array, context: InventoryContext): Parsed {
  const source = readYaml(bytes, context.file);
  if (!source.readable) return { ok: false, issues: inOrder(source.issues) };
  const raw = assuming(source.value, context.assumedProfile);
  const shape = inventorySchema.safeParse(raw);
  const { keys, findings: keyFindings } = readKeys(raw, context, context.readText);
  const { cas, findings: caFindings } = readCas(raw, context, context.readText);
  const { recipient, findings: recipientFindings } = readRecipient(raw, context, context.readText);
  const text = textFindings(raw);
  const others: readonly Finding[] = [
    ...(shape.success ? [] : shapeFindings(shape.error, raw, source.sourceOf)),
    ...crossFindings(raw, source.lineOf),
    ...keyFindings,
    ...caFindings,
    ...recipientFindings,
  ];
  // A reference where none is read breaks the field's own form as well: one line says it.
  const explained = new Set(text.map(finding => renderPath(finding.path)));
  // Nor is a key missing that is there with a letter wrong.
  const meant = new Set(
    others.flatMap(({ path, of, suggestion }) =>
      of === 'key' && suggestion ? [renderPath([...path.slice(0, -1), suggestion])] : [],
    ),
  );
  const findings = [
    ...text,
    ...others.filter(
      ({ path, of }) => !explained.has(renderPath(path)) && !(of === 'absence' && meant.has(renderPath(path))),
    ),
  ];
  const issues = [...source.issues, ...findings.map(source.place)];
  if (issues.length > 0 || !shape.success) return { ok: false, issues: inOrder(issues) };
  return {
    ok: true,
    cluster: buildCluster(shape.data, { keys, cas, recipient, text: Buffer.from(bytes).toString('utf8') }, context),
  };
}

function assuming(raw: unknown, profile: string | undefined): unknown {
  const isMapping = typeof raw === 'object' && raw !== null && !Array.isArray(raw);
  return profile !== undefined && isMapping ? { profile, ...raw } : raw;
}

function inOrder(issues: readonly Issue[]): Issue[] {
  return issues.toSorted((left, right) => left.line - right.line || left.column - right.column);
}
