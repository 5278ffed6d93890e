// The certificate that a kubelet logs in with. It renews it itself while it is valid; once it has ended, the kubelet does not even start.
import type { Resource } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { kubeletClient } from './certificates.ts';
import { defineResource } from './resource.ts';

const ca = '/etc/kubernetes/pki/ca';
const file = sh(kubeletClient);

/** On a control plane, where the CA's key is: a new one for the same name, signed as the controller manager would. */
export function kubeletLogin(): Resource {
  return defineResource<string>({
    key: 'certificates:kubelet',
    name: 'kubelet',
    title: 'Give the kubelet a certificate to log in with',
    read: `if [ ! -e ${file} ] || [ ! -e ${ca}.key ]; then echo none
elif openssl x509 -noout -checkend 0 -in ${file} >/dev/null; then echo valid
else echo ended; fi
`,
    parse: output => output.trim(),
    blank: 'none',
    desired: 'valid',
    differences: observed =>
      observed === 'ended' ? [`${kubeletClient} has ended, and the kubelet starts no more`] : [],
    act: () => ({
      risk: 'disruptive',
      action: {
        script: `umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
subject=$(openssl x509 -noout -subject -nameopt compat -in ${file} | sed 's/^subject= *//')
case $subject in
  /O=system:nodes/CN=system:node:*) ;;
  *) echo "homelab: ${kubeletClient} is for $subject, which is no node" >&2; exit 1 ;;
esac
openssl req -new -newkey rsa:2048 -nodes -keyout "$work/key" -subj "$subject" -out "$work/request" 2>/dev/null
printf 'keyUsage=critical,digitalSignature\\nextendedKeyUsage=clientAuth\\nbasicConstraints=critical,CA:FALSE\\n' >"$work/usage"
openssl x509 -req -in "$work/request" -CA ${ca}.crt -CAkey ${ca}.key -set_serial "0x$(openssl rand -hex 16)" -days 365 -sha256 -extfile "$work/usage" -out "$work/certificate" 2>/dev/null
fresh=${file.replace('current', '$(date +%Y-%m-%d-%H-%M-%S)')}
cat "$work/certificate" "$work/key" >"$fresh"
sync "$fresh"
ln -sfn "$fresh" ${file}.new
mv -fT ${file}.new ${file}
systemctl restart kubelet.service
`,
        timeoutMs: 120_000,
      },
    }),
  });
}
