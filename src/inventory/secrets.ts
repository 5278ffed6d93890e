// References to secrets, the only form in which an inventory may hold one.
import type { SecretRef } from '../model/cluster.ts';
import type { Path, Problem } from './issue.ts';
import { expandPath, type Places, pathProblem } from './paths.ts';

const form = /^\$\{(env|file):([^}]*)\}$/;

/** True at and below `sudo`, `credentials` and `backup.key`: what stands there may be a secret and is never repeated. */
export function isSecret(path: Path): boolean {
  return path.includes('sudo') || path.includes('credentials') || path.slice(0, 2).join('/') === 'backup/key';
}

/** True where a reference to a secret is read. */
export function takesReference(path: Path): boolean {
  if (path.slice(-3).join('/') === 'ssh/sudo/password' || path.join('/') === 'backup/key') return true;
  return (
    path.length === 5 &&
    path.slice(0, 2).join('/') === 'containerd/registries' &&
    path.slice(3).join('/') === 'credentials/password'
  );
}

/** True for text with something that looks like a reference in it. */
export function holdsReference(text: string): boolean {
  return /\$\{(env|file):/i.test(text);
}

/** Never repeats the value: it may be the password itself. */
export function checkReference(value: string): Problem | undefined {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
  const expectation = 'expected a reference, ${env:NAME} or ${file:PATH}; a password itself does not belong here';
  const [, kind, target = ''] = form.exec(value) ?? [];
  if (kind === undefined) return { expectation };
  if (kind === 'env') {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(target)) return undefined;
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
    return { expectation: 'expected the name of an environment variable in ${env:NAME}: letters, digits, _' };
  }
  return pathProblem(target);
}

/** The reference in text that passed `checkReference`. */
export function parseReference(value: string, places: Places): SecretRef | undefined {
  const [, kind, target = ''] = form.exec(value) ?? [];
  if (kind === 'env') return { kind: 'env', name: target };
  return kind === 'file' ? { kind: 'file', path: expandPath(target, places) } : undefined;
}
