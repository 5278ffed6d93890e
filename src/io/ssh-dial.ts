// The byte stream that SSH is spoken over.
import { connect as tcpConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import { bounded, seconds } from './bounded.ts';
import { cancelledError, classifyDial, connectError } from './ssh-errors.ts';
import type { Hop } from './ssh-route.ts';
import type { Link } from './ssh-watch.ts';

/** A byte stream to the machine's sshd: over TCP, or through the bastion `via` (ssh2 has no ProxyJump of its own). */
export function dial(
  hop: Hop,
  via: Link | undefined,
  options: { readonly deadline: number; readonly signal: AbortSignal | undefined },
): Promise<Duplex> {
  const work = via ? forward(hop, via) : dialTcp(hop);
  const ms = options.deadline - performance.now();
  return bounded(work.stream, {
    ms,
    signal: options.signal,
    late: () => connectError(hop, 'timeout', `no connection within ${seconds(ms)}`),
    aborted: () => cancelledError(hop.host),
  }).catch((error: unknown) => {
    work.cancel();
    throw classifyDial(hop, error);
  });
}

function dialTcp(hop: Hop): { readonly stream: Promise<Duplex>; cancel(): void } {
  const socket = tcpConnect({ host: hop.address, port: hop.port, noDelay: true });
  const stream = new Promise<Duplex>((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    // Stays on: between here and ssh2's own listener an error must not be uncaught.
    socket.on('error', reject);
  });
  return { stream, cancel: () => socket.destroy() };
}

function forward(hop: Hop, via: Link): { readonly stream: Promise<Duplex>; cancel(): void } {
  const stream = new Promise<Duplex>((resolve, reject) => {
    via.onLost(reason => reject(new Error(`the bastion was lost: ${reason}`)));
    via.client.forwardOut('127.0.0.1', 0, hop.address, hop.port, (error, channel) => {
      if (error) reject(error);
      else resolve(channel.on('error', () => {}));
    });
  });
  return { stream, cancel: () => stream.then(channel => channel.destroy()).catch(() => {}) };
}
