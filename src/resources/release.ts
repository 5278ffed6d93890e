// A Helm release on a control plane. What it was made from stands as labels on Helm's own record of it: charts that make certificates
// never render the same twice, so inputs are compared, not manifests.
import { dump } from 'js-yaml';
import semver from 'semver';
import type { Json, JsonObject } from '../model/cluster.ts';
import { shortDigest } from '../model/digest.ts';
import type { Remark, Resource } from '../model/plan.ts';
import { findRecord, isRecorded, noRecord, parseRecord, type ReleaseRecord } from './release-record.ts';
import { chartMark, type ReleaseOptions, releaseScript } from './release-script.ts';
import { defineResource } from './resource.ts';

export function release(options: ReleaseOptions): Resource {
  const { name, namespace, chart, values, kubernetes } = options;
  const marks = {
    chart: chartMark(chart),
    values: shortDigest(JSON.stringify(sorted(values))),
    kubernetes,
  };
  const desired: ReleaseRecord = { status: 'deployed', ...marks };
  return defineResource<ReleaseRecord>({
    key: `release:${namespace}/${name}`,
    name: `release-${name}`,
    title: `Install ${name} (chart ${chart.name} ${chart.version})`,
    read: `[ -e /etc/kubernetes/admin.conf ] || exit 0\n${findRecord(name, namespace)}echo "$found"\n`,
    parse: output => parseRecord(output.trim()),
    blank: noRecord,
    desired,
    differences: observed => (isForeign(observed) ? [] : differences(observed, desired)),
    remarks: observed => remarksOf(observed, options),
    act: observed => ({
      risk: options.isFelt && isRecorded(observed) ? 'disruptive' : 'safe',
      diff: diffOf(observed, desired, values),
      action: releaseScript(options, marks, observed),
    }),
  });
}

/** Somebody installed it with a Helm of their own. */
function isForeign(record: ReleaseRecord): boolean {
  return isRecorded(record) && record.chart === '';
}

function differences(observed: ReleaseRecord, desired: ReleaseRecord): readonly string[] {
  if (observed.status === 'absent') return ['it is not installed'];
  if (observed.status === 'unknown') return ['whether it is installed the API server does not say'];
  return [
    ...(observed.chart === desired.chart ? [] : [`its chart is ${observed.chart}, not ${desired.chart}`]),
    ...(observed.values === desired.values ? [] : ['its values differ']),
    ...(observed.kubernetes === desired.kubernetes ? [] : [`it was rendered for Kubernetes ${observed.kubernetes}`]),
    ...(observed.status === 'deployed' ? [] : [`its last change ended as ${observed.status}`]),
  ];
}

function remarksOf(observed: ReleaseRecord, options: ReleaseOptions): readonly Remark[] {
  const { name, namespace, noRoom } = options;
  if (observed.status === 'absent' && noRoom) return [{ kind: 'refusal', id: 'capacity', ...noRoom }];
  if (isForeign(observed)) {
    return [
      {
        kind: 'note',
        text: `the release ${name} in ${namespace} is not homelab's, and is left as it is; to hand it over: ${labelling(options)}`,
      },
    ];
  }
  return isRecorded(observed) ? chartRefusal(observed.chart, options) : [];
}

function chartRefusal(running: string, options: ReleaseOptions): readonly Remark[] {
  const { name, chart, minorsAtOnce } = options;
  const wanted = chartMark(chart);
  if (minorsAtOnce === undefined || running === wanted) return [];
  const [from, to] = [versionOf(running), versionOf(wanted)];
  if (!from || !to) {
    return [
      {
        kind: 'refusal',
        id: 'chart-version',
        reason: `${name} goes to ${wanted}, and which version runs is not known: its record says ${running}`,
        hint: `write it into the record: ${labelling(options)}`,
      },
    ];
  }
  const isBack = semver.lt(to, from);
  if (!isBack && from.major === to.major && to.minor - from.minor <= minorsAtOnce) return [];
  return [
    {
      kind: 'refusal',
      id: 'chart-version',
      reason: `${name} goes from ${running} to ${wanted}: upstream allows one minor version at a time, and none back`,
      hint: isBack
        ? `write ${from.version} or a later one into this layer's version in the inventory`
        : `write the versions between into this layer's version in the inventory, one after the other, and run homelab bootstrap after each`,
    },
  ];
}

/** What tells homelab which chart runs. */
function labelling({ name, namespace }: ReleaseOptions): string {
  return `kubectl label secret -n ${namespace} -l owner=helm,name=${name} homelab-chart=CHART-VERSION --overwrite, with CHART-VERSION as helm list -n ${namespace} prints it`;
}

/** Of a mark: 'longhorn-1.12.1', 'cert-manager-v1.17.2'. */
function versionOf(mark: string): semver.SemVer | null {
  return semver.parse(/-(v?\d+\.\d+\.\d+.*)/.exec(mark)?.[1]?.replaceAll('_', '+'));
}

function diffOf(observed: ReleaseRecord, desired: ReleaseRecord, values: JsonObject): string {
  const shown = dump(values, { lineWidth: 140 }).trimEnd();
  const before = isRecorded(observed) ? `- ${observed.chart}, ${observed.status}\n` : '';
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
