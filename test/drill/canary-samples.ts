// What is there only for a moment: command lines, as `ps` shows them, and the files that a run lays down and takes away.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Lab } from '../lab/machines.ts';
import { pause } from '../lab/run.ts';

export interface Samples {
  readonly commandLines: ReadonlySet<string>;
  /** Of temporary folders and of homelab's own, in every machine. */
  readonly passingFiles: ReadonlySet<string>;
}

const passing = ['tmp', 'var/tmp', 'run/homelab', 'run/systemd/transient'];

/** Looks again and again until it is stopped. */
export async function sample(lab: Lab): Promise<{ stop(): Promise<Samples> }> {
  const roots = await Promise.all(lab.hosts.map(async ({ name }) => `/proc/${await lab.init(name)}/root`));
  const [commandLines, passingFiles] = [new Set<string>(), new Set<string>()];
  let isOver = false;
  const sampling = (async () => {
    while (!isOver) {
      for (const pid of (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name)))
        commandLines.add(await textOf(`/proc/${pid}/cmdline`));
      for (const root of roots) for (const folder of passing) await readAll(path.join(root, folder), passingFiles);
      await pause(500);
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await sampling;
      return { commandLines, passingFiles };
    },
  };
}

async function readAll(folder: string, into: Set<string>): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) await readAll(file, into);
    else if (entry.isFile()) into.add(await textOf(file));
  }
}

/** Gone in the meantime is nothing to be seen. */
async function textOf(file: string): Promise<string> {
  return readFile(file, 'latin1').catch(() => '');
}
