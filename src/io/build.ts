// Which build this is: the commit of the working copy that it runs from. Unknown where it was installed otherwise.
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** '5f5d24d', '5f5d24d with changes', 'unknown'. */
export async function commitHere(from = dirname(fileURLToPath(import.meta.url))): Promise<string> {
  let root = from;
  while (!existsSync(join(root, 'package.json')) && dirname(root) !== root) root = dirname(root);
  // Somebody else's repository that it lies in says nothing of it.
  const top = await git(root, 'rev-parse', '--show-toplevel');
  if (top === undefined || realpathSync(top) !== realpathSync(root)) return 'unknown';
  const [commit, changes] = await Promise.all([
    git(root, 'rev-parse', '--short', 'HEAD'),
    git(root, 'status', '--porcelain', '--untracked-files=no'),
  ]);
  if (commit === undefined) return 'unknown';
  return changes === '' ? commit : `${commit} with changes`;
}

function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  return new Promise(resolve => {
    execFile('git', ['-C', folder, ...args], { timeout: 5_000 }, (error, stdout) =>
      resolve(error ? undefined : stdout.trim()),
    );
  });
}
