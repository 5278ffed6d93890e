// One look: a question to a machine in sh, and what its answer means. Looks of a lane run in order, lanes side by side, in one script.
import type { FactName, MachineFacts } from '../machine-facts.ts';

export interface Peer {
  readonly name: string;
  readonly address: string;
  readonly role: 'control-plane' | 'worker' | 'unknown';
}

/** What a machine is told of the others, so that it can say whether it reaches them. */
export interface About {
  /** Its name: the peers may have it among them. */
  readonly name?: string;
  readonly peers: readonly Peer[];
  /** Of the API, 'NAME' or 'NAME:PORT'; a member's kubelet knows it too. */
  readonly endpoint: string | undefined;
}

/** The machine's clock around the look and ours, milliseconds since the epoch. */
export interface Moment {
  readonly beginMs: number;
  readonly endMs: number;
  readonly sentMs: number;
  readonly receivedMs: number;
}

/** What may wait for something (a link, a disk, a daemon, the network) does not keep the others waiting. */
export const lanes = ['quick', 'links', 'journals', 'daemons', 'runtime', 'peers'] as const;

export interface Look {
  readonly id: string;
  readonly lane: (typeof lanes)[number];
  /** All that `parse` may give. One that it does not give is not there on this machine. */
  readonly facts: readonly FactName[];
  /** Read-only, run as root under `set -eu`; whatever can hang is bounded by `timeout`. */
  readonly script: (about: About) => string;
  /** Throws when the output is not what the script prints: then its facts are missed. */
  readonly parse: (output: string, at: Moment) => MachineFacts;
}

/** '2026-11-22T02:11:04.123Z'; throws for what is no moment. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Of `TZ=UTC systemctl show`: 'Sun 2026-11-22 16:24:23 UTC'. Empty for what never happened. */
export function systemdTime(text: string): string {
  const [, day, time] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/.exec(text) ?? [];
  return day === undefined ? '' : `${day}T${time}Z`;
}

export function linesOf(output: string): readonly string[] {
  return output.split('\n').filter(line => line !== '');
}

/** 'NAME REST' lines by NAME, each once; the last one counts. */
export function named(output: string): ReadonlyMap<string, string> {
  return new Map(
    linesOf(output).map(line => {
      const gap = line.indexOf(' ');
      return gap < 0 ? [line, ''] : [line.slice(0, gap), line.slice(gap + 1)];
    }),
  );
}

/** Sections that begin with a line '@WORD REST': the word, the rest, and the lines below. */
export function sectionsOf(
  output: string,
): readonly { readonly word: string; readonly rest: string; readonly body: string }[] {
  return output
    .split(/^(?=@[a-z])/m)
    .filter(section => section.startsWith('@'))
    .map(section => {
      const [head = '', ...body] = section.split('\n');
      const [word = '', ...rest] = head.slice(1).split(' ');
      return { word, rest: rest.join(' '), body: body.join('\n') };
    });
}
