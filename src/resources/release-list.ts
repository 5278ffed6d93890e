// Every Helm release of the cluster, ours and others', against what is wanted.

import { adminKubectl } from '../model/kubectl.ts';
import type { ListedLayer } from '../model/layers.ts';
import { findHelm } from './helm-tool.ts';
import { release } from './release.ts';
import type { ReleaseOptions } from './release-script.ts';

const columns = [
  ...['namespace', 'labels.name', 'labels.version', 'labels.status'],
  ...['homelab-chart', 'homelab-values', 'homelab-kubernetes'].map(label => `labels.${label}`),
].map((path, index) => `C${index}:.metadata.${path}`);

/** sh: Helm's records, a line each; then what Helm itself lists, which alone knows the charts of others. */
export const listScript = `[ -e /etc/kubernetes/admin.conf ] || exit 0
${adminKubectl(30)} get secrets -A -l owner=helm --no-headers -o custom-columns=${columns.join(',')}
echo '[]'
${findHelm}[ -z "$helm" ] || HELM_CACHE_HOME=/nonexistent "$helm" --kubeconfig /etc/kubernetes/admin.conf list -A --max 1000 --deployed --failed --pending --uninstalling -o json
`;

export interface Known {
  readonly name: string;
  readonly release: string;
  readonly namespace: string;
  /** Undefined: the inventory does not want it. */
  readonly wanted: ReleaseOptions | undefined;
}

interface Found {
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly status: string;
  /** Ours only. */
  readonly chart: string;
  /** As the resource reads it. */
  readonly line: string;
}

export function listedLayers(known: readonly Known[], said: string): readonly ListedLayer[] {
  const split = said.split('\n').indexOf('[]');
  const newest = new Map<string, Found>();
  for (const found of said.split('\n').slice(0, split).map(foundIn)) {
    const key = `${found.namespace}/${found.name}`;
    if ((newest.get(key)?.revision ?? 0) < found.revision) newest.set(key, found);
  }
  const charts = chartsIn(
    said
      .split('\n')
      .slice(split + 1)
      .join('\n'),
  );
  const layers = known.map(layer => rowOf(layer, newest.get(`${layer.namespace}/${layer.release}`), charts));
  const others = [...newest].flatMap(([key, found]): readonly ListedLayer[] =>
    known.some(({ namespace, release: name }) => key === `${namespace}/${name}`)
      ? []
      : [{ ...shared(found, charts), name: found.name, wanted: '', state: "not homelab's" }],
  );
  return [...layers, ...others.toSorted((left, right) => (left.name < right.name ? -1 : 1))];
}

function foundIn(line: string): Found {
  const [namespace = '', name = '', ...rest] = line.trim().split(/\s+/);
  const [revision = '', status = '', chart = ''] = rest;
  if (!/^\d+$/.test(revision) || status === '') throw new Error(`unexpected record of a release: ${line}`);
  const isOurs = chart !== '<none>' && chart !== '';
  return { namespace, name, revision: Number(revision), status, chart: isOurs ? chart : '', line: rest.join(' ') };
}

/** 'namespace/name' → 'cilium-1.16.1'. */
function chartsIn(json: string): ReadonlyMap<string, string> {
  const list = (json.trim() === '' ? [] : JSON.parse(json)) as readonly Readonly<Record<string, unknown>>[];
  return new Map(list.map(each => [`${each['namespace']}/${each['name']}`, String(each['chart'])]));
}

function rowOf(
  { name, namespace, wanted }: Known,
  found: Found | undefined,
  charts: ReadonlyMap<string, string>,
): ListedLayer {
  const version = wanted?.chart.version ?? '';
  if (!found) {
    const state = wanted ? 'not installed' : 'not wanted';
    return { name, wanted: version, chart: '', status: '', revision: null, namespace, state };
  }
  return { ...shared(found, charts), name, wanted: version, state: stateOf(found, wanted) };
}

function shared({ namespace, name, revision, status, chart }: Found, charts: ReadonlyMap<string, string>) {
  return { namespace, revision, status, chart: chart || (charts.get(`${namespace}/${name}`) ?? '?') };
}

function stateOf({ chart, line }: Found, wanted: ReleaseOptions | undefined): string {
  if (chart === '') return "not homelab's";
  if (!wanted) return 'there, and not wanted';
  const resource = release(wanted);
  return resource.change(resource.parse(line), [])?.why ?? 'as wanted';
}
