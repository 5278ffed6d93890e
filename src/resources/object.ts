// One object of the API that homelab wants as it is. Only the fields that are wanted are looked at: the rest is what webhooks, controllers
// and others put there. One of that name without our label is somebody else's, and left. Read and applied on a control plane.
import { dump } from 'js-yaml';
import { z } from 'zod';
import type { Json, JsonObject, KubernetesObject } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Resource } from '../model/plan.ts';
import { command, printing, sh } from '../model/shell.ts';
import { defineResource, textDiff } from './resource.ts';

const kubectl = adminKubectl(20);
/** Longer than the API server's own 60 s (--request-timeout), in which it waits for webhooks, and than the watch by which `delete` waits. */
const patientKubectl = adminKubectl(70);
const fields = z.record(z.string(), z.json());

/** What is there of what is wanted; 'absent' also where there is no such kind; 'unknown' where the API server does not say. */
type State = 'absent' | 'unknown' | JsonObject;

/** kubernetes.io/docs/concepts/overview/working-with-objects/common-labels */
const label = 'app.kubernetes.io/managed-by';
/** What kubectl is to print of an object: 'by homelab', where it is ours. */
const whose = `jsonpath=by {.metadata.labels.${label.replaceAll('.', '\\.')}}`;

export function object(plain: KubernetesObject): Resource {
  const { kind, metadata } = plain;
  const wanted = { ...plain, metadata: { ...metadata, labels: { ...metadata.labels, [label]: 'homelab' } } };
  return defineResource<State>({
    key: `object:${metadata.namespace ?? ''}/${kind}/${metadata.name}`,
    // No namespace has a dot in its name: no two are the same.
    name: `object-${kind.toLowerCase()}-${metadata.namespace === undefined ? '' : `${metadata.namespace}.`}${metadata.name}`,
    title: `Make ${kind} ${metadata.name}`,
    read: `[ -e /etc/kubernetes/admin.conf ] || exit 0
${findObject(wanted, 'json')}printf '%s\\n' "$found"
`,
    parse: output => parse(output.trim(), wanted),
    blank: 'absent',
    desired: wanted,
    differences: observed => {
      if (observed === 'absent') return ['there is none'];
      if (observed === 'unknown') return ['whether it is there the API server does not say'];
      if (isForeign(observed)) return [];
      return textOf(observed) === textOf(wanted) ? [] : ['it differs from what is wanted'];
    },
    remarks: observed =>
      isForeign(observed)
        ? [
            {
              kind: 'note',
              text: `${kind} ${metadata.name} in ${metadata.namespace ?? 'the cluster'} is not homelab's, and is left as it is; to hand it over: ${command('kubectl', 'label', ...namesOf(plain), '--overwrite', `${label}=homelab`)}`,
            },
          ]
        : [],
    act: observed => ({
      diff: textDiff(textOf(observed), textOf(wanted)),
      action: {
        script: `${findObject(wanted, whose)}case $found in
  absent|'by homelab') ;;
  *) echo "homelab: it is not as it was looked at: $found" >&2; exit 1 ;;
esac
{
${printing(`${JSON.stringify(wanted, null, 2)}\n`)}} | ${patientKubectl} apply --server-side --force-conflicts --field-manager=homelab -f - >/dev/null
`,
        timeoutMs: 120_000,
        explain: [
          {
            pattern: /it is not as it was looked at: unknown/,
            message: `the API server does not say whose ${kind} ${metadata.name} is`,
            hint: 'homelab status says what answers; then run the same command again',
          },
          {
            pattern: /it is not as it was looked at/,
            message: `somebody else made a ${kind} ${metadata.name} meanwhile`,
            hint: 'run the same command again: its plan shows what is there now',
          },
        ],
      },
    }),
  });
}

function isForeign(observed: State): boolean {
  if (typeof observed === 'string') return false;
  const labelled = z.object({ metadata: z.object({ labels: z.object({ [label]: z.literal('homelab') }) }) });
  return !labelled.safeParse(observed).success;
}

/** sh: takes it away, where it is there and ours; fails when it is not gone within a minute. */
export function withoutObject(wanted: KubernetesObject): string {
  return `${findObject(wanted, whose)}case $found in
  unknown) echo ${sh(`the API server does not say whether ${wanted.kind} ${wanted.metadata.name} is there`)} >&2; exit 1 ;;
  'by homelab') ${patientKubectl} ${command('delete', ...namesOf(wanted), '--ignore-not-found', '--timeout=60s')} >/dev/null ;;
esac
`;
}

/** sh: sets $found to it, or to 'absent' or 'unknown'. kubectl fails for a kind that is not there, too (cli-runtime, resource/builder.go). */
function findObject(wanted: KubernetesObject, output: string): string {
  const get = `${kubectl} ${command('get', ...namesOf(wanted), '--ignore-not-found', '-o', output)}`;
  return `if found=$(${get} 2>/dev/null); then found=\${found:-absent}
elif ${get} 2>&1 | grep -q "the server doesn't have a resource type"; then found=absent
else found=unknown; fi
`;
}

/** As kubectl takes them: -n NAMESPACE KIND.VERSION.GROUP NAME. */
function namesOf({ apiVersion, kind, metadata: { name, namespace } }: KubernetesObject): readonly string[] {
  const [group = '', version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return [...(namespace === undefined ? [] : ['-n', namespace]), `${kind}.${version}.${group}`, name];
}

function parse(output: string, wanted: KubernetesObject): State {
  if (output === '' || output === 'absent') return 'absent';
  return output === 'unknown' ? 'unknown' : wantedOf(fields.parse(JSON.parse(output)), wanted);
}

/** Lists and maps that are empty the API server may leave out, or give as null: what is wanted is there then, too. */
function wantedOf(found: JsonObject, wanted: JsonObject): JsonObject {
  const parts = Object.entries(wanted).flatMap(([key, inner]) => {
    const value = found[key];
    if ((value ?? null) === null && isEmpty(inner)) return [[key, inner] as const];
    return value === undefined ? [] : [[key, partOf(value, inner)] as const];
  });
  return Object.fromEntries(parts);
}

function isEmpty(value: Json): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** Items of a list are compared by their place; those beyond the wanted ones stay whole, and differ. */
function partOf(found: Json, wanted: Json | undefined): Json {
  if (Array.isArray(found) && Array.isArray(wanted)) return found.map((item, index) => partOf(item, wanted[index]));
  const [inner, outer] = [fields.safeParse(found), fields.safeParse(wanted)];
  return inner.success && outer.success ? wantedOf(inner.data, outer.data) : found;
}

function textOf(state: State): string {
  return typeof state === 'string' ? '' : dump(state, { sortKeys: true, lineWidth: 140 });
}
