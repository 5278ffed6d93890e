// sh that makes one backup of a control plane: etcd's data and the keys without which it is worth nothing, encrypted before it has a name.
import { createHash, X509Certificate } from 'node:crypto';
import { backupFolder, backupLastKey } from '../model/backup.ts';
import type { Backup, Host } from '../model/cluster.ts';
import { etcdctl } from '../model/etcdctl.ts';
import { adminKubectl } from '../model/kubectl.ts';
import { sh } from '../model/shell.ts';
import { version } from '../model/version.ts';

/** What kubeadm cannot make again without another cluster coming of it; everything else in its folder is signed anew. */
export const keyFiles = [
  'ca.crt',
  'ca.key',
  'front-proxy-ca.crt',
  'front-proxy-ca.key',
  'etcd/ca.crt',
  'etcd/ca.key',
  'sa.pub',
  'sa.key',
] as const;

export interface BackupScript {
  readonly cluster: string;
  readonly host: Host;
  readonly backup: Pick<Backup, 'recipient' | 'keep'>;
  /** sh commands that print the recipient's certificate and the inventory. */
  readonly printRecipient: string;
  readonly printInventory: string;
}

/** sha256 of the public key that archives are encrypted for: which private key opens them. */
export function recipientHash(certificate: string): string {
  const der = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

const work = '/var/lib/homelab/backup';
const kubectl = `${adminKubectl(20)} -n kube-system`;

/**
 * Run under `set -eu`. Prints the archive's path. Whatever ends it, nothing in clear is left; what a power cut left goes first. In
 * the etcd image are etcdctl and, from 3.5 on, etcdutl: both run without anything else of the image.
 */
export function backupScript({ cluster, host, backup, printRecipient, printInventory }: BackupScript): string {
  const recipient = recipientHash(backup.recipient);
  const fixed = JSON.stringify({ format: 1, cluster, homelab: version, recipient, host: host.name }).slice(0, -1);
  return `umask 077
install -d -m 700 /var/lib/homelab ${backupFolder}
exec 9>/run/homelab-backup.lock
flock -w 300 9 || { echo 'homelab: another backup is at work' >&2; exit 1; }
etcd=$(pgrep -ox etcd) && [ -e /etc/kubernetes/manifests/etcd.yaml ] || { echo 'homelab: etcd does not run here' >&2; exit 1; }
root=/proc/$etcd/root
saved=$root/var/lib/etcd/homelab-backup.db
archive=
trap 'rm -rf ${work} "$saved" "$saved.part" \${archive:+"$archive.new"}' EXIT
trap 'exit 143' HUP INT TERM
rm -rf ${work} "$saved" "$saved.part" ${backupFolder}/.*.new
mkdir -p ${work}/parts/pki/etcd
cd ${work}
${etcdctl}
etcdctl endpoint health >/dev/null 2>&1 || { echo 'homelab: etcd here is not healthy' >&2; exit 1; }
for file in ${keyFiles.join(' ')}; do
  [ -e "/etc/kubernetes/pki/$file" ] || { echo "homelab: /etc/kubernetes/pki/$file is missing" >&2; exit 1; }
  cp "/etc/kubernetes/pki/$file" "parts/pki/$file"
done
encryption=$(sed -n 's/^ *- --encryption-provider-config=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
[ -z "$encryption" ] || cp "$encryption" parts/encryption.yaml
{ ${printInventory}
} > parts/inventory.yaml
${kubectl} get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}' > parts/cluster-configuration.yaml 2>/dev/null || true
etcdctl snapshot save /var/lib/etcd/homelab-backup.db --command-timeout=600s >/dev/null 2>said || { cat said >&2; exit 1; }
rm said
mv "$saved" parts/etcd.db
tool=$root/usr/local/bin/etcdutl
[ -x "$tool" ] || tool=$root/usr/local/bin/etcdctl
snapshot=$("$tool" snapshot status parts/etcd.db -w json 2>/dev/null)
(cd parts && find . -type f -exec sha256sum {} +) > sums
mv sums parts/SHA256SUMS
tar -C parts -czf plain .
sum() { printf '{"sha256":"%s","bytes":%s}' "$(sha256sum "$1" | cut -c1-64)" "$(stat -c %s "$1")"; }
plain=$(sum plain)
{ ${printRecipient}
} > recipient.crt
openssl cms -encrypt -binary -stream -outform DER -aes-256-gcm -recip recipient.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -in plain -out payload
rm plain
ca=$(openssl x509 -noout -pubkey -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum | cut -c1-64)
image() { sed -n "s/^ *image: .*\\/$1:v*\\([0-9][^@ ]*\\).*/\\1/p" "/etc/kubernetes/manifests/$1.yaml"; }
made=$(date -u +%Y-%m-%dT%H:%M:%SZ)
name=${sh(cluster)}-$(date -u -d "$made" +%Y%m%dT%H%M%SZ).backup
archive=${backupFolder}/.$name
{
  printf '%s,"made":"%s","caHash":"%s","kubernetes":"v%s","etcd":"%s"' ${sh(fixed)} "$made" "$ca" "$(image kube-apiserver)" "$(image etcd)"
  printf ',"snapshot":%s,"configuration":"%s","plain":%s,"payload":%s}\\n' "$snapshot" "$(base64 -w0 < parts/cluster-configuration.yaml)" "$plain" "$(sum payload)"
  cat payload
} > "$archive.new"
sync "$archive.new"
mv "$archive.new" ${backupFolder}/"$name"
find ${backupFolder} -maxdepth 1 -type f -name ${sh(`${cluster}-*Z.backup`)} | sort -r | tail -n +${backup.keep + 1} | xargs -r rm -f --
last="$made ${sh(host.name)} ${backupFolder}/$name"
echo "$last" > /var/lib/homelab/${backupLastKey}
{ ${kubectl} get configmap homelab || ${kubectl} create configmap homelab; } >/dev/null 2>&1 || true
${kubectl} patch configmap homelab --type merge -p "{\\"data\\":{\\"${backupLastKey}\\":\\"$last\\"}}" >/dev/null 2>&1 || true
echo ${backupFolder}/"$name"
`;
}
