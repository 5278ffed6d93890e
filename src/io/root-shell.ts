// Runs something as root over a connection: the conversation with sudo and the loader, and what came of it.
import type { ClientChannel } from 'ssh2';
import { type Collected, runChannel } from './ssh-channel.ts';
import type { Link } from './ssh-watch.ts';
import { asksAgain, type RootWay, rootCommand, sentinel, started, sudoError } from './sudo.ts';

export interface Timings {
  /** Between keepalives; three without an answer end the connection. */
  readonly keepaliveMs: number;
  /** After the remote deadline, until we stop believing in the machine. */
  readonly graceMs: number;
  readonly lingerMs: number;
  /** For a close that the peer does not answer. */
  readonly closeMs: number;
}

export interface RootResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface RootRun {
  readonly loader: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly timings: Timings;
  /** Sends what follows the sentinel, and ends stdin now or later. */
  send(channel: ClientChannel): void;
  /** Everything on stdout since the start, as it grows. */
  onOutput?(channel: ClientChannel, stdout: Buffer): void;
}

const limitBytes = 64 * 1024 * 1024;

export async function runAsRoot(link: Link, way: RootWay, run: RootRun): Promise<RootResult> {
  const begin = performance.now();
  let sent = false;
  const send = (channel: ClientChannel) => {
    sent = true;
    channel.write(`${sentinel}\n`);
    run.send(channel);
  };
  const ended = await runChannel(link, rootCommand(way, run.timeoutMs, run.loader), {
    ms: run.timeoutMs + run.timings.graceMs,
    signal: run.signal,
    lingerMs: run.timings.lingerMs,
    limitBytes,
    onOpen(channel) {
      // With a password nothing else is sent before we are root: sudo would take it for further attempts, and lock the account.
      if (way.kind === 'sudo-password') channel.write(`${way.password}\n`);
      else send(channel);
    },
    onOutput(channel, stdout, stderr) {
      if (way.kind === 'sudo-password' && !sent) {
        if (afterStart(stdout) !== undefined) send(channel);
        else if (asksAgain(stderr.whole().toString('utf8'))) channel.end();
      }
      if (run.onOutput) {
        const output = afterStart(stdout);
        if (output !== undefined) run.onOutput(channel, output);
      }
    },
  });
  const durationMs = performance.now() - begin;
  const stdout = cutStart(ended.stdout);
  const stderr = cutStart(ended.stderr) ?? ended.stderr;
  // A script that ignored TERM was killed five seconds later: the deadline struck all the same.
  const late = durationMs >= run.timeoutMs && (ended.code === 124 || ended.code === 137);
  if (stdout === undefined && !late) throw sudoError(link.host, way, ended.code, stderr.toString('utf8'));
  return {
    code: late ? 124 : ended.code,
    stdout: stdout?.toString('utf8') ?? '',
    stderr: stderr.toString('utf8'),
    durationMs,
  };
}

function afterStart(stdout: Collected): Buffer | undefined {
  return cutStart(stdout.whole());
}

function cutStart(output: Buffer): Buffer | undefined {
  const mark = `${started}\n`;
  const at = output.indexOf(mark);
  return at < 0 ? undefined : output.subarray(at + mark.length);
}
