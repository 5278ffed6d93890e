// A file with secrets in it: compared on the machine, which answers same or different; what it holds is never read out.
import type { SecretRef } from '../model/cluster.ts';
import type { Resource, Risk } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { replaceScript } from './file.ts';
import { defineResource } from './resource.ts';

type SecretFileState =
  | { readonly mode: string; readonly owner: string; readonly same: boolean }
  | 'absent'
  | 'not a plain file';

export interface SecretFileOptions {
  readonly path: string;
  readonly name: string;
  readonly title?: string;
  /** sh: prints the content; the secrets are its variables. */
  readonly content: string;
  readonly secrets: Readonly<Record<string, SecretRef>>;
  /** The content as people see it, with marks where secrets are. */
  readonly shown: string;
  readonly risk?: Risk;
}

/** Owned by root:root, mode 600. */
export function secretFile({ path, name, title, content, secrets, shown, risk = 'safe' }: SecretFileOptions): Resource {
  const define = `content() {\n${content.endsWith('\n') ? content : `${content}\n`}}\n`;
  return defineResource<SecretFileState>({
    key: `file:${path}`,
    name,
    title: title ?? `Write ${path}`,
    secrets,
    read: `${define}if [ ! -e ${sh(path)} ] && [ ! -L ${sh(path)} ]; then echo absent
elif [ -f ${sh(path)} ] && [ ! -L ${sh(path)} ]; then
  stat -c 'plain %a %U:%G' -- ${sh(path)}
  if content | cmp -s - ${sh(path)}; then echo same; else echo different; fi
else echo other; fi
`,
    parse: parseState,
    blank: 'absent',
    desired: { mode: '600', owner: 'root:root', same: true },
    differences(observed) {
      if (observed === 'absent') return [`${path} is missing`];
      if (observed === 'not a plain file') return [`${path} is a link, folder or device`];
      return [
        ...(observed.same ? [] : [`${path} differs`]),
        ...(observed.mode === '600' ? [] : [`its mode is ${observed.mode}, not 600`]),
        ...(observed.owner === 'root:root' ? [] : [`its owner is ${observed.owner}`]),
      ];
    },
    act: () => ({
      diff: shown.trimEnd().replace(/^/gm, '+ '),
      risk,
      action: { script: `${define}${replaceScript(path, 'content', '600')}`, secrets, timeoutMs: 30_000 },
    }),
  });
}

function parseState(output: string): SecretFileState {
  const [head = '', verdict = ''] = output.split('\n');
  if (head === 'absent') return 'absent';
  if (head === 'other') return 'not a plain file';
  const [, mode, owner] = head.split(' ');
  if (!mode || !owner || !['same', 'different'].includes(verdict)) {
    throw new Error(`unexpected answer about a file: ${head}`);
  }
  return { mode, owner, same: verdict === 'same' };
}
