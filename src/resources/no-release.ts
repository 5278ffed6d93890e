// A Helm release that is to go: never while a volume of its own holds data. Kinds stay; its namespace goes when nothing else is in it.
import type { KubernetesObject } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Remark, RemoteAction, Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { withoutObject } from './object.ts';
import { findOthers } from './others.ts';
import { findRecord, parseRecord } from './release-record.ts';
import { beginning, helmWaits, waitFlag } from './release-script.ts';
import { defineResource } from './resource.ts';

const kubectl = adminKubectl(30);
/** Of each of Helm's waits: Longhorn's uninstall job may take 15 minutes (activeDeadlineSeconds in chart longhorn 1.12.1). */
const waitSeconds = 960;

export interface NoReleaseOptions {
  readonly name: string;
  readonly namespace: string;
  /** The namespace is the release's own, and goes with it. */
  readonly ownsNamespace: boolean;
  /** Only Helm's record goes: with the kinds everything of them would. */
  readonly isKindsOnly: boolean;
  readonly storage:
    | { readonly provisioners: readonly string[]; readonly classes: readonly string[]; readonly objects?: string }
    | undefined;
  /** The layer's own, beside its chart: they go first, while there is somebody who lets go of them. */
  readonly objects: readonly KubernetesObject[];
  /** sh. */
  readonly before: string;
}

type State = {
  /** As of a ReleaseRecord. */
  readonly status: string;
  readonly isOurs: boolean;
  /** 'pvc-1 (blog/mysql-data)', sorted. */
  readonly volumes: readonly string[];
};

const gone: State = { status: 'absent', isOurs: false, volumes: [] };

export function noRelease(options: NoReleaseOptions): Resource {
  const { name, namespace } = options;
  return defineResource<State>({
    key: `no-release:${namespace}/${name}`,
    name: `no-release-${name}`,
    title: `Uninstall ${name}`,
    read: readScript(options),
    parse,
    // What a rehearsal has to uninstall.
    blank: { status: 'deployed', isOurs: true, volumes: [] },
    desired: gone,
    differences: observed =>
      observed.status === 'absent' || !observed.isOurs || observed.volumes.length > 0
        ? []
        : [`it is installed in ${namespace} (${observed.status})`],
    remarks: observed => remarksOf(observed, options),
    act: () => ({
      risk: 'destructive',
      diff: [
        ...options.objects.map(({ kind, metadata }) => `- ${kind} ${metadata.name}`),
        `- release ${namespace}/${name}`,
        ...(options.ownsNamespace ? [`- namespace ${namespace}, if nothing of others is in it`] : []),
      ].join('\n'),
      action: action(options),
    }),
  });
}

function readScript({ name, namespace, storage }: NoReleaseOptions): string {
  return `[ -e /etc/kubernetes/admin.conf ] || exit 0
${findRecord(name, namespace)}echo "$found"
[ -n "$found" ] && [ "$found" != silent ] || exit 0
${storage ? volumesScript(storage, name, namespace) : ''}`;
}

// What cannot be asked must not look like nothing: each answer is kept before it is read.
function volumesScript(
  { provisioners, classes, objects }: NonNullable<NoReleaseOptions['storage']>,
  name: string,
  namespace: string,
): string {
  const fields = `{range .items[*]}volume|{.metadata.name}|{.metadata.annotations.pv\\.kubernetes\\.io/provisioned-by}|{.spec.storageClassName}|{.spec.claimRef.namespace}/{.spec.claimRef.name}{"\\n"}{end}`;
  // Values may have given its class another name, and another provisioner with it.
  const classFields = `{range .items[*]}class|{.metadata.name}|{.provisioner}|{.metadata.annotations.meta\\.helm\\.sh/release-namespace}/{.metadata.annotations.meta\\.helm\\.sh/release-name}{"\\n"}{end}`;
  const mine = [
    ...provisioners.map(each => `$3 == "${each}"`),
    ...classes.map(each => `$4 == "${each}"`),
    '$3 in provisioners',
    '$4 in classes',
  ].join(' || ');
  const kept =
    objects === undefined
      ? ''
      : `kind=$(${kubectl} get crd ${sh(objects)} --ignore-not-found -o name)
if [ -n "$kind" ]; then
  kept=$(${kubectl} get ${sh(objects)} -n ${sh(namespace)} --no-headers -o custom-columns=N:.metadata.name)
  echo "$kept" | awk 'NF {print "volume " $1 " /"}'
fi
`;
  const awk = `$1 == "class" && $4 == "${namespace}/${name}" {classes[$2]; provisioners[$3]}
$1 == "volume" && (${mine}) {print "volume " $2 " " $5}`;
  return `classes=$(${kubectl} get storageclasses -o jsonpath=${sh(classFields)})
volumes=$(${kubectl} get persistentvolumes -o jsonpath=${sh(fields)})
printf '%s\\n%s\\n' "$classes" "$volumes" | awk -F '|' ${sh(awk)}
${kept}`;
}

