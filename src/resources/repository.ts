// An apt repository: its key, its source and the packages that may come from it.
import type { Repository } from '../model/cluster.ts';
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import type { Facts } from '../model/world.ts';
import { file } from './file.ts';
import { defineResource } from './resource.ts';

/** `only`: packages that may come from there; everything else in it is pinned away. Empty: no pin. */
export function repository(
  name: string,
  wanted: Repository,
  only: readonly string[],
  facts: Facts,
): readonly Resource[] {
  const at = (text: string) => placed(text, facts);
  const keyring = `/etc/apt/keyrings/homelab-${name}.asc`;
  const url = at(wanted.url);
  return [
    ...keyResource(name, keyring, wanted.key.kind === 'url' ? { kind: 'url', url: at(wanted.key.url) } : wanted.key),
    file({
      path: `/etc/apt/sources.list.d/homelab-${name}.sources`,
      name: `${name}-repository`,
      title: `Add the apt repository of ${name}`,
      content: [
        'Types: deb',
        `URIs: ${url}`,
        `Suites: ${at(wanted.suite)}`,
        ...(wanted.components.length > 0 ? [`Components: ${wanted.components.join(' ')}`] : []),
        wanted.key.kind === 'none' ? 'Trusted: yes' : `Signed-By: ${keyring}`,
        '',
      ].join('\n'),
    }),
    ...(only.length > 0
      ? [
          file({
            path: `/etc/apt/preferences.d/homelab-${name}`,
            name: `${name}-repository-pin`,
            title: `Take nothing but ${only.join(', ')} from the repository of ${name}`,
            content: pin(originOf(url), only),
          }),
        ]
      : []),
  ];
}

/** A repository's address or suite for this machine: {os} and {codename} become its own. */
export function placed(text: string, { os }: Facts): string {
  return text.replaceAll('{os}', os.id).replaceAll('{codename}', os.codename);
}

function keyResource(name: string, keyring: string, key: Repository['key']): readonly Resource[] {
  switch (key.kind) {
    case 'none':
      return [];
    case 'text':
      return [file({ path: keyring, name: `${name}-repository-key`, content: key.text })];
    case 'url':
      return [
        defineResource<boolean>({
          key: `file:${keyring}`,
          name: `${name}-repository-key`,
          title: `Fetch the key of ${name}'s repository`,
          read: `if [ -s ${sh(keyring)} ]; then echo yes; else echo no; fi\n`,
          parse: output => output.trim() === 'yes',
          blank: false,
          desired: true,
          differences: observed => (observed ? [] : [`${keyring} is missing`]),
          act: () => ({
            action: {
              script: `install -d -m 755 /etc/apt/keyrings
new=$(mktemp /etc/apt/keyrings/.homelab.XXXXXX)
trap 'rm -f "$new"' EXIT
${command('/usr/lib/apt/apt-helper', '-o', 'Acquire::https::Timeout=30', 'download-file', key.url)} "$new" >&2
chmod 644 "$new"
sync "$new"
mv -fT "$new" ${sh(keyring)}
`,
              timeoutMs: 90_000,
            },
          }),
        }),
      ];
    default: {
      const never: never = key;
      return never;
    }
  }
}

// apt_preferences(5): a negative priority forbids, 'origin' is the host of the URI and empty for file:.
function pin(origin: string, only: readonly string[]): string {
  return `Package: *\nPin: origin "${origin}"\nPin-Priority: -1\n\nPackage: ${only.join(' ')}\nPin: origin "${origin}"\nPin-Priority: 700\n`;
}

function originOf(url: string): string {
  return url.startsWith('file:') ? '' : new URL(url).hostname;
}
