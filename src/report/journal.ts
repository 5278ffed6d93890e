// A journal's lines as events that a report can trust: masked once more, of any age, cut or damaged lines left out and counted.
import { z } from 'zod';
import type { RunEvent } from '../model/events.ts';

const text = z.string();
const ms = z.number();

const step = z.object({
  id: text,
  phase: text,
  host: text,
  title: text,
  why: text.catch(''),
  diff: text.optional(),
  risk: z.enum(['safe', 'disruptive', 'destructive']).catch('safe'),
});
const refusal = z.object({ id: text.catch(''), host: text, reason: text, hint: text.catch('') });
const note = z.object({ host: text.optional(), text });
const evidence = z.object({
  id: text,
  host: text,
  title: text,
  ok: z.boolean(),
  expected: text.catch(''),
  observed: text.catch(''),
  reproduce: text.catch(''),
  hint: text.optional(),
});
const nic = z.object({ name: text, mac: text.catch(''), mtu: z.number().catch(0), addresses: z.array(text).catch([]) });
const machine = z.object({
  host: text,
  role: text.catch('unknown'),
  address: text.catch('unknown'),
  os: text.catch('unknown'),
  kernel: text.catch('unknown'),
  arch: text.catch('unknown'),
  virtualization: text.catch('unknown'),
  bootId: text.catch('unknown'),
  kubelet: text.catch('unknown'),
  containerd: text.catch('unknown'),
  nics: z.array(nic).catch([]),
});

const event = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('run-started'),
    run: text,
    command: text,
    purpose: z.enum(['look', 'change', 'verify']).catch('change'),
    cluster: text,
    version: text.catch('unknown'),
    simulated: z.boolean(),
    hosts: z.array(text).catch([]),
    phases: z.array(z.object({ id: text, title: text })).catch([]),
  }),
  z.object({ type: z.literal('machines'), machines: z.array(machine) }),
  z.object({
    type: z.literal('plan'),
    steps: z.array(step).catch([]),
    refusals: z.array(refusal).catch([]),
    notes: z.array(note).catch([]),
  }),
  z.object({ type: z.literal('phase-started'), phase: text, title: text, steps: z.array(step).catch([]) }),
  z.object({ type: z.literal('step-started'), id: text, host: text, title: text }),
  z.object({
    type: z.literal('step-finished'),
    id: text,
    host: text,
    title: text,
    outcome: z.enum(['done', 'failed', 'skipped']),
    durationMs: ms,
    why: text.optional(),
  }),
  z.object({ type: z.literal('evidence'), phase: text, evidence, simulated: z.boolean().catch(false) }),
  z.object({
    type: z.literal('phase-finished'),
    phase: text,
    outcome: z.enum(['unchanged', 'changed', 'failed']),
    durationMs: ms,
  }),
  z.object({ type: z.literal('note'), host: text.optional(), text }),
  z.object({
    type: z.literal('prediction'),
    phase: text,
    compared: z.number(),
    differences: z.array(text).catch([]),
  }),
  z.object({ type: z.literal('error'), error: z.json() }),
  z.object({
    type: z.literal('run-finished'),
    outcome: z.enum(['ok', 'failed', 'cancelled']),
    exitCode: z.number(),
    durationMs: ms,
    remoteCommands: z.record(text, z.number()).catch({}),
  }),
]);
const timed = z.object({ time: text.refine(value => !Number.isNaN(Date.parse(value))), type: text });
/** What a report has no use for: every other event is above. */
const passed: Readonly<Record<Exclude<RunEvent['type'], z.infer<typeof event>['type']>, true>> = {
  'remote-command': true,
  layers: true,
  certificates: true,
  'hand-over': true,
};

export type Told = z.infer<typeof event> & { readonly at: number };
export type Step = z.infer<typeof step>;
export type Refusal = z.infer<typeof refusal>;
export type Note = z.infer<typeof note>;
export type Evidence = z.infer<typeof evidence>;
export type Machine = z.infer<typeof machine>;
export type Started = Extract<Told, { readonly type: 'run-started' }>;
export type Finished = Extract<Told, { readonly type: 'run-finished' }>;

export interface Journal {
  readonly events: readonly Told[];
  /** Lines that could not be read: the last one of a run that was killed, events of another version. */
  readonly unread: number;
}

export function parseJournal(content: string, redact: (text: string) => string): Journal {
  const events: Told[] = [];
  let unread = 0;
  const mask = remembering(redact);
  for (const line of content.split('\n')) {
    if (line.trim() === '') continue;
    const json = lineOf(line);
    const stamp = timed.safeParse(json).data;
    if (stamp && Object.hasOwn(passed, stamp.type)) continue;
    const known = stamp && event.safeParse(masked(json, mask)).data;
    if (known) events.push({ ...known, at: Date.parse(stamp.time) });
    else unread += 1;
  }
  return { events, unread };
}

/** The same words come back for every machine and every phase. */
function remembering(redact: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>();
  return text => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const after = redact(text);
    known.set(text, after);
    return after;
  };
}

function lineOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Every text, also those in names: as it is done where events leave (engine/events.ts). */
export function masked<T>(value: T, redact: (text: string) => string): T;
export function masked(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(item => masked<unknown>(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [redact(key), masked<unknown>(item, redact)]));
}
