// Mode and owner of files that other programs write, and of folders; what is in them is not ours.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface Permission {
  readonly path: string;
  /** Octal, as stat prints it: '600'. */
  readonly mode: string;
  /** root where none is given. Another one is made as a system user of this name, with its group. */
  readonly owner?: string;
  /** A folder is made where it is missing; a file that is missing is an error. */
  readonly isFolder?: boolean;
}

export interface PermissionsOptions {
  readonly name: string;
  readonly title: string;
  readonly paths: readonly Permission[];
  /** Keys of resources that bring the files anew, with a mode of their own. */
  readonly inputs?: readonly string[];
}

/** Path → 'MODE OWNER:GROUP', or 'absent'. */
type State = { readonly [path: string]: string };

export function permissions({ name, title, paths, inputs = [] }: PermissionsOptions): Resource {
  const desired: State = Object.fromEntries(paths.map(each => [each.path, wantedOf(each)]));
  const wrong = (observed: State) => paths.filter(({ path }) => observed[path] !== desired[path]);
  return defineResource<State>({
    key: `permissions:${name}`,
    name,
    title,
    read: `${command('stat', '-c', '%a %U:%G %n', '--', ...paths.map(({ path }) => path))} 2>/dev/null || true\n`,
    parse(output) {
      const found = new Map(
        output
          .split('\n')
          .map(line => /^(\d+ \S+) (.+)$/.exec(line))
          .flatMap(match => (match ? [[match[2] ?? '', match[1] ?? '']] : [])),
      );
      return Object.fromEntries(paths.map(({ path }) => [path, found.get(path) ?? 'absent']));
    },
    blank: Object.fromEntries(paths.map(({ path }) => [path, 'absent'])),
    desired,
    inputs,
    differences: (observed, stale) => [
      ...wrong(observed).map(({ path }) =>
        observed[path] === 'absent' ? `${path} is missing` : `${path} is ${observed[path]}, not ${desired[path]}`,
      ),
      ...(stale.length > 0 ? [`${paths.map(({ path }) => path).join(', ')} may come anew`] : []),
    ],
    act: (observed, stale) => ({
      diff: wrong(observed)
        .map(({ path }) => `- ${observed[path]} ${path}\n+ ${desired[path]} ${path}`)
        .join('\n'),
      action: {
        script: (stale.length > 0 ? paths : wrong(observed)).map(applyScript).join(''),
        timeoutMs: 30_000,
      },
    }),
  });
}

function wantedOf({ mode, owner = 'root' }: Permission): string {
  return `${mode} ${owner}:${owner}`;
}

// What is right already is not touched: kubeadm may have made it since, and a chmod moves the file's change time.
function applyScript(permission: Permission): string {
  const { path, mode, owner = 'root', isFolder = false } = permission;
  const group = `${owner}:${owner}`;
  const user = `getent passwd ${sh(owner)} >/dev/null || ${command('useradd', '--system', '--user-group', '--no-create-home', '--home-dir', path, '--shell', '/usr/sbin/nologin', owner)}\n`;
  return `${owner === 'root' ? '' : user}${isFolder ? `[ -d ${sh(path)} ] || ${command('install', '-d', '-m', mode, path)}\n` : ''}[ "$(stat -c '%a %U:%G' -- ${sh(path)})" = ${sh(wantedOf(permission))} ] || {
  ${command('chown', group, '--', path)}
  ${command('chmod', mode, '--', path)}
}
`;
}
