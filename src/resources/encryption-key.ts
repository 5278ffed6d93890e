// The key that the API server encrypts Secrets in etcd with. It is made on the machine and never leaves it.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

/** 'MODE OWNER:GROUP' of the file, or 'absent'. What is in it is never read, and never written twice. */
type State = string;

/** `mayMake`: before init only. A key that is lost later cannot be made again. */
export function encryptionKey(path: string, { mayMake }: { readonly mayMake: boolean }): Resource {
  const folder = path.slice(0, path.lastIndexOf('/'));
  const desired: State = '600 root:root';
  return defineResource<State>({
    key: `encryption-key:${path}`,
    name: 'encryption-key',
    title: 'Make the key that Secrets are encrypted with',
    read: `[ ! -e ${sh(path)} ] || stat -c '%a %U:%G' -- ${sh(path)}\n`,
    parse: output => output.trim() || 'absent',
    blank: 'absent',
    desired,
    differences(observed) {
      if (observed === desired) return [];
      return [observed === 'absent' ? 'there is no key yet' : `${path} is ${observed}, not ${desired}`];
    },
    act: observed => ({
      action: {
        script:
          observed !== 'absent'
            ? `${command('chown', 'root:root', '--', path)}\n${command('chmod', '600', '--', path)}\n`
            : mayMake
              ? makeScript(path, folder)
              : `echo ${sh(`homelab: ${path} is gone`)} >&2\nexit 1\n`,
        timeoutMs: 30_000,
        explain: [
          {
            pattern: /homelab: (\S+) is gone/,
            message: 'the key that Secrets are encrypted with is gone from $1',
            hint: 'put it back from a backup before the API server restarts: without it no Secret can be read',
          },
        ],
      },
    }),
  });
}

// secretbox: XSalsa20 and Poly1305 over 32 bytes of the kernel's randomness. `identity` last reads what was written before.
// ln, not mv: a key that came to be in the meantime is kept.
function makeScript(path: string, folder: string): string {
  return `umask 077
${command('install', '-d', '-m', '700', folder)}
new=$(mktemp ${sh(`${folder}/.homelab.XXXXXX`)})
trap 'rm -f "$new"' EXIT
{
  cat <<'BEGIN'
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - name: key1
BEGIN
  printf '              secret: '
  head -c 32 /dev/urandom | base64
  echo '      - identity: {}'
} > "$new"
sync "$new"
ln -T "$new" ${sh(path)}
`;
}
