// What machines are asked before an upgrade, and what they say. All of it only looks.
import { X509Certificate } from 'node:crypto';
import { load } from 'js-yaml';
import { z } from 'zod';
import type { Host, Json, JsonObject } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import { command } from '../model/shell.ts';
import type {
  AskedApi,
  Certificate,
  ClusterFacts,
  ControlPlaneFacts,
  Disk,
  Manifest,
  RequestedApi,
  Rewritten,
  UpgradeFacts,
  WrittenApi,
} from '../model/upgrade-facts.ts';
import type { Fragment, Frame } from './frames.ts';

const kubectl = adminKubectl(5);

/** Kinds whose API moved in versions that are still about, and that every API server since 1.26 has. */
const moved =
  'flowschemas.flowcontrol.apiserver.k8s.io,prioritylevelconfigurations.flowcontrol.apiserver.k8s.io,csistoragecapacities.storage.k8s.io,horizontalpodautoscalers.autoscaling';
/** The same since 1.30. */
const movedLater =
  'validatingadmissionpolicies.admissionregistration.k8s.io,validatingadmissionpolicybindings.admissionregistration.k8s.io';

const ofEvery: readonly Fragment[] = [
  { id: 'upgrade-kubelet', script: 'cat /var/lib/kubelet/config.yaml 2>/dev/null || true' },
  {
    id: 'upgrade-flags',
    script: `for path in /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet; do
  [ ! -e "$path" ] || sed -n "s|^KUBELET_[A-Z_]*ARGS=||p" "$path" | tr -d "\\"'" | tr ' ' '\\n' | sed -n "s|^--|$path --|p"
done`,
  },
  {
    id: 'upgrade-disks',
    script: `for path in / /var/lib/containerd /var/lib/kubelet /var/lib/etcd /etc/kubernetes; do
  [ ! -e "$path" ] || df -B1 --output=source,avail,size "$path" | sed -n "2s|^|$path |p"
done`,
  },
  { id: 'upgrade-images', script: 'timeout 5 ctr -n k8s.io images list -q 2>/dev/null || true' },
];

// Certificates only: the same files hold keys too.
const certificates = `cd /etc/kubernetes
for path in pki/*.crt pki/etcd/*.crt; do
  [ ! -e "$path" ] || { echo "file $path"; cat "$path"; }
done
for path in *.conf; do
  said=$(sed -n 's/^ *client-certificate-data: //p' "$path")
  [ -z "$said" ] || { echo "file $path"; printf '%s' "$said" | base64 -d; }
done`;

// kubeadm of another version would write other lines of its own.
const rewritten = `[ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] && command -v kubeadm >/dev/null || { echo none; exit 0; }
version=$(sed -n 's/^ *image: .*kube-apiserver:\\(v[0-9.]*\\)$/\\1/p' /etc/kubernetes/manifests/kube-apiserver.yaml)
[ -n "$version" ] && [ "$(kubeadm version -o short)" = "$version" ] || { echo none; exit 0; }
said=$(timeout 10 kubeadm upgrade diff --context-lines 0 "$version" 2>/dev/null) || { echo none; exit 0; }
echo same
printf '%s\\n' "$said"`;

