// A machine whose connection may be had anew: what was asked of it goes to whichever connection there is.
import type { Host } from '../model/cluster.ts';
import type { Clock, Connect, ExecOptions, LastingRemote } from '../model/ports.ts';
import { connectPatiently } from './patience.ts';

/** The first connection is made at once, as `connect` makes it; later ones are waited for. */
export async function connectLasting(
  connect: Connect,
  host: Host,
  options: ExecOptions,
  clock: Clock,
): Promise<LastingRemote> {
  let current = await connect(host, options);
  return {
    host: host.name,
    exec: (script, execOptions) => current.exec(script, execOptions),
    upload: (localPath, remotePath, uploadOptions) => current.upload(localPath, remotePath, uploadOptions),
    async reconnect({ timeoutMs, signal }) {
      await current.close();
      current = await connectPatiently(connect, host, { timeoutMs, clock, ...(signal ? { signal } : {}) });
    },
    close: () => current.close(),
  };
}
