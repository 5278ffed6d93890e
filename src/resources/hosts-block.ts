// A few lines of ours inside a file that is not ours: a marked block in /etc/hosts.
import type { Resource } from '../model/plan.ts';
import { printing } from '../model/shell.ts';
import { defineResource, textDiff } from './resource.ts';

const begin = '# homelab: begin';
const end = '# homelab: end';

/** sh: prints our lines of a hosts file. */
export function blockIn(file: string): string {
  return `sed -n '/^${begin}$/,/^${end}$/{//!p;}' ${file}`;
}

/** Exactly these lines between our two marks; everything else in /etc/hosts stays as it is. */
export function hostsBlock(lines: readonly string[]): Resource {
  const desired = lines.map(line => `${line}\n`).join('');
  return defineResource<string>({
    key: 'block:/etc/hosts',
    name: 'hosts-names',
    title: 'Name the cluster endpoint in /etc/hosts',
    read: `${blockIn('/etc/hosts')}\n`,
    parse: output => (output === '' ? '' : `${output.trimEnd()}\n`),
    blank: '',
    desired,
    differences: observed => (observed === desired ? [] : ['our block in /etc/hosts differs']),
    act: observed => ({
      diff: textDiff(observed, desired),
      action: {
        script: `umask 022
new=$(mktemp /etc/.homelab.XXXXXX)
trap 'rm -f "$new"' EXIT
${withoutBlock} /etc/hosts > "$new"
{ ${printing(`${begin}\n${desired}${end}\n`)}} >> "$new"
chmod 644 "$new"
sync "$new"
mv -fT "$new" /etc/hosts
`,
        timeoutMs: 30_000,
      },
    }),
  });
}

// Prints the lines that are not ours, the last one with its newline. Where an end mark is missing, what follows is not ours to remove.
const withoutBlock = `awk '$0 == "${begin}" { printf "%s", held; held = ""; inside = 1; next }
inside && $0 == "${end}" { held = ""; inside = 0; next }
inside { held = held $0 "\\n"; next }
{ print }
END { printf "%s", held }'`;
