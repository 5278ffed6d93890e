// A cluster that homelab did not build: said once, with what somebody made by hand on its machines and kubeadm would not keep.
import { load } from 'js-yaml';
import { z } from 'zod';
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Remark, Want } from '../model/plan.ts';
import { controlPlaneOf, isAdopted, type World } from '../model/world.ts';
import { defineSight } from '../resources/resource.ts';
import { kubeadmFlags } from './kubeadm-flags.ts';

export function adoption(world: World, host: Host): readonly Want[] {
  if (!isAdopted(world, host)) return [];
  return [...(host === controlPlaneOf(world) ? [notOurs] : []), handMade];
}

/** With the provider `basic`: a pod network that is there already is not homelab's to replace. */
export function otherNetwork(world: World, host: Host): readonly Want[] {
  return isAdopted(world, host) ? [otherCni] : [];
}

const notOurs: Remark = {
  kind: 'note',
  text: 'homelab did not build this cluster (ConfigMap kube-system/homelab does not say so): it takes safe steps only, and says what it leaves; homelab plan --describe prints the inventory that describes it',
};

const handMade = defineSight<readonly string[]>({
  key: 'hand-made',
  name: 'hand-made',
  read: `for unit in docker cri-docker crio; do
  ! systemctl is-active --quiet "$unit.service" || echo "unit $unit.service"
done
for path in /etc/docker/daemon.json /var/lib/dockershim /run/dockershim.sock; do [ ! -e "$path" ] || echo "docker $path"; done
for path in /etc/default/kubelet /etc/sysconfig/kubelet; do
  [ ! -e "$path" ] || sed -n "s|^KUBELET_EXTRA_ARGS=[\\"']*\\([^\\"']..*\\)|kubelet $path \\1|p" "$path" | tr -d "\\"'"
done
[ ! -e /var/lib/kubelet/kubeadm-flags.env ] || grep -oE -- '--(container-runtime|network-plugin|container-runtime-endpoint)=[^ "]*' /var/lib/kubelet/kubeadm-flags.env | sed 's/^/flag /'
for path in /etc/kubernetes/manifests/*; do
  [ -f "$path" ] || continue
  echo "manifest \${path##*/}"
  sed -n 's/^ *- --\\([a-z0-9-]*\\)=.*/argument \\1/p' "$path"
done
[ ! -e /etc/kubernetes/admin.conf ] || { echo config; ${adminKubectl(10)} get configmap kubeadm-config -n kube-system -o jsonpath='{.data.ClusterConfiguration}' 2>/dev/null || true; }
`,
  parse: parseHandMade,
  blank: [],
  remarks: found => found.map(text => ({ kind: 'note', text })),
});

const otherCni = defineSight<readonly string[]>({
  key: 'other-cni',
  name: 'other-network',
  read: `for path in /etc/cni/net.d/*.conf /etc/cni/net.d/*.conflist; do
  [ ! -e "$path" ] || [ "\${path##*/}" = 10-homelab.conflist ] || echo "\${path##*/}"
done
`,
  parse: output => output.split('\n').filter(Boolean),
  blank: [],
  remarks: found =>
    found.slice(0, 1).map(name => ({
      kind: 'refusal',
      id: 'other-network',
      reason: `another pod network is at work there (/etc/cni/net.d/${name})`,
      hint: 'write network: {provider: external} into the inventory',
    })),
});

/** With the provider `cilium`: the bridge of `basic` gives pods addresses too. */
export const noBasicNetwork: Want = defineSight<boolean>({
  key: 'basic-cni',
  name: 'basic-network',
  read: 'if [ -e /etc/cni/net.d/10-homelab.conflist ]; then echo yes; else echo no; fi\n',
  parse: output => output.trim() === 'yes',
  blank: false,
  remarks: isThere =>
    isThere
      ? [
          {
            kind: 'refusal',
            id: 'basic-network',
            reason: 'its pods are in the network `basic`, and a cluster keeps the network that it began with',
            hint: 'write network: {provider: basic} into the inventory; another network takes a cluster made anew (homelab reset, homelab bootstrap)',
          },
        ]
      : [],
});

const extraArgs = z.object({
  extraArgs: z
    .union([
      z.array(z.object({ name: z.string() })).transform(list => list.map(({ name }) => name)),
      z.record(z.string(), z.unknown()).transform(Object.keys),
    ])
    .nullish()
    .transform(names => names ?? []),
});
const clusterConfiguration = z.object({
  apiServer: extraArgs.nullish(),
  controllerManager: extraArgs.nullish(),
  scheduler: extraArgs.nullish(),
  etcd: z.object({ local: extraArgs.nullish() }).nullish(),
});

function parseHandMade(output: string): readonly string[] {
  const [text = '', config = ''] = output.split(/^config\n/m);
  const lines = text
    .split('\n')
    .filter(Boolean)
    .map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
  const of = (kind: string) => lines.flatMap(([found, rest]) => (found === kind ? [rest] : []));
  const known = knownArguments(config);
  const notes: string[] = [];
  let manifest = '';
  const extra = new Map<string, string[]>();
  for (const [kind, rest] of lines) {
    if (kind === 'manifest') {
      manifest = rest.replace(/\.yaml$/, '');
      if (!(manifest in kubeadmFlags))
        notes.push(`/etc/kubernetes/manifests/${rest} is a static pod that kubeadm did not make`);
    }
    const expected = known.get(manifest);
    if (kind === 'argument' && expected && !expected.has(rest))
      extra.set(manifest, [...(extra.get(manifest) ?? []), `--${rest}`]);
  }
  for (const [name, flags] of extra) {
    notes.push(
      `the manifest of ${name} was edited by hand (${flags.join(', ')}): kubeadm upgrade would write it without that; put it into extraArgs of ConfigMap kubeadm-config`,
    );
  }
  for (const each of of('unit')) notes.push(`${each} runs beside containerd`);
  const docker = [
    ...of('docker'),
    ...of('flag').filter(flag => /docker|--container-runtime=|--network-plugin=/.test(flag)),
  ];
  if (docker.length > 0) notes.push(`left from the days of docker: ${docker.join(', ')}`);
  for (const each of of('kubelet')) {
    const [path = '', ...flags] = each.split(' ');
    notes.push(`kubelet has flags of its own in ${path}: ${flags.join(' ')}`);
  }
  return notes;
}

// Nothing is known where the API server did not answer: then no flag is called foreign.
function knownArguments(config: string): ReadonlyMap<string, ReadonlySet<string>> {
  if (config.trim() === '') return new Map();
  const parsed = clusterConfiguration.safeParse(load(config));
  if (!parsed.success) return new Map();
  const { apiServer, controllerManager, scheduler, etcd } = parsed.data;
  const extra = {
    'kube-apiserver': apiServer,
    'kube-controller-manager': controllerManager,
    'kube-scheduler': scheduler,
    etcd: etcd?.local,
  };
  return new Map(
    Object.entries(kubeadmFlags).map(([name, flags]) => [
      name,
      new Set([...flags, ...(extra[name as keyof typeof extra]?.extraArgs ?? [])]),
    ]),
  );
}
