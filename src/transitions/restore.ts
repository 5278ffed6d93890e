// bare machine and a backup → the first control plane of the cluster that was: its CA, its keys, its data, at a new address.
import { load } from 'js-yaml';
import { z } from 'zod';
import type { BackupManifest } from '../model/backup.ts';
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Refusal, Transition } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import {
  endpointOf,
  factsOf,
  type Goal,
  type NodeFacts,
  type Restore,
  restoredFromKey,
  type World,
  willServeClusterCertificates,
  withMember,
} from '../model/world.ts';
import { awaitServingRequest } from './approve-serving.ts';
import { keyFiles } from './backup.ts';
import { beginning, begunBy, ended, goingOn, isNewcomer } from './begun.ts';
import { choicesFolder, encryptionPath, etcdFolder } from './choices.ts';
import { forgetFunction } from './forget.ts';
import { noSuperAdmin, unseenControlPlanes } from './init.ts';
import {
  addedLines,
  awaitPodSubnet,
  configFunction,
  keepingOutput,
  kubeadmExplained,
  settledByKubeadm,
  stopKubelet,
  tokenSecret,
} from './kubeadm.ts';
import { renderInit } from './kubeadm-config.ts';

const timeoutMs = 1_200_000;
const work = '/var/lib/homelab/restore';
const kubectl = adminKubectl(20);

const configuration = z.object({
  controlPlaneEndpoint: z.string().default(''),
  networking: z.object({ podSubnet: z.string().default(''), serviceSubnet: z.string().default('') }),
});

/** Why this backup is not one of the cluster that the inventory describes. No machine needs to be asked for that. */
export function objections(backup: BackupManifest, goal: Goal): readonly Pick<Refusal, 'reason' | 'hint'>[] {
  const { name, kubernetes } = goal.cluster;
  const found = configuration.safeParse(load(Buffer.from(backup.configuration, 'base64').toString('utf8') || '{}'));
  const was = found.success ? found.data : undefined;
  const compared: readonly (readonly [what: string, backup: string, inventory: string, hint: string])[] = [
    ['cluster', backup.cluster, name, `take a backup of ${name}, or the inventory of ${backup.cluster}`],
    [
      'Kubernetes version',
      backup.kubernetes,
      kubernetes.version,
      `write kubernetes.version: "${backup.kubernetes}" into the inventory; once it runs: homelab upgrade`,
    ],
    ...(was === undefined
      ? []
      : ([
          [
            'endpoint',
            was.controlPlaneEndpoint,
            endpointOf(goal),
            `write kubernetes.endpoint: ${was.controlPlaneEndpoint.replace(/:\d+$/, '')} into the inventory; where that is an address, give it to the new machine`,
          ],
          [
            'podSubnet',
            was.networking.podSubnet,
            kubernetes.podSubnet,
            `write kubernetes.podSubnet: ${was.networking.podSubnet} into the inventory`,
          ],
          [
            'serviceSubnet',
            was.networking.serviceSubnet,
            kubernetes.serviceSubnet,
            `write kubernetes.serviceSubnet: ${was.networking.serviceSubnet} into the inventory`,
          ],
        ] as const)),
  ];
  return compared
    .filter(([, before, now]) => before !== now)
    .map(([what, before, now, hint]) => ({
      reason: `the backup's ${what} is ${before || '(none)'}, the inventory's is ${now}`,
      hint,
    }));
}

export function restore(world: World, host: Host, from: Restore): Transition {
  const { membership } = factsOf(world, host);
  return {
    kind: 'transition',
    name: 'restore',
    title: `Restore the control plane as it was at ${from.manifest.made}`,
    now: membership.state,
    to: 'joined',
    settles: settledByKubeadm,
    change: isNewcomer(world, host) ? restoreChange(world, host, from) : restoreRefusal(world, host, from),
    predict: before => (isNewcomer(world, host) ? restored(before, host, from) : before),
  };
}

// The nodes come back with the data. One whose machine is a member of another cluster is refused where it would join.
function restored(before: World, host: Host, { manifest: { caHash }, sha256 }: Restore): World {
  const world = withMember({ ...before, live: 'unknown', nodes: [] }, host, caHash);
  const others = membersBeside(before, host).map(
    ({ name, address, role }): NodeFacts => ({
      name,
      address,
      podCidr: 'at join',
      ready: false,
      kubeletVersion: factsOf(before, name).kubelet,
      unschedulable: false,
      cordonedByUs: false,
      isControlPlane: role === 'control-plane',
    }),
  );
  return {
    ...world,
    nodes: [...(world.nodes === 'unknown' ? [] : world.nodes), ...others],
    proofs: { [restoredFromKey]: sha256 },
  };
}