function parse(output: string): State {
  const [found = '', ...lines] = output.trim().split('\n');
  const { status, chart } = parseRecord(found);
  const claims = new Map<string, string>();
  for (const line of lines) {
    const [, volume = '', claim = ''] = line.split(' ');
    // Its own object of a volume has the volume's name, and no claim.
    if (volume !== '' && (claims.get(volume) ?? '/') === '/') claims.set(volume, claim);
  }
  const volumes = [...claims].map(([volume, claim]) => (claim === '/' ? volume : `${volume} (${claim})`));
  return { status, isOurs: chart !== '', volumes: volumes.toSorted() };
}

function remarksOf({ status, isOurs, volumes }: State, { name, namespace }: NoReleaseOptions): readonly Remark[] {
  if (status === 'absent') return [{ kind: 'note', text: `${name} is not installed` }];
  if (status === 'unknown') {
    return [
      {
        kind: 'refusal',
        id: 'api-silent',
        reason: `the API server does not say whether ${name} is installed`,
        hint: 'homelab status says what answers; homelab doctor says why it does not',
      },
    ];
  }
  if (!isOurs) {
    return [
      {
        kind: 'refusal',
        id: 'foreign-release',
        reason: `the release ${name} in ${namespace} is not homelab's`,
        hint: `who installed it uninstalls it: helm uninstall ${name} -n ${namespace}`,
      },
    ];
  }
  if (volumes.length === 0) return [];
  const what = volumes.length === 1 ? 'one volume holds' : `${volumes.length} volumes hold`;
  return [
    {
      kind: 'refusal',
      id: 'volumes',
      reason: `${what} data by ${name}: ${volumes.join(', ')}`,
      hint: 'copy what is needed elsewhere, then delete each claim and its volume yourself: kubectl delete pvc -n NAMESPACE CLAIM; kubectl delete pv VOLUME',
    },
  ];
}

function action(options: NoReleaseOptions): RemoteAction {
  const { name, namespace, ownsNamespace, isKindsOnly, storage, objects, before } = options;
  const selector = `owner=helm,name=${name}`;
  const uninstall = isKindsOnly
    ? `${kubectl} ${command('delete', 'secret', '-n', namespace, '-l', selector)} >/dev/null\n`
    : `${beginning({ proxy: {} })}${waitFlag}${before}"$helm" ${command('uninstall', name, '--namespace', namespace, '--timeout', `${waitSeconds}s`)} "$wait" >&2
`;
  return {
    script: `${storage ? stillNoVolumes(storage, name, namespace) : ''}${objects.map(withoutObject).join('')}${uninstall}${ownsNamespace ? leaveNamespace(namespace) : ''}`,
    timeoutMs: (helmWaits * waitSeconds + 300) * 1000,
    explain: [
      {
        pattern: /homelab: there are volumes now: (.*)/,
        message: `since it was looked at, volumes of ${name} have been made: $1`,
        hint: 'run the same command again: it says whose they are, and what to type',
      },
      {
        pattern: /deleting-confirmation-flag|timed out waiting for the condition|context deadline exceeded/,
        message: `${name} did not let itself be uninstalled within ${waitSeconds / 60} minutes`,
        hint: `see what holds it: kubectl get pods,jobs -n ${namespace}; then run the same command again`,
      },
    ],
  };
}

// Minutes may lie between the look and the step: somebody read the plan.
function stillNoVolumes(storage: NonNullable<NoReleaseOptions['storage']>, name: string, namespace: string): string {
  return `found=$(
${volumesScript(storage, name, namespace)})
[ -z "$found" ] || { echo "homelab: there are volumes now: $(echo "$found" | cut -d ' ' -f 2 | paste -sd ' ' -)" >&2; exit 1; }
`;
}

function leaveNamespace(namespace: string): string {
  return `for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
  ${findOthers(namespace)}  [ -n "$left" ] || break
  sleep 5
done
[ -n "$left" ] || ${kubectl} ${command('delete', 'namespace', namespace, '--wait=false')} >/dev/null
`;
}
