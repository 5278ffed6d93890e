// What installs or changes a Helm release, as a script for a control plane: Helm 3 and 4 told apart, values by a file that is gone
// afterwards, what a killed Helm left is put right first, and a release that does not come up says what it waits for.
import type { BundleEntry } from '../model/bundle.ts';
import type { JsonObject } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Chart } from '../model/layers.ts';
import type { RemoteAction } from '../model/plan.ts';
import { command, printing, sh } from '../model/shell.ts';
import { chartExplained, chartScript } from './chart-source.ts';
import { findHelm } from './helm-tool.ts';
import { uploadOf } from './packages.ts';
import { isRecorded, mustStillBe, type ReleaseRecord } from './release-record.ts';
import { ofHelm, watched, whyNotUp } from './release-wait.ts';

export interface ReleaseOptions {
  readonly name: string;
  readonly namespace: string;
  readonly chart: Chart;
  readonly values: JsonObject;
  /** '1.31'. */
  readonly kubernetes: string;
  /** The bundle's file of this chart. */
  readonly file: BundleEntry | undefined;
  /** Environment for what is fetched. */
  readonly proxy: Readonly<Record<string, string>>;
  /** Pods of others feel a change of it. */
  readonly isFelt: boolean;
  /** How many minor versions of the chart one change may go. */
  readonly minorsAtOnce: 1 | undefined;
  readonly remedies: NonNullable<RemoteAction['explain']>;
  /** sh, before another chart takes the place of one that runs; $helm, $wait, and the chart as "$@". */
  readonly beforeUpgrade?: string | undefined;
  /** Why there is no room for it; only a first installation is stopped by that. */
  readonly noRoom?: { readonly reason: string; readonly hint: string } | undefined;
}

const kubectl = adminKubectl(30);
/** How long pods may take to come up: images of some hundred MB over a home's line. */
const waitSeconds = 900;
/** Helm counts --timeout anew: hooks before, pods, hooks after (pkg/action/upgrade.go and hooks.go, v3.22.0 and v4.3.1). Longhorn has one hook of each. */
export const helmWaits = 3;

/** Labels of Helm's own record, by what the inputs were. */
export type Marks = Readonly<Record<'chart' | 'values' | 'kubernetes', string>>;

/** As a label's value: 'cilium-1.16.1'. */
export function chartMark({ name, version }: Chart): string {
  return `${name}-${version}`.replaceAll('+', '_');
}

/** `before`: what was there when it was looked at. */
export function releaseScript(options: ReleaseOptions, marks: Marks, before: ReleaseRecord): RemoteAction {
  const { name, namespace, values, file } = options;
  const labels = Object.entries(marks).map(([key, value]) => `homelab-${key}=${value}`);
  const isUpgrade = isRecorded(before) && before.chart !== marks.chart;
  const beforeUpgrade = (isUpgrade && options.beforeUpgrade) || '';
  const upgrade = command(
    ...['upgrade', '--install', name, '--namespace', namespace, '--reset-values', '--skip-crds', '--history-max', '5'],
    ...['--timeout', `${waitSeconds}s`, '--labels', labels.join(',')],
  );
  const script = `${beginning(options)}${mustStillBe(before, name, namespace)}${waitFlag}${chartScript(options.chart, file)}${repairScript(options)}${beforeUpgrade}{
${printing(JSON.stringify(values))}} >"$work/values.json"
# Helm itself never upgrades what a chart has in crds/
"$helm" show crds "$@" >"$work/crds.yaml"
! grep -q '^kind:' "$work/crds.yaml" || ${kubectl} apply --server-side --force-conflicts --field-manager=homelab -f "$work/crds.yaml" >/dev/null
${watched(`"$helm" ${upgrade} --values "$work/values.json" "$wait" "$@"`, name, namespace)} || {
  code=$?
  cat "$work/said" >&2
  [ "$code" -le 128 ] || echo "homelab: Helm was ended by a signal (exit $code)" >&2
  ${whyNotUp(namespace)}
  exit 1
}
${file ? `${command('rm', '-f', '--', uploadOf(file).remotePath)}\n` : ''}`;
  return {
    script,
    ...(file ? { uploads: [uploadOf(file)] } : {}),
    // What stands before an upgrade waits for images, too. Helm's own words are to come before the step's end.
    timeoutMs: ((helmWaits + (beforeUpgrade === '' ? 0 : 1)) * waitSeconds + 180) * 1000,
    explain: [...options.remedies, ...explained(options)],
  };
}

