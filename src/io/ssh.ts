// How we talk to machines: one connection a host, one remote command at a time, as root, in POSIX sh.
import type { Host, SecretRef } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import type { Connect, ConnectOptions, ExecOptions, ExecResult, Remote } from '../model/ports.ts';
import { runAsRoot, type Timings } from './root-shell.ts';
import type { SshEnv } from './ssh-config.ts';
import { cancelledError, lostError } from './ssh-errors.ts';
import { openLink, type TrustNewHostKeys } from './ssh-link.ts';
import { resolveRoute } from './ssh-route.ts';
import type { Link } from './ssh-watch.ts';
import { type RootWay, scriptLoader } from './sudo.ts';
import { uploadFile } from './upload.ts';

export interface ConnectSettings {
  /** Accept keys of machines that no known_hosts file knows, and save them. A changed key is refused all the same. */
  readonly trustNewHostKeys: TrustNewHostKeys;
  readonly resolveSecret: (ref: SecretRef) => Promise<string>;
  readonly env: SshEnv;
  readonly onNote: (text: string) => void;
  readonly timings?: Partial<Timings>;
}

const defaultTimings: Timings = { keepaliveMs: 10_000, graceMs: 15_000, lingerMs: 5_000, closeMs: 2_000 };

export function createConnect(settings: ConnectSettings): Connect {
  const timings = { ...defaultTimings, ...settings.timings };
  return async (host: Host, options: ConnectOptions): Promise<Remote> => {
    if (options.signal?.aborted) throw cancelledError(host.name);
    const begun = performance.now();
    const route = await resolveRoute(host, settings.env);
    const way = await rootWay(host, route.at(-1)?.user ?? 'root', settings);
    const links: Link[] = [];
    try {
      for (const hop of route) {
        links.push(
          await openLink(hop, links.at(-1), {
            deadline: begun + options.timeoutMs,
            loginDeadline: begun + (options.loginMs ?? options.timeoutMs),
            signal: options.signal,
            trustNewHostKeys: settings.trustNewHostKeys,
            onNote: settings.onNote,
            keepaliveMs: timings.keepaliveMs,
            closeMs: timings.closeMs,
          }),
        );
      }
    } catch (error) {
      await closeAll(links);
      throw error;
    }
    return remoteOver(links, way, timings);
  };
}

async function rootWay(host: Host, user: string, settings: ConnectSettings): Promise<RootWay> {
  if (user === 'root') return { kind: 'root' };
  const ref = host.ssh.sudoPassword;
  if (ref === undefined) return { kind: 'sudo', user };
  const password = (await settings.resolveSecret(ref)).replace(/\r?\n$/, '');
  if (password === '' || /[\r\n\0]/.test(password)) {
    throw new HomelabError('HL_SUDO', `the sudo password of ${host.name} is empty or has several lines`, {
      hint: `ssh.sudo.password of ${host.name} must name a secret of one line`,
      context: { host: host.name },
    });
  }
  return { kind: 'sudo-password', user, password };
}

function remoteOver(links: readonly Link[], way: RootWay, timings: Timings): Remote {
  const link = links.at(-1);
  if (!link) throw new Error('a route has at least the machine itself');
  // sshd opens ten sessions a connection at most (MaxSessions): everything queues here.
  let last: Promise<unknown> = Promise.resolve();
  const besides = async <T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    if (signal?.aborted) throw cancelledError(link.host);
    const lost = link.lost();
    if (lost !== undefined) throw lostError(link.host, lost);
    return work();
  };
  const inTurn = <T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    const turn = last.then(() => besides(signal, work));
    last = turn.catch(() => {});
    return signal ? orAborted(turn, signal, link.host) : turn;
  };
  return {
    host: link.host,
    exec(script, options) {
      const work = () => execScript(link, way, script, options, timings);
      return options.beside ? besides(options.signal, work) : inTurn(options.signal, work);
    },
    upload: (localPath, remotePath, options) =>
      inTurn(options.signal, () => uploadFile(link, way, localPath, remotePath, options, timings)),
    close: () => closeAll(links),
  };
}

async function execScript(
  link: Link,
  way: RootWay,
  script: string,
  options: ExecOptions,
  timings: Timings,
): Promise<ExecResult> {
  if (script.includes('\0')) throw new TypeError('a script with a NUL byte cannot be run');
  return runAsRoot(link, way, {
    loader: scriptLoader,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    timings,
    send: channel => channel.end(script),
  });
}

// A call that is still waiting for its turn settles at once, too.
function orAborted<T>(work: Promise<T>, signal: AbortSignal, host: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(cancelledError(host));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function closeAll(links: readonly Link[]): Promise<void> {
  for (const link of [...links].reverse()) await link.close();
}