function membersBeside({ cluster, facts }: World, host: Host): readonly Host[] {
  return cluster.hosts.filter(({ name }) => name !== host.name && facts.get(name)?.membership.state === 'joined');
}

function restoreChange(world: World, host: Host, from: Restore): Transition['change'] {
  const unseen = unseenControlPlanes(world);
  if (unseen) return unseen;
  const { manifest, sha256 } = from;
  const alive = membersBeside(world, host).filter(({ role }) => role === 'control-plane');
  if (alive.length > 0) {
    const names = alive.map(({ name }) => name).join(', ');
    return {
      refuse: `${names} is a control plane already: each would go on alone`,
      hint: `if etcd there is lost: homelab reset ${names.replaceAll(',', '')}, then the same command again`,
    };
  }
  const documents = renderInit(world, host);
  const begun = begunBy('restore', world, host, `${documents}# ${sha256}\n`);
  if (typeof begun === 'object') return begun;
  const archive = `/var/cache/homelab/${sha256.slice(0, 32)}.backup`;
  return {
    why:
      begun === 'fresh'
        ? `this machine belongs to no cluster, and the backup of ${manifest.host} has revision ${manifest.snapshot.revision} with ${manifest.snapshot.totalKey} keys`
        : 'a restore was begun and did not come to its end',
    diff: addedLines(documents),
    risk: 'safe',
    action: {
      uploads: [{ localPath: from.path, remotePath: archive, sha256, bytes: from.bytes }],
      script: `${configFunction(documents)}config | kubeadm config validate --config /dev/stdin >/dev/null
${stopKubelet}${beginning('restore', `${documents}# ${sha256}\n`)}${opening(archive, manifest)}${placing}${data(world, host)}${keepingOutput(
  'init',
  `config | kubeadm init --config /dev/stdin --skip-token-print --skip-certificate-key-print${begun === 'fresh' ? ' --ignore-preflight-errors=DirAvailable--var-lib-etcd' : goingOn('restore', begun)}`,
)}${awaitAddress(host)}${forgetting(world, host, manifest)}${awaitPodSubnet('/etc/kubernetes/admin.conf', host.name)}${willServeClusterCertificates(world) ? awaitServingRequest('/etc/kubernetes/admin.conf', host.name) : ''}${remembering(sha256)}${noSuperAdmin}${ended}rm -rf ${work} ${archive}
`,
      secrets: { ...tokenSecret, BACKUP_KEY: from.key },
      timeoutMs,
      explain: [
        {
          pattern: /homelab: the backup (does not open|holds another)/,
          message: 'the backup $1 on this machine',
          hint: 'take another backup, or the key of that time; nothing of the cluster was changed yet',
        },
        ...kubeadmExplained,
      ],
    },
  };
}

// Opened whole before anything of it is used: openssl says at its end only whether all of it is what was encrypted.
function opening(archive: string, { caHash, plain }: BackupManifest): string {
  return `umask 077
rm -rf ${work}
mkdir -p ${work}/parts
trap 'rm -rf ${work}' EXIT
trap 'exit 143' HUP INT TERM
tail -n +2 ${archive} > ${work}/payload
openssl cms -decrypt -binary -inform DER -inkey /dev/fd/3 -in ${work}/payload -out ${work}/plain 3<<BACKUP_KEY || { echo 'homelab: the backup does not open with this key' >&2; exit 1; }
$BACKUP_KEY
BACKUP_KEY
unset BACKUP_KEY
[ "$(sha256sum < ${work}/plain | cut -c1-64)" = ${sh(plain.sha256)} ] || { echo 'homelab: the backup holds another content than it says' >&2; exit 1; }
rm ${work}/payload
tar -C ${work}/parts --no-same-owner -xzf ${work}/plain
rm ${work}/plain
(cd ${work}/parts && sha256sum --check --strict --quiet SHA256SUMS)
ca=$(openssl x509 -noout -pubkey -in ${work}/parts/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum | cut -c1-64)
[ "$ca" = ${sh(caHash)} ] || { echo "homelab: the backup holds another cluster's CA than it says" >&2; exit 1; }
`;
}

// kubeadm signs with the CAs that it finds; what it does not find it makes, with this machine's names and address.
const placing = `install -d -m 755 /etc/kubernetes/pki /etc/kubernetes/pki/etcd
for file in ${keyFiles.join(' ')}; do install -m 600 "${work}/parts/pki/$file" "/etc/kubernetes/pki/$file"; done
install -d -m 700 ${choicesFolder}
if [ -e ${work}/parts/encryption.yaml ]; then install -m 600 ${work}/parts/encryption.yaml ${encryptionPath}; fi
`;

// Clients that know later revisions than the backup's would wait for them: so all that is there now is said to be history. Later versions of etcd 3.5 can.
function data({ cluster }: World, { name, address }: Host): string {
  const peer = `https://${address}:2380`;
  const fresh = `${etcdFolder}/.homelab-restore`;
  return `if [ ! -d ${etcdFolder}/member ]; then
  image=$(kubeadm config images list --kubernetes-version ${sh(cluster.kubernetes.version)} 2>/dev/null | grep /etcd:)
  mkdir ${work}/image
  ctr -n k8s.io images mount "$image" ${work}/image >/dev/null
  trap 'ctr -n k8s.io images unmount --rm ${work}/image >/dev/null || true; rm -rf --one-file-system ${work}' EXIT
  tool=${work}/image/usr/local/bin/etcdutl
  [ -x "$tool" ] || tool=${work}/image/usr/local/bin/etcdctl
  set -- ${command('--name', name, '--initial-cluster', `${name}=${peer}`, '--initial-advertise-peer-urls', peer)}
  if "$tool" snapshot restore --help 2>&1 | grep -q -e --mark-compacted; then set -- "$@" --bump-revision 1000000000 --mark-compacted; fi
  rm -rf ${fresh}
  "$tool" snapshot restore ${work}/parts/etcd.db --data-dir ${fresh} "$@" > ${work}/said 2>&1 || { cat ${work}/said >&2; exit 1; }
  sync
  mv ${fresh}/member ${etcdFolder}/member
  rmdir ${fresh}
  ctr -n k8s.io images unmount --rm ${work}/image >/dev/null
  trap 'rm -rf ${work}' EXIT
fi
`;
}

