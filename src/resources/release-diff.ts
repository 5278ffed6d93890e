// What runs of a release against what its inputs would make now, object by object. Of Secrets nothing but lengths leaves this file.
import { dump, loadAll } from 'js-yaml';
import { command, printing } from '../model/shell.ts';
import { chartScript } from './chart-source.ts';
import { beginning, type ReleaseOptions } from './release-script.ts';
import { textDiff } from './resource.ts';

/** sh: two lines of base64: the manifest that Helm recorded, and the release that a dry run against the API server gives, as JSON. */
export function diffScript(options: ReleaseOptions, archive: Uint8Array | undefined): string {
  const { name, namespace, values } = options;
  const chart = archive
    ? `base64 -d >"$work/chart.tgz" <<'HOMELAB_CHART'\n${Buffer.from(archive).toString('base64')}\nHOMELAB_CHART\nset -- "$work/chart.tgz"\n`
    : chartScript(options.chart, undefined);
  const upgrade = command('upgrade', '--install', name, '--namespace', namespace, '--reset-values', '--skip-crds');
  return `${beginning(options)}${chart}{
${printing(JSON.stringify(values))}} >"$work/values.json"
"$helm" ${command('get', 'manifest', name, '--namespace', namespace)} >"$work/now.yaml" 2>/dev/null || : >"$work/now.yaml"
"$helm" ${upgrade} --dry-run=server --output json --values "$work/values.json" "$@" >"$work/then.json"
base64 -w 0 "$work/now.yaml"
echo
base64 -w 0 "$work/then.json"
`;
}

/** Throws on output that is not the script's. */
export function manifestsDiff(said: string): string {
  const [now = '', then = ''] = said.split('\n').map(line => Buffer.from(line, 'base64').toString('utf8'));
  const { manifest } = JSON.parse(then) as { readonly manifest?: unknown };
  if (typeof manifest !== 'string') throw new Error('the dry run gave no manifest');
  const [before, after] = [objectsOf(now), objectsOf(manifest)];
  const keys = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const parts = keys.flatMap(key => {
    const [left, right] = hidden(before.get(key), after.get(key));
    const [was, is] = [textOf(left), textOf(right)];
    if (was === is) return [];
    return [`${left === undefined ? '+' : right === undefined ? '-' : '~'} ${key}\n${textDiff(was, is)}\n`];
  });
  const words = parts.length === 0 ? 'nothing differs' : `${parts.length} of them differ`;
  return `${parts.map(part => `${part}\n`).join('')}${keys.length} objects, ${words}\n`;
}

type Manifest = Readonly<Record<string, unknown>>;

/** By 'Secret kube-system/hubble-ca'. */
function objectsOf(text: string): ReadonlyMap<string, Manifest> {
  // Charts repeat keys; Helm takes the last one.
  const documents = loadAll(text, { json: true }) as readonly unknown[];
  return new Map(
    documents.flatMap(each => {
      if (!isMapping(each)) return [];
      const { namespace, name } = isMapping(each['metadata']) ? each['metadata'] : {};
      return [[`${each['kind']} ${namespace === undefined ? '' : `${namespace}/`}${name}`, each] as const];
    }),
  );
}

function hidden(before: Manifest | undefined, after: Manifest | undefined) {
  const kinds = [before?.['kind'], after?.['kind']];
  if (!kinds.includes('Secret')) return [before, after] as const;
  return [without(before, after, ''), without(after, before, ', changed')] as const;
}

// The words of a change stand on one side only: that is what makes the line a difference.
function without(mine: Manifest | undefined, other: Manifest | undefined, changed: string): Manifest | undefined {
  if (mine === undefined) return undefined;
  const fields = ['data', 'stringData'].flatMap(field => {
    const [values, others] = [mine[field], other?.[field]];
    if (!isMapping(values)) return [];
    const theirs = isMapping(others) ? others : {};
    const shown = Object.entries(values).map(([key, value]) => {
      const words = other === undefined ? '' : theirs[key] === value ? ', same' : changed;
      return [key, `(hidden, ${lengthOf(field, value)} bytes${words})`] as const;
    });
    return [[field, Object.fromEntries(shown)] as const];
  });
  return { ...mine, ...Object.fromEntries(fields) };
}

function lengthOf(field: string, value: unknown): number {
  return Buffer.from(String(value ?? ''), field === 'data' ? 'base64' : 'utf8').byteLength;
}

function textOf(manifest: Manifest | undefined): string {
  return manifest === undefined ? '' : dump(manifest, { lineWidth: -1, noRefs: true, sortKeys: true });
}

function isMapping(value: unknown): value is Manifest {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
