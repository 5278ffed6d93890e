// A run as a cassette: what every machine was asked and what it answered, in order, for tests without machines.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, LastingRemote } from '../model/ports.ts';
import { sh } from '../model/shell.ts';
import type { Goal } from '../model/world.ts';

/** One round trip. Secrets are redacted, and the random marks between fragments are named alike. */
export type Exchange =
  | {
      readonly script: string;
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
      /** Our clock when it was sent and when the answer was there, milliseconds. */
      readonly sentMs: number;
      readonly receivedMs: number;
    }
  | { readonly upload: string; readonly sha256: string };

export interface Cassette {
  readonly goal: Goal;
  readonly exchanges: Readonly<Record<string, readonly Exchange[]>>;
}

/** What stands for the mark that separates fragments: it is random in every command. */
export const markPlace = '@MARK@';
export const marks = /@[0-9a-f]{18}\b/g;

export interface Recorder {
  wrap(remote: LastingRemote): LastingRemote;
  /** Writes cassette.json into the folder, readable by its owner only. */
  close(): Promise<void>;
}

/** What stands for the run's own name, and for the person. */
export const anyRun = { run: '@RUN@', who: '@WHO@' };

export interface RecorderOptions {
  readonly folder: string;
  readonly goal: Goal;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
  readonly run: string;
  readonly who: string;
}

export function createRecorder({ folder, goal, clock, redact, run, who }: RecorderOptions): Recorder {
  const exchanges: Record<string, Exchange[]> = {};
  const clean = (text: string) =>
    redact(
      text
        .replace(marks, markPlace)
        .replaceAll(run, anyRun.run)
        .replaceAll(sh(who), sh(anyRun.who))
        .replaceAll(who, anyRun.who),
    );
  return {
    wrap(remote) {
      const mine: Exchange[] = [];
      exchanges[remote.host] = mine;
      return {
        host: remote.host,
        async exec(script, options) {
          const sentMs = clock.now();
          const { code, stdout, stderr, durationMs } = await remote.exec(script, options);
          // Signs of life come when the clock says, not when something was asked.
          if (options.beside) return { code, stdout, stderr, durationMs };
          mine.push({
            script: clean(script),
            code,
            stdout: clean(stdout),
            stderr: clean(stderr),
            sentMs,
            receivedMs: clock.now(),
          });
          return { code, stdout, stderr, durationMs };
        },
        async upload(localPath, remotePath, options) {
          await remote.upload(localPath, remotePath, options);
          mine.push({ upload: remotePath, sha256: options.sha256 });
        },
        reconnect: options => remote.reconnect(options),
        close: () => remote.close(),
      };
    },
    async close() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const cassette: Cassette = { goal, exchanges };
      await writeFile(join(folder, 'cassette.json'), `${JSON.stringify(cassette, null, 1)}\n`, { mode: 0o600 });
    },
  };
}
