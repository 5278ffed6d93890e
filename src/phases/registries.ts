// containerd's folder of registries: where each is asked first, whom it is trusted by, how it is logged in to.
import type { Registry, SecretRef } from '../model/cluster.ts';
import type { Resource } from '../model/plan.ts';
import { command, printing } from '../model/shell.ts';
import { registriesFolder as root } from '../resources/chart-source.ts';
import { file } from '../resources/file.ts';
import { oldRegistries } from '../resources/old-registries.ts';
import { secretFile } from '../resources/secret-file.ts';

/** First line of what is ours to change and to take away. */
const mark = '# Written by homelab from containerd.registries in the inventory.';

/** Read by containerd at each pull: nothing has to be restarted. */
export function registryFiles(registries: readonly Registry[]): readonly Resource[] {
  return [
    ...registries.flatMap(registry => [
      ...(registry.ca === undefined
        ? []
        : [file({ path: caOf(registry), name: `registry-${registry.host}-ca`, content: registry.ca })]),
      hostsFile(registry, registries),
    ]),
    oldRegistries({ root, mark, wanted: registries.map(({ host }) => host) }),
  ];
}

const caOf = ({ host }: Registry): string => `${root}/${host}/ca.crt`;

type Piece = string | { readonly variable: string; readonly username: string; readonly password: SecretRef };

function hostsFile(registry: Registry, registries: readonly Registry[]): Resource {
  const pieces = piecesOf(registry, registries);
  const path = `${root}/${registry.host}/hosts.toml`;
  const name = `registry-${registry.host}`;
  const title = `Tell containerd about ${registry.host}`;
  const shown = pieces.map(piece => (typeof piece === 'string' ? piece : '[redacted]')).join('');
  const logins = pieces.filter(piece => typeof piece !== 'string');
  if (logins.length === 0) return file({ path, name, title, content: shown });
  return secretFile({
    path,
    name,
    title,
    shown,
    secrets: Object.fromEntries(logins.map(({ variable, password }) => [variable, password])),
    content: pieces
      .map(piece =>
        typeof piece === 'string'
          ? printing(piece)
          : // printf is the shell's own: nothing of it is in anybody's argv.
            `${command('printf', '%s:%s', piece.username)} "$${piece.variable}" | base64 -w0\n`,
      )
      .join(''),
  });
}

// hosts.toml (containerd, docs/hosts.md): what stands before the first table is the registry itself, the tables are asked before it.
function piecesOf(registry: Registry, registries: readonly Registry[]): readonly Piece[] {
  const own = registry.host === 'docker.io' ? 'registry-1.docker.io' : registry.host;
  const trust = (of: Registry | undefined) => (of?.ca === undefined ? '' : `ca = "${caOf(of)}"\n`);
  const login = (of: Registry | undefined, table: string, variable: string): readonly Piece[] =>
    of?.credentials === undefined
      ? []
      : [`[${table}]\nAuthorization = "Basic `, { variable, ...of.credentials }, '"\n'];
  return [
    `${mark}\nserver = "https://${own}"\n${trust(registry)}`,
    ...login(registry, 'header', 'LOGIN'),
    ...registry.mirrors.flatMap((url, index) => {
      const mirror = registries.find(({ host }) => host === new URL(url).host);
      return [
        `[host."${url}"]\ncapabilities = ["pull", "resolve"]\n${trust(mirror)}`,
        ...login(mirror, `host."${url}".header`, `LOGIN_${index}`),
      ];
    }),
  ];
}
