// An open connection, watched until it ends: whoever waits on it hears why.
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { seconds } from './bounded.ts';

export interface Link {
  readonly host: string;
  readonly client: Client;
  /** Why the connection ended; undefined while it lives. */
  lost(): string | undefined;
  /** Calls once when it ends, at once when it has ended; returns how to stop listening. */
  onLost(listener: (reason: string) => void): () => void;
  /** Ends it, also when the peer is silent. */
  close(): Promise<void>;
}

// node-ssh takes its `error` listener away once the login is done, so that a reset would be an uncaught exception:
// https://github.com/steelbrain/node-ssh src/index.ts. This listener stays.
export function watch(
  host: string,
  client: Client,
  socket: Duplex,
  options: { readonly keepaliveMs: number; readonly closeMs: number },
): Link {
  const listeners = new Set<(reason: string) => void>();
  let reason: string | undefined;
  let closing: Promise<void> | undefined;
  const end = (why: string) => {
    if (reason !== undefined) return;
    reason = why;
    for (const listener of listeners) listener(why);
    listeners.clear();
  };
  client.setMaxListeners(0);
  client.on('error', error => end(reasonOf(error, options.keepaliveMs)));
  client.on('end', () => end('the machine closed the connection'));
  client.on('close', () => end('the connection was closed'));
  return {
    host,
    client,
    lost: () => reason,
    onLost(listener) {
      if (reason !== undefined) listener(reason);
      else listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      end('homelab closed it');
      closing ??= hangUp(client, socket, options.closeMs);
      return closing;
    },
  };
}

// ssh2's own destroy() does nothing once end() was called, so a silent peer would keep the process alive: the socket is ours.
async function hangUp(client: Client, socket: Duplex, closeMs: number): Promise<void> {
  if (!socket.destroyed) {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, closeMs);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      client.end();
    });
  }
  socket.destroy();
}

function reasonOf(error: Error, keepaliveMs: number): string {
  if (error.message === 'Keepalive timeout') return `it has not answered for ${seconds(3 * keepaliveMs)}`;
  if (/ECONNRESET/.test(error.message)) return 'connection reset';
  return error.message;
}
