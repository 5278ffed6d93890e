// A machine behind a plain Remote: works run in place, and nobody else wants it. For tests of what is done, not of who may.
import type { Station } from '../src/engine/station.ts';
import type { ExecResult, Remote } from '../src/model/ports.ts';

const granted: ExecResult = { code: 0, stdout: '', stderr: '', durationMs: 0 };

export function plainStation(remote: Remote): Station {
  return {
    host: remote.host,
    ask: async () => granted,
    work: ({ script }, _run, _asker, options) => remote.exec(script, options),
    wait: async () => granted,
    exec: (script, options) => remote.exec(script, options),
    upload: ({ localPath, remotePath, sha256 }, _run, _asker, options) =>
      remote.upload(localPath, remotePath, { ...options, sha256 }),
    reconnect: async () => undefined,
    close: () => remote.close(),
  };
}

/** Sleeps until somebody wakes it: time stands still. */
export const endlessSleep = (_: number, signal?: AbortSignal): Promise<void> =>
  new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('woken')), { once: true });
  });
