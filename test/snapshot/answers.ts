// What a machine says of itself: packages, units, sysctls, routes, firewall rules, images. One script, its parts read here.
import type { Items } from './snapshot.ts';

/** sh: every part begins with a line `=== NAME`. Parts of what is not installed are empty. */
export const questions = `part() { printf '=== %s\\n' "$1"; }
part packages
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Want} \${db:Status-Status}\\n'
part 'unit files'
systemctl list-unit-files --no-legend --no-pager --plain
part units
systemctl list-units --all --no-legend --no-pager --plain --full
part sysctls
cat /etc/sysctl.d/*.conf | sed -n 's/^\\([a-z][A-Za-z0-9_.-]*\\) *=.*/\\1/p' | sort -u | while read -r name; do
  echo "$name $(cat "/proc/sys/$(echo "$name" | tr . /)" 2>/dev/null || echo none)"
done
for name in net.ipv4.ip_forward vm.overcommit_memory kernel.panic kernel.panic_on_oops; do
  echo "$name $(cat "/proc/sys/$(echo "$name" | tr . /)")"
done
part routes
ip -4 route show
part addresses
ip -4 -oneline address show
part firewall
if command -v iptables-save >/dev/null; then iptables-save; ip6tables-save; fi
part images
if systemctl is-active --quiet containerd; then ctr -n k8s.io images ls; fi
part end
`;

type Words = (text: string) => string;

/** Units that come and go with pods, containers, logins and devices. */
const passing =
  /\.(device|scope|automount)$|^(run-containerd|run-netns|run-user|run-credentials|var-lib-kubelet-pods|sys-|proc-)|^(session|user|user-runtime-dir)[-@]|^kubepods.*-pod|^systemd-(tmpfiles-clean|hostnamed|timedated)\\./;

export function answersOf(output: string, words: Words): Readonly<Record<string, Items>> {
  const parts = words(output)
    .split(/^=== /m)
    .slice(1)
    .map(part => [part.slice(0, part.indexOf('\n')), part.split('\n').slice(1).filter(Boolean)] as const);
  if (parts.at(-1)?.[0] !== 'end') throw new Error(`the machine's answer was cut off:\n${output.slice(-500)}`);
  return Object.fromEntries(parts.slice(0, -1).map(([name, lines]) => [name, readers[name]?.(lines) ?? {}]));
}

const readers: Readonly<Record<string, (lines: readonly string[]) => Items>> = {
  packages: lines => keyed(lines),
  'unit files': lines => keyed(lines.filter(line => !passing.test(line.split(/\s+/)[0] ?? ''))),
  units: lines =>
    keyed(
      lines
        .map(line =>
          line
            .trim()
            .replace(/^[●×○] */, '')
            .split(/\s+/)
            .slice(0, 4),
        )
        // What is loaded and inactive is there because somebody asked about it.
        .filter(([unit = '', , active]) => !passing.test(unit) && active !== 'inactive')
        .map(fields => fields.join(' ')),
    ),
  sysctls: lines => keyed(lines),
  // No pod on its bridge: where CoreDNS runs is the scheduler's to say.
  routes: lines => set(lines.map(line => line.replace(/ linkdown\b/, ''))),
  addresses: lines => set(lines.filter(line => !line.includes(' veth')).map(line => line.replace(/^\d+: /, ''))),
  // kube-proxy's and CNI's own chains name pods' addresses; which jump into them are there is theirs too.
  firewall: lines => set(lines.filter(line => /^-A/.test(line) && !/KUBE-|CNI-/.test(line))),
  images: lines =>
    keyed(
      lines.slice(1).map(line => {
        const [ref = '', , digest = '', , , , ...labels] = line.trim().split(/\s+/);
        return `${ref} ${digest} ${labels.join(' ')}`;
      }),
    ),
};

function keyed(lines: readonly string[]): Items {
  return Object.fromEntries(
    lines.map(line => {
      const [key = '', ...rest] = line.trim().split(/\s+/);
      return [key, rest.join(' ')];
    }),
  );
}

function set(lines: readonly string[]): Items {
  return Object.fromEntries(lines.map(line => [line.trim(), 'there']));
}