/** sh: a node that was known by another address is known by the new one before anybody looks. */
function awaitAddress({ name, address }: Host): string {
  return `left=120
until [ "$(${kubectl} get node ${sh(name)} -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}' 2>/dev/null)" = ${sh(address)} ]; do
  [ "$left" -gt 0 ] || { echo 'homelab: the kubelet did not register this machine by its address in 120 s' >&2; exit 1; }
  left=$((left - 1)); sleep 1
done
`;
}

// Control planes of before, and machines that are bare now: kubeadm would not let a node of that name join again. What this machine's
// name asked to be signed in its life before is nobody's any more.
function forgetting(world: World, host: Host, { made }: BackupManifest): string {
  const bare = world.cluster.hosts.filter(
    ({ name }) => name !== host.name && world.facts.get(name)?.membership.state === 'absent',
  );
  const columns = '{range .items[*]}{.spec.username} {.metadata.creationTimestamp} {.metadata.name}{"\\n"}{end}';
  return `${forgetFunction(true)}before=$(${kubectl} get nodes -l node-role.kubernetes.io/control-plane -o jsonpath='{.items[*].metadata.name}')
for node in $before ${bare.map(({ name }) => sh(name)).join(' ')}; do
  [ "$node" = ${sh(host.name)} ] || forget "$node"
done
${kubectl} get certificatesigningrequests -o jsonpath=${sh(columns)} |
  awk -v who=${sh(`system:node:${host.name}`)} -v made=${sh(made)} '$1 == who && $2 <= made {print $3}' |
  xargs -r ${kubectl} delete certificatesigningrequests >/dev/null
`;
}

// What was proven before is proven again.
function remembering(sha256: string): string {
  const data = JSON.stringify({
    data: { [restoredFromKey]: sha256, 'control-plane': null, 'kubelet-certificates': null, network: null },
  });
  return `${kubectl} get configmap homelab -n kube-system >/dev/null 2>&1 || ${kubectl} create configmap homelab -n kube-system >/dev/null
${kubectl} patch configmap homelab -n kube-system --type merge -p ${sh(data)} >/dev/null
`;
}

function restoreRefusal(world: World, host: Host, { sha256 }: Restore): Transition['change'] {
  const { membership } = factsOf(world, host);
  if (membership.state === 'partial') return { refuse: membership.why, hint: membership.hint };
  // A run that failed after it is gone on with.
  if (world.proofs[restoredFromKey] === sha256) return undefined;
  return {
    refuse: 'it is a member of a cluster; a restore begins on a bare machine',
    hint: `if nothing there is needed: homelab reset ${host.name}, then the same command again`,
  };
}
