// What was edited by hand on a machine and kubeadm writes anew: /var/lib/kubelet/config.yaml from ConfigMap kubelet-config (kubeadm
// app/phases/kubelet/config.go, WriteConfigToDisk), static pods from ClusterConfiguration (app/phases/controlplane, app/phases/etcd).
import type { Json, JsonObject } from '../model/cluster.ts';
import type { ControlPlaneFacts, Manifest } from '../model/upgrade-facts.ts';

/** One setting that would be another one afterwards. */
export interface Edit {
  /** 'evictionHard.memory.available' or '--profiling'. */
  readonly setting: string;
  /** As text; undefined: not there. */
  readonly now: string | undefined;
  readonly afterwards: string | undefined;
}

const resolvedConf = '/run/systemd/resolve/resolv.conf';

/** What kubeadm itself puts into a machine's file and not into the ConfigMap. */
function isKubeadms(path: string, value: string): boolean {
  // Mutate() in app/componentconfigs/kubelet.go, where systemd-resolved runs; the instance's runtime endpoint (NodeLocalCRISocket).
  return (path === 'resolvConf' && value === resolvedConf) || path === 'containerRuntimeEndpoint';
}

export function kubeletEdits(machine: JsonObject, inCluster: JsonObject): readonly Edit[] {
  const now = leaves(machine);
  const then = leaves(inCluster);
  return [...new Set([...now.keys(), ...then.keys()])].sort().flatMap(setting => {
    const edit = { setting, now: now.get(setting), afterwards: then.get(setting) };
    const isOwn = edit.afterwards === undefined && isKubeadms(setting, edit.now ?? '');
    return edit.now === edit.afterwards || isOwn ? [] : [edit];
  });
}

/** Zero and empty are what kubeadm writes for a setting that nobody made. */
function leaves(value: Json, path = ''): ReadonlyMap<string, string> {
  if (isMapping(value))
    return new Map(
      Object.entries(value).flatMap(([key, each]) => [...leaves(each, path === '' ? key : `${path}.${key}`)]),
    );
  const isUnset =
    value === null || [0, '', '0', '0s'].some(each => each === value) || (Array.isArray(value) && value.length === 0);
  return new Map(isUnset ? [] : [[path, typeof value === 'string' ? value : JSON.stringify(value)]]);
}

function isMapping(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Flags = Readonly<Record<string, readonly string[]>>;
type Args = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * By manifest. kubeadm's own diff says it of the processes that it compares; of the others the flags are compared with those that kubeadm
 * knows (`own`) and with ClusterConfiguration's extraArgs.
 */
export function manifestEdits(
  { manifests, rewritten }: Pick<ControlPlaneFacts, 'manifests' | 'rewritten'>,
  own: Flags,
  args: Args,
): readonly { readonly manifest: string; readonly edits: readonly Edit[] }[] {
  const compared = rewritten === 'unknown' ? [] : ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];
  const byDiff =
    rewritten === 'unknown'
      ? []
      : rewritten.map(each => ({
          manifest: each.manifest,
          edits: [
            ...each.out.map(line => {
              const after = each.in.find(other => isSame(line, other));
              return { setting: settingOf(line), now: textOf(line), afterwards: after && textOf(after) };
            }),
            ...each.in
              .filter(line => !each.out.some(other => isSame(line, other)))
              .map(line => ({ setting: settingOf(line), now: undefined, afterwards: textOf(line) })),
          ],
        }));
  const byFlags = Object.entries(own)
    .filter(([name]) => !compared.includes(name))
    .map(([manifest, known]) => ({ manifest, edits: flagEdits(manifests[manifest], known, args[manifest] ?? {}) }));
  return [...byDiff, ...byFlags].filter(({ edits }) => edits.length > 0);
}

function flagEdits(
  manifest: Manifest | undefined,
  known: readonly string[],
  args: Readonly<Record<string, string>>,
): readonly Edit[] {
  if (!manifest) return [];
  const { flags } = manifest;
  const foreign = Object.keys(flags).filter(name => !known.includes(name) && !Object.hasOwn(args, name));
  const other = Object.keys(args).filter(name => flags[name] !== args[name]);
  return [...foreign, ...other].map(name => ({ setting: `--${name}`, now: flags[name], afterwards: args[name] }));
}

// '- --profiling=false' is about '--profiling', 'image: …' about 'image'.
function settingOf(line: string): string {
  return /^(?:- )?(--[a-z0-9-]+|[\w.-]+)/.exec(line)?.[1] ?? line;
}

function textOf(line: string): string {
  return /^- --[a-z0-9-]+=(.*)/.exec(line)?.[1] ?? line;
}

function isSame(one: string, other: string): boolean {
  return settingOf(one) === settingOf(other);
}
