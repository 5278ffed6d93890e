// A file with this content, mode and owner; written beside its place and moved there, so that no reader sees half of it.
import type { Resource, Risk } from '../model/plan.ts';
import { command, printing, sh } from '../model/shell.ts';
import { defineResource, textDiff } from './resource.ts';

/** A plain file with what a kind knows of its content, or why there is none. */
export type FileState<Held> =
  | ({ readonly mode: string; readonly owner: string } & Held)
  | 'absent'
  | 'not a plain file';

type Content = { readonly content: string };

export interface FileOptions {
  readonly path: string;
  readonly content: string;
  readonly name: string;
  readonly title?: string;
  /** Octal, as stat prints it: '644'. */
  readonly mode?: string;
  readonly risk?: Risk;
  /** What stood there before us is kept beside it, once, as PATH.homelab-before. */
  readonly keepBefore?: boolean;
}

/** Owned by root:root; mode 644 unless given. Parent folders are made with mode 755. */
export function file({
  path,
  content,
  name,
  title,
  mode = '644',
  risk = 'safe',
  keepBefore = false,
}: FileOptions): Resource {
  return defineResource<FileState<Content>>({
    key: `file:${path}`,
    name,
    title: title ?? `Write ${path}`,
    read: fileRead(path, command('base64', '-w0', '--', path)),
    parse: output => parseFileState(output, body => ({ content: Buffer.from(body, 'base64').toString('utf8') })),
    blank: 'absent',
    desired: { mode, owner: 'root:root', content },
    differences: observed => fileDifferences(path, observed, mode, held => held.content === content),
    act(observed) {
      const before = typeof observed === 'string' ? '' : observed.content;
      return {
        ...(before === content ? {} : { diff: textDiff(before, content) }),
        risk,
        action: {
          script: `${keepBefore ? keepScript(path) : ''}${writeScript(path, content, mode)}`,
          timeoutMs: 30_000,
        },
      };
    },
  });
}

/** Nothing of ours stands there. */
export function noFile({ path, name }: Pick<FileOptions, 'path' | 'name'>): Resource {
  return defineResource<boolean>({
    key: `file:${path}`,
    name,
    title: `Remove ${path}`,
    read: `if [ -e ${sh(path)} ] || [ -L ${sh(path)} ]; then echo there; else echo absent; fi\n`,
    parse: output => output.trim() === 'there',
    blank: false,
    desired: false,
    differences: observed => (observed ? [`${path} is there, and nothing in the inventory asks for it`] : []),
    act: () => ({ action: { script: `${command('rm', '-f', '--', path)}\n`, timeoutMs: 30_000 } }),
  });
}

function keepScript(path: string): string {
  const before = `${path}.homelab-before`;
  return `[ ! -f ${sh(path)} ] || [ -e ${sh(before)} ] || cp -a -- ${sh(path)} ${sh(before)}\n`;
}

/** The sh that writes `content` to `path` atomically, flushed to disk before it is visible. */
export function writeScript(path: string, content: string, mode: string): string {
  return replaceScript(path, `{ ${printing(content)}}`, mode);
}

/** The same for what an sh command prints. */
export function replaceScript(path: string, print: string, mode: string): string {
  const folder = path.slice(0, path.lastIndexOf('/')) || '/';
  return `[ -d ${sh(folder)} ] || ${command('install', '-d', '-m', '755', folder)}
umask 077
new=$(mktemp ${sh(`${folder}/.homelab.XXXXXX`)})
trap 'rm -f "$new"' EXIT
${print} > "$new"
chown root:root "$new"
chmod ${sh(mode)} "$new"
sync "$new"
mv -fT "$new" ${sh(path)}
`;
}

/** sh: what stands at `path`, and of a plain file what `held` prints of its content, one line. */
export function fileRead(path: string, held: string): string {
  return `if [ ! -e ${sh(path)} ] && [ ! -L ${sh(path)} ]; then echo absent
elif [ -f ${sh(path)} ] && [ ! -L ${sh(path)} ]; then stat -c 'plain %a %U:%G' -- ${sh(path)}; ${held}
else echo other; fi
`;
}

export function parseFileState<Held>(output: string, parseHeld: (line: string) => Held): FileState<Held> {
  const [head = '', body = ''] = output.split('\n');
  if (head === 'absent') return 'absent';
  if (head === 'other') return 'not a plain file';
  const [, mode, owner] = head.split(' ');
  if (!mode || !owner) throw new Error(`unexpected answer about a file: ${head}`);
  return { mode, owner, ...parseHeld(body) };
}

export function fileDifferences<Held>(
  path: string,
  observed: FileState<Held>,
  mode: string,
  isSame: (held: Held) => boolean,
): readonly string[] {
  if (observed === 'absent') return [`${path} is missing`];
  if (observed === 'not a plain file') return [`${path} is a link, folder or device`];
  return [
    ...(isSame(observed) ? [] : [`${path} differs`]),
    ...(observed.mode === mode ? [] : [`its mode is ${observed.mode}, not ${mode}`]),
    ...(observed.owner === 'root:root' ? [] : [`its owner is ${observed.owner}`]),
  ];
}
