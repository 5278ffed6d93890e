// A Helm release on a control plane. What it was made from stands as labels on Helm's own record of it: charts that make certificates
// never render the same twice, so inputs are compared, not manifests.
import { dump } from 'js-yaml';
import type { Json, JsonObject } from '../model/cluster.ts';
import { shortDigest } from '../model/digest.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Remark, Resource } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { chartMark, type ReleaseOptions, releaseScript } from './release-script.ts';
import { defineResource } from './resource.ts';

const kubectl = adminKubectl(20);

/** Of the newest revision; empty texts where nobody labelled it. */
type State = {
  /** Helm's own word: deployed, failed, pending-install…; 'absent'. */
  readonly status: string;
  readonly chart: string;
  readonly values: string;
  /** The minor it was rendered for: charts ask for it. */
  readonly kubernetes: string;
};

const blank: State = { status: 'absent', chart: '', values: '', kubernetes: '' };

export function release(options: ReleaseOptions): Resource {
  const { name, namespace, chart, values, kubernetes } = options;
  const marks = {
    chart: chartMark(chart),
    values: shortDigest(JSON.stringify(sorted(values))),
    kubernetes,
  };
  const desired: State = { status: 'deployed', ...marks };
  return defineResource<State>({
    key: `release:${namespace}/${name}`,
    name: `release-${name}`,
    title: `Install ${name} (chart ${chart.name} ${chart.version})`,
    // Helm keeps a record of each revision; the highest number is the newest.
    read: `[ -e /etc/kubernetes/admin.conf ] || exit 0
${kubectl} get secret -n ${sh(namespace)} -l ${sh(`owner=helm,name=${name}`)} --no-headers -o 'custom-columns=R:.metadata.labels.version,S:.metadata.labels.status,C:.metadata.labels.homelab-chart,V:.metadata.labels.homelab-values,K:.metadata.labels.homelab-kubernetes' 2>/dev/null | sort -n | tail -n 1 || true
`,
    parse,
    blank,
    desired,
    differences: observed => (isForeign(observed) ? [] : differences(observed, desired)),
    remarks: observed => remarksOf(observed, options),
    act: observed => ({
      risk: observed.status === 'absent' || !options.isFelt ? 'safe' : 'disruptive',
      diff: diffOf(observed, desired, values),
      action: releaseScript(options, marks, observed.status !== 'absent' && observed.chart !== desired.chart),
    }),
  });
}

function parse(output: string): State {
  const line = output.trim();
  if (line === '') return blank;
  const [revision = '', status = '', chart = '', values = '', kubernetes = ''] = line
    .split(/\s+/)
    .map(word => (word === '<none>' ? '' : word));
  if (!/^\d+$/.test(revision) || status === '') throw new Error(`unexpected record of a release: ${line}`);
  return { status, chart, values, kubernetes };
}

/** Somebody installed it with a Helm of their own. */
function isForeign({ status, chart }: State): boolean {
  return status !== 'absent' && chart === '';
}

function differences(observed: State, desired: State): readonly string[] {
  if (observed.status === 'absent') return ['it is not installed'];
  return [
    ...(observed.chart === desired.chart ? [] : [`its chart is ${observed.chart}, not ${desired.chart}`]),
    ...(observed.values === desired.values ? [] : ['its values are others']),
    ...(observed.kubernetes === desired.kubernetes ? [] : [`it was rendered for Kubernetes ${observed.kubernetes}`]),
    ...(observed.status === 'deployed' ? [] : [`its last change ended as ${observed.status}`]),
  ];
}

function remarksOf(
  observed: State,
  { name, namespace, chart, minorsAtOnce, noRoom }: ReleaseOptions,
): readonly Remark[] {
  if (observed.status === 'absent' && noRoom) return [{ kind: 'refusal', id: 'capacity', ...noRoom }];
  if (isForeign(observed)) {
    return [
      {
        kind: 'note',
        text: `the release ${name} in ${namespace} is not homelab's, and is left as it is; to hand it over: kubectl label secret -n ${namespace} -l owner=helm,name=${name} homelab-chart=theirs`,
      },
    ];
  }
  const [from, to] = [minorOf(observed.chart), minorOf(chartMark(chart))];
  if (
    minorsAtOnce === undefined ||
    from === undefined ||
    to === undefined ||
    (to - from <= minorsAtOnce && to >= from)
  ) {
    return [];
  }
  return [
    {
      kind: 'refusal',
      id: 'chart-version',
      reason: `${name} goes from ${observed.chart} to ${chartMark(chart)}: upstream allows one minor version at a time, and none back`,
      hint: `write the versions between into this layer's version in the inventory, one after the other, and run homelab bootstrap after each`,
    },
  ];
}

/** 'longhorn-1.12.1' → 112: minors of one major follow each other, and so do 1.99 and 2.0. */
function minorOf(mark: string): number | undefined {
  const found = /-(\d+)\.(\d+)\.\d+/.exec(mark);
  return found ? Number(found[1]) * 100 + Number(found[2]) : undefined;
}

function diffOf(observed: State, desired: State, values: JsonObject): string {
  const shown = dump(values, { lineWidth: 140 }).trimEnd();
  const before = observed.status === 'absent' ? '' : `- ${observed.chart}, ${observed.status}\n`;
  return `${before}+ ${desired.chart}\n${observed.values === desired.values ? '' : shown.replace(/^/gm, '+   ')}`.trimEnd();
}

/** The same whatever order its keys were written in. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