function ofControlPlane({ address }: Host): readonly Fragment[] {
  const own = `${kubectl} ${command(`--server=https://${address}:6443`)}`;
  const written = (kinds: string) =>
    `${kubectl} get ${kinds} -A --show-managed-fields -o jsonpath='{range .items[*]}{"object "}{.kind}{" "}{.metadata.namespace}{"/"}{.metadata.name}{"\\n"}{range .metadata.managedFields[*]}{.apiVersion}{" "}{.manager}{"\\n"}{end}{end}' 2>/dev/null || true`;
  return [
    {
      id: 'upgrade-manifests',
      script: `for path in /etc/kubernetes/manifests/*.yaml; do
  [ -f "$path" ] || continue
  echo "manifest \${path##*/}"
  sed -n 's/^ *image: \\(.*\\)/image \\1/p; s/^ *- --\\([a-z0-9-]*=.*\\)/flag \\1/p' "$path"
done`,
    },
    { id: 'upgrade-rewritten', script: rewritten },
    { id: 'upgrade-certificates', script: certificates },
    {
      id: 'upgrade-sizes',
      script: `for path in /var/lib/etcd /etc/kubernetes/tmp; do
  if [ -d "$path" ]; then du -sB1 "$path" | cut -f1; else echo 0; fi
done`,
    },
    {
      id: 'upgrade-version',
      script: `${own} get --raw /version 2>/dev/null || ${kubectl} get --raw /version 2>/dev/null || true`,
    },
    {
      id: 'upgrade-requested',
      script: `{ ${own} get --raw /metrics 2>/dev/null || ${kubectl} get --raw /metrics 2>/dev/null || true; } | grep '^apiserver_requested_deprecated_apis{' || true`,
    },
    {
      // The file of src/transitions/choices.ts; the API server marks requests for what goes.
      id: 'upgrade-asked',
      script: `path=/var/log/kubernetes/audit/audit.log
[ ! -e "$path" ] || grep -h '"k8s.io/removed-release":"' "$path" | sed -n 's|.*"user":{"username":"\\([^"]*\\)".*"userAgent":"\\([^" ]*\\)[^"]*","objectRef":{"resource":"\\([^"]*\\)".*"apiGroup":"\\([^"]*\\)","apiVersion":"\\([^"]*\\)".*|\\4/\\5 \\3 \\1, \\2|p' | sort -u | head -n 100`,
    },
    { id: 'upgrade-written', script: `${written(moved)}\n${written(movedLater)}` },
    {
      id: 'upgrade-config',
      script: `${kubectl} get configmaps kubeadm-config kubelet-config kube-proxy -n kube-system --ignore-not-found -o json 2>/dev/null || true`,
    },
  ];
}

export function upgradeFragments(host: Host): readonly Fragment[] {
  return host.role === 'control-plane' ? [...ofEvery, ...ofControlPlane(host)] : ofEvery;
}

/** Undefined where nobody asked. */
export function parseUpgrade(frames: ReadonlyMap<string, Frame>): UpgradeFacts | undefined {
  if (!frames.has('upgrade-kubelet')) return undefined;
  const text = (id: string) => frames.get(`upgrade-${id}`)?.stdout.trim() ?? '';
  const lines = (id: string) => text(id).split('\n').filter(Boolean);
  return {
    clockMs: Number(frames.get('clock')?.stdout.trim() ?? 0),
    kubeletConfig: mapping(text('kubelet')),
    kubeletFlags: lines('flags').map(line => {
      const [file = '', flag = ''] = split(line);
      return { file, flag };
    }),
    disks: lines('disks').map(parseDisk),
    images: lines('images'),
    controlPlane: frames.has('upgrade-manifests') ? parseControlPlane(text, lines) : undefined,
  };
}

type Text = (id: string) => string;
type Lines = (id: string) => readonly string[];

function parseControlPlane(text: Text, lines: Lines): ControlPlaneFacts {
  const [etcdBytes = 0, leftoverBytes = 0] = lines('sizes').map(Number);
  const version = text('version');
  return {
    apiServer: version === '' ? 'unknown' : versionSaid.parse(JSON.parse(version)).gitVersion.replace(/^v/, ''),
    manifests: parseManifests(lines('manifests')),
    rewritten: parseRewritten(lines('rewritten')),
    certificates: parseCertificates(text('certificates')),
    etcdBytes,
    leftoverBytes,
    cluster: parseCluster(text, lines),
  };
}

const versionSaid = z.object({ gitVersion: z.string() });

function parseDisk(line: string): Disk {
  const [path = '', device = '', free = '', total = ''] = line.split(/ +/);
  return { path, device, freeBytes: Number(free), totalBytes: Number(total) };
}

function parseManifests(lines: readonly string[]): Readonly<Record<string, Manifest>> {
  const found: Record<string, { image: string; flags: Record<string, string> }> = {};
  let current = { image: '', flags: {} as Record<string, string> };
  for (const line of lines) {
    const [kind = '', rest = ''] = split(line);
    if (kind === 'manifest') {
      current = { image: '', flags: {} };
      found[rest.replace(/\.yaml$/, '')] = current;
    } else if (kind === 'image') current.image = rest;
    else if (kind === 'flag') {
      const [name = '', value = ''] = split(rest, '=');
      current.flags[name] = value;
    }
  }
  return found;
}

