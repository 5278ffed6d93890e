// Small makers of read probes: a command, what it must say, and how a person repeats it.
import type { Evidence, Probe } from './plan.ts';
import { command } from './shell.ts';

export interface LookOptions {
  readonly id: string;
  readonly host: string;
  /** The machine it is about, where that is another one. */
  readonly about?: string;
  readonly title: string;
  readonly expected: string;
  /** sh as root; read-only. */
  readonly script: string;
  /** What a person types on that machine; the script itself when it is short enough to be typed. */
  readonly reproduce?: string;
  readonly timeoutMs?: number;
  /** The next thing to type when it is not as expected. */
  readonly hint?: string | undefined;
  /** Undefined: the trimmed output must equal `expected`. */
  readonly accept?: (output: string) => boolean;
  /** What of the output is worth showing; undefined: all of it. */
  readonly show?: (output: string) => string;
}

/** What this run's reading of the machines said already; no command of its own. */
export function seen(
  options: Omit<LookOptions, 'script' | 'timeoutMs' | 'accept' | 'show'> & {
    readonly observed: string;
    /** Undefined: observed must equal expected. */
    readonly ok?: boolean;
    readonly reproduce: string;
  },
): Probe {
  return { kind: 'known', ok: options.observed === options.expected, ...options };
}

/** What an `active` probe found about one of its pieces. */
export function evidenceOf(piece: Omit<Evidence, 'ok' | 'observed'>, ok: boolean, observed: string): Evidence {
  const { id, host, title, expected, reproduce, hint } = piece;
  return { id, host, title, ok, expected, observed, reproduce, ...(ok ? {} : { hint }) };
}

/** A look at one machine that changes nothing. A non-zero exit is never accepted. */
export function look(options: LookOptions): Probe {
  const { accept = output => output === options.expected, show = output => output } = options;
  return {
    kind: 'read',
    id: options.id,
    host: options.host,
    ...(options.about === undefined ? {} : { about: options.about }),
    title: options.title,
    expected: options.expected,
    hint: options.hint,
    reproduce: options.reproduce ?? command('sudo', 'sh', '-c', options.script.trim()),
    script: options.script,
    timeoutMs: options.timeoutMs ?? 30_000,
    judge({ code, stdout, stderr }) {
      const output = stdout.trim();
      if (code !== 0)
        return { ok: false, observed: (stderr.trim() || output || `exit ${code}`).split('\n').slice(-3).join(' · ') };
      return { ok: accept(output), observed: show(output) || '(nothing)' };
    },
  };
}

/** sh: one HTTP GET on this machine with nothing but bash; prints the body. */
export function httpGet(port: number, path: string): string {
  return `timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" "$2" >&3 && cat <&3' - ${port} ${path} | tail -n 1`;
}
