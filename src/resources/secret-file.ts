// A file with secrets in it: compared on the machine, which answers same or different; what it holds is never read out.
import type { SecretRef } from '../model/cluster.ts';
import type { Resource, Risk } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { type FileState, fileDifferences, fileRead, parseFileState, replaceScript } from './file.ts';
import { defineResource } from './resource.ts';

type Verdict = { readonly same: boolean };

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
  return defineResource<FileState<Verdict>>({
    key: `file:${path}`,
    name,
    title: title ?? `Write ${path}`,
    secrets,
    read: `${define}${fileRead(path, `if content | cmp -s - ${sh(path)}; then echo same; else echo different; fi`)}`,
    parse: output => parseFileState(output, parseVerdict),
    blank: 'absent',
    desired: { mode: '600', owner: 'root:root', same: true },
    differences: observed => fileDifferences(path, observed, '600', ({ same }) => same),
    act: () => ({
      diff: shown.trimEnd().replace(/^/gm, '+ '),
      risk,
      action: { script: `${define}${replaceScript(path, 'content', '600')}`, secrets, timeoutMs: 30_000 },
    }),
  });
}

function parseVerdict(line: string): Verdict {
  if (!['same', 'different'].includes(line)) throw new Error(`unexpected answer about a file: ${line}`);
  return { same: line === 'same' };
}