// A unified diff a manifest, whose first file is the one on the disk. A line that only moved is no change.
function parseRewritten([state, ...lines]: readonly string[]): readonly Rewritten[] | 'unknown' {
  if (state !== 'same') return 'unknown';
  const found: { manifest: string; out: string[]; in: string[] }[] = [];
  for (const line of lines) {
    const path = /^--- (?:\S*\/)?([^/\s]+)\.yaml/.exec(line)?.[1];
    if (path !== undefined) found.push({ manifest: path, out: [], in: [] });
    else if (/^-(?!--)/.test(line)) found.at(-1)?.out.push(line.slice(1).trim());
    else if (/^\+(?!\+\+)/.test(line)) found.at(-1)?.in.push(line.slice(1).trim());
  }
  return found
    .map(each => ({
      manifest: each.manifest,
      out: each.out.filter(line => !each.in.includes(line)),
      in: each.in.filter(line => !each.out.includes(line)),
    }))
    .filter(each => each.out.length + each.in.length > 0);
}

function parseCertificates(text: string): readonly Certificate[] {
  return text.split(/^file /m).flatMap(section => {
    const [name = '', ...pem] = section.split('\n');
    if (!pem.some(line => line.includes('BEGIN CERTIFICATE'))) return [];
    return [{ name, endsMs: Date.parse(new X509Certificate(pem.join('\n')).validTo) }];
  });
}

const configMaps = z.object({
  items: z.array(
    z.object({ metadata: z.object({ name: z.string() }), data: z.record(z.string(), z.string()).default({}) }),
  ),
});
const withGates = z
  .object({ featureGates: z.record(z.string(), z.boolean()).nullish() })
  .transform(({ featureGates }) => featureGates ?? {})
  .catch({});

function parseCluster(text: Text, lines: Lines): ClusterFacts | 'unknown' {
  if (text('config') === '') return 'unknown';
  const { items } = configMaps.parse(JSON.parse(text('config')));
  const documentOf = (name: string, key: string) => items.find(each => each.metadata.name === name)?.data[key] ?? '';
  return {
    kubeletConfig: mapping(documentOf('kubelet-config', 'kubelet')),
    proxyGates: withGates.parse(load(documentOf('kube-proxy', 'config.conf') || '{}')),
    kubeadmGates: withGates.parse(load(documentOf('kubeadm-config', 'ClusterConfiguration') || '{}')),
    requestedApis: lines('requested').flatMap(parseRequested),
    askedApis: lines('asked').map(parseAsked),
    writtenApis: parseWritten(lines('written')),
  };
}

// apiserver_requested_deprecated_apis{group="…",removed_release="1.32",resource="…",subresource="",version="v1beta3"} 1
function parseRequested(line: string): readonly RequestedApi[] {
  const label = (name: string) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '';
  return Number(line.slice(line.lastIndexOf(' '))) > 0
    ? [
        {
          group: label('group'),
          version: label('version'),
          resource: label('resource'),
          removedRelease: label('removed_release'),
        },
      ]
    : [];
}

function parseAsked(line: string): AskedApi {
  const [api = '', rest = ''] = split(line);
  const [resource = '', who = ''] = split(rest);
  return { api, resource, who };
}

const plurals: Readonly<Record<string, string>> = {
  FlowSchema: 'flowschemas',
  PriorityLevelConfiguration: 'prioritylevelconfigurations',
  CSIStorageCapacity: 'csistoragecapacities',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};

function parseWritten(lines: readonly string[]): readonly WrittenApi[] {
  const found: WrittenApi[] = [];
  let object = '';
  for (const line of lines) {
    const [first = '', rest = ''] = split(line);
    if (first === 'object') {
      const [kind = '', name = ''] = split(rest);
      object = `${plurals[kind] ?? kind} ${name.replace(/^\//, '')}`;
    } else found.push({ object, api: first, manager: rest });
  }
  return found;
}

function mapping(text: string): JsonObject | 'unknown' {
  const read: unknown = text === '' ? undefined : load(text);
  return isMapping(read) ? read : 'unknown';
}

function isMapping(value: unknown): value is JsonObject & Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function split(line: string, at = ' '): readonly [string, string] | readonly [string] {
  const index = line.indexOf(at);
  return index < 0 ? [line] : [line.slice(0, index), line.slice(index + at.length)];
}
