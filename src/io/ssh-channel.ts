// One remote command on one connection: it ends with an exit status or a signal, or it is an error; it never hangs.
import type { ClientChannel } from 'ssh2';
import { HomelabError } from '../model/errors.ts';
import { cancelledError, connectError, lostError } from './ssh-errors.ts';
import type { Link } from './ssh-watch.ts';

/** Output as it comes: bytes, decoded once at the end because UTF-8 may be cut by a chunk's edge. */
export class Collected {
  readonly chunks: Buffer[] = [];
  bytes = 0;

  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  }

  whole(): Buffer {
    return this.chunks.length === 1 && this.chunks[0] ? this.chunks[0] : Buffer.concat(this.chunks);
  }
}

export interface Ended {
  /** The exit status; 128 plus the signal's number for a command that a signal killed. */
  readonly code: number;
  readonly signal: string | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface ChannelOptions {
  /** Local deadline: by then the remote one should have struck long ago. */
  readonly ms: number;
  readonly signal: AbortSignal | undefined;
  /** How long a command that has exited may keep its output open without using it (a child in the background does). */
  readonly lingerMs: number;
  readonly limitBytes: number;
  onOpen(channel: ClientChannel): void;
  onOutput?(channel: ClientChannel, stdout: Collected, stderr: Collected): void;
}

export function runChannel(link: Link, commandLine: string, options: ChannelOptions): Promise<Ended> {
  return new Promise<Ended>((resolve, reject) => {
    const stdout = new Collected();
    const stderr = new Collected();
    let channel: ClientChannel | undefined;
    let exit: { readonly code: number | null; readonly signal: string | undefined } | undefined;
    let linger: NodeJS.Timeout | undefined;
    let settled = false;

    const settle = (outcome: () => void) => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      clearTimeout(linger);
      stopWatching();
      options.signal?.removeEventListener('abort', abort);
      outcome();
      channel?.close();
    };
    const fail = (error: HomelabError) => settle(() => reject(error));
    const finish = () => {
      const code = exit?.code ?? signalCode(exit?.signal);
      // Neither status nor signal: the channel went away under the command. https://github.com/mscdex/ssh2/issues/1105
      if (code === undefined)
        return fail(lostError(link.host, link.lost() ?? 'the command ended without an exit status'));
      settle(() => resolve({ code, signal: exit?.signal, stdout: stdout.whole(), stderr: stderr.whole() }));
    };
    const abort = () => fail(cancelledError(link.host));
    const silent = `the command still had not ended after ${Math.round(options.ms / 1000)} s, long past its own deadline there`;
    const deadline = setTimeout(() => fail(lostError(link.host, silent)), options.ms);
    // A moment's grace: what arrived with the last packets before the end of the connection is still on its way up.
    let stopWatching: () => void = () => {};
    stopWatching = link.onLost(reason => {
      setTimeout(() => fail(lostError(link.host, reason)), 50);
    });
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted) return abort();

    const rest = () => {
      clearTimeout(linger);
      if (exit !== undefined) linger = setTimeout(finish, options.lingerMs);
    };
    const take = (into: Collected, name: string) => (chunk: Buffer) => {
      if (settled) return;
      into.add(chunk);
      if (into.bytes > options.limitBytes) return fail(tooMuch(link.host, name, options.limitBytes));
      rest();
      if (channel) options.onOutput?.(channel, stdout, stderr);
    };

    try {
      link.client.exec(commandLine, (error, opened) => {
        if (error) {
          if (link.lost() === undefined) fail(noSession(link, error));
          return;
        }
        channel = opened;
        // After we lost interest, a late error (write after end) must not become an uncaught exception.
        opened.on('error', () => {});
        opened.stderr.on('error', () => {});
        if (settled) return void opened.close();
        opened.on('data', take(stdout, 'stdout'));
        opened.stderr.on('data', take(stderr, 'stderr'));
        opened.on('exit', (code: number | null, signal?: string) => {
          exit = { code, signal };
          rest();
        });
        opened.on('close', finish);
        options.onOpen(opened);
      });
    } catch (error) {
      fail(lostError(link.host, link.lost() ?? (error instanceof Error ? error.message : String(error))));
    }
  });
}

function noSession(link: Link, error: Error): HomelabError {
  const place = { host: link.host, label: link.host, address: link.host, port: 22 };
  return connectError(place, 'session', error.message, error);
}

function tooMuch(host: string, stream: string, limitBytes: number): HomelabError {
  const limit = `${Math.round(limitBytes / 1024 / 1024)} MiB`;
  return new HomelabError('HL_STEP_FAILED', `a command on ${host} printed more than ${limit} to ${stream}`, {
    hint: 'this is not expected of any step: see what the machine prints with -v and report it',
    context: { host },
  });
}

const signals: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

// The machine's numbers (Linux), not those of the computer we run on.
function signalCode(signal: string | undefined): number | undefined {
  return signal === undefined ? undefined : 128 + (signals[signal] ?? 0);
}
