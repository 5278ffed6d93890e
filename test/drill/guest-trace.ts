// Every program that starts in a lab machine, with its arguments and environment: strace of all that runs there, from outside.
import { readdir, readlink } from 'node:fs/promises';
import { execa } from 'execa';
import { readText } from '../lab/files.ts';
import type { Lab } from '../lab/machines.ts';
import { until } from '../lab/run.ts';

export interface Trace {
  readonly file: string;
  /** Detaches; what runs goes on. */
  stop(): Promise<void>;
}

/** Attached to process 1, sshd and whatever else runs: all that starts later is a child of one of them. */
export async function traceGuest(lab: Lab, host: string, file: string): Promise<Trace> {
  const namespace = await readlink(`/proc/${await lab.init(host)}/ns/pid`);
  const all = (await readdir('/proc')).filter(name => /^[0-9]+$/.test(name));
  const mine = await Promise.all(
    all.map(async pid => ((await readlink(`/proc/${pid}/ns/pid`).catch(() => '')) === namespace ? [pid] : [])),
  );
  const pids = mine.flat();
  const child = execa(
    'strace',
    [
      '-f',
      '-v',
      '-qq',
      '-e',
      'trace=execve',
      '-e',
      'signal=none',
      '-s',
      '4096',
      '-o',
      file,
      ...pids.flatMap(pid => ['-p', pid]),
    ],
    { reject: false, stdin: 'ignore' },
  );
  await until(async () => (await readText(`/proc/${pids[0]}/status`))?.match(/^TracerPid:\t[1-9]/m) !== null, {
    timeoutMs: 10_000,
    what: `strace to watch ${host}`,
  });
  return {
    file,
    stop: async () => {
      child.kill('SIGINT');
      await child;
    },
  };
}