/** sh: sets $wait for $helm: in 4 the flag takes a value, and only after =. */
export const waitFlag = `case $version in v3.*) wait=--wait ;; *) wait=--wait=watcher ;; esac
`;

/** sh: sets $work, a folder that is gone afterwards and where the script stands, and $helm. */
export function beginning({ proxy }: Pick<ReleaseOptions, 'proxy'>): string {
  return `umask 077
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
# Helm takes a folder of the chart's name that is here for the chart, whatever --repo says
cd "$work"
export KUBECONFIG=/etc/kubernetes/admin.conf HELM_CACHE_HOME="$work/cache" HELM_CONFIG_HOME="$work/config" HELM_DATA_HOME="$work/data"
${Object.entries(proxy)
  .map(([key, value]) => `export ${key}=${sh(value)}\n`)
  .join('')}${findHelm}[ -n "$helm" ] || { echo 'homelab: no Helm of 3.13 or newer' >&2; exit 1; }
`;
}

/** A Helm that was killed leaves a revision that says 'pending', and no other Helm dares after it. Ours has ended: its unit is gone. */
function repairScript({ name, namespace }: ReleaseOptions): string {
  return `pending=$(${kubectl} get secret -n ${sh(namespace)} -l ${sh(`owner=helm,name=${name},status in (pending-install,pending-upgrade,pending-rollback)`)} -o name)
# shellcheck disable=SC2086
[ -z "$pending" ] || ${kubectl} delete -n ${sh(namespace)} $pending >/dev/null
`;
}

export function explained({
  name,
  namespace,
  chart,
}: Pick<ReleaseOptions, 'name' | 'namespace' | 'chart'>): NonNullable<RemoteAction['explain']> {
  const layer = 'layers of the inventory';
  const chartName = `${chart.name} ${chart.version}`;
  const known: NonNullable<RemoteAction['explain']> = [
    {
      pattern: /an image of (\S+) does not come/,
      message: `${name} waits for an image that does not come (pod $1)`,
      hint: `correct image in values of this layer under ${layer}, let the machines reach its registry, or bring it in the bundle; then run the same command again`,
    },
    {
      pattern: /Helm was ended by a signal/,
      message: 'Helm was ended by something else before it was done',
      hint: 'see what did: journalctl -k -g "Out of memory"; then run the same command again: what it left is put right first',
    },
    {
      pattern: /is not as it was looked at: (?!silent)/,
      message: `somebody else changed the release ${name} meanwhile`,
      hint: 'run the same command again: its plan shows what is there now',
    },
    {
      pattern:
        /is not as it was looked at: silent|kubernetes cluster unreachable|Unable to connect to the server|The connection to the server/i,
      message: 'the API server did not answer',
      hint: 'homelab status says what answers; then run the same command again',
    },
    {
      pattern: /chart requires kubeVersion: (.+) which is incompatible with Kubernetes (\S+)/,
      message: `chart ${chartName} wants Kubernetes $1, and this is $2`,
      hint: `give another version under ${layer}; homelab profiles lists sets that were tested together`,
    },
    ...chartExplained(chart),
    {
      pattern: /values don't meet the specifications of the schema[\s\S]*?\n- (.*)/,
      message: `chart ${chartName} refuses the values: $1`,
      hint: `correct values of this layer under ${layer}`,
    },
    {
      pattern: /(\S+ "[^"]+")(?: in namespace "[^"]*")? exists and cannot be imported into the current release/,
      message: `$1, which chart ${chart.name} brings, is there already and belongs to somebody else`,
      hint: `delete it, or hand it over: kubectl annotate --overwrite KIND NAME meta.helm.sh/release-name=${name} meta.helm.sh/release-namespace=${namespace} && kubectl label KIND NAME app.kubernetes.io/managed-by=Helm`,
    },
    {
      pattern: /is being terminated/,
      message: `the namespace ${namespace} is being deleted`,
      hint: `wait for its end: kubectl wait --for=delete namespace/${namespace} --timeout=5m`,
    },
    {
      pattern: /conflict with "([^"]+)"/,
      message: `somebody changed a field of ${name} by hand ("$1"), and Helm does not overwrite it`,
      hint: `put the change into the values of this layer under ${layer}, then let Helm have it once: helm upgrade ${name} … --force-conflicts`,
    },
    {
      pattern: /(?:timed out waiting for the condition|context deadline exceeded|resource not ready)/,
      message: `${name} did not come up within ${waitSeconds / 60} minutes`,
      hint: 'the lines above say what it waits for; homelab doctor says why; then run the same command again',
    },
  ];
  return known.map(each => ({ ...each, pattern: ofHelm(each.pattern) }));
}
