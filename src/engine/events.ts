// Where events leave the engine: stamped, freed of secrets, handed to every sink.
import type { Json } from '../model/cluster.ts';
import { HomelabError, PhaseFailed } from '../model/errors.ts';
import type { EventBody, EventSink, RunEvent } from '../model/events.ts';
import type { PlannedStep } from '../model/plan.ts';

export interface EventBus {
  emit(body: EventBody): void;
  /** Closes every sink, also those that fail to; later events go nowhere. */
  close(): Promise<void>;
}

export interface EventBusOptions {
  readonly clock: { now(): number };
  readonly redact: (text: string) => string;
  readonly sinks: readonly EventSink[];
}

/** A sink that throws is out for the rest of the run and the others are told once: watching a run must never end it. */
export function createEventBus({ clock, redact, sinks }: EventBusOptions): EventBus {
  let open = [...sinks];

  const emit = (body: EventBody): void => {
    const event: RunEvent = { time: new Date(clock.now()).toISOString(), ...redacted(planned(body), redact) };
    const broken: { readonly sink: EventSink; readonly error: unknown }[] = [];
    for (const sink of open) {
      try {
        sink.handle(event);
      } catch (error) {
        broken.push({ sink, error });
      }
    }
    open = open.filter(sink => !broken.some(entry => entry.sink === sink));
    for (const { sink, error } of broken) {
      const reason = error instanceof Error ? error.message : String(error);
      emit({ type: 'note', text: `${sink.name ?? 'an output'} failed and is off for the rest of this run: ${reason}` });
    }
  };

  return {
    emit,
    async close() {
      open = [];
      // Broken ones too: they hold files and a hidden cursor. Nobody is left to tell of one that cannot close.
      await Promise.allSettled(sinks.map(async sink => sink.close()));
    },
  };
}

/** One `error` event a failure; whatever is not a HomelabError is our bug and keeps its stack. */
export function errorBodies(error: unknown): readonly (EventBody & { readonly type: 'error' })[] {
  if (error instanceof PhaseFailed) return error.errors.flatMap(errorBodies);
  return [{ type: 'error', error: error instanceof HomelabError ? asJson(error) : bug(error) }];
}

function asJson(error: HomelabError): Json {
  const json: Json = JSON.parse(JSON.stringify(error));
  return json;
}

function bug(error: unknown): Json {
  if (!(error instanceof Error)) return { code: 'HL_BUG', message: String(error) };
  const stacks = [error, ...causes(error)].map(each => each.stack ?? each.message);
  return { code: 'HL_BUG', message: error.message, stack: stacks.join('\ncaused by: ') };
}

function causes(error: Error, depth = 0): readonly Error[] {
  return error.cause instanceof Error && depth < 8 ? [error.cause, ...causes(error.cause, depth + 1)] : [];
}

/** The engine's steps carry scripts and functions; only what people may see goes on. */
function planned(body: EventBody): EventBody {
  return body.type === 'plan' || body.type === 'phase-started' ? { ...body, steps: body.steps.map(plannedStep) } : body;
}

function plannedStep({ id, phase, host, title, why, diff, risk, deadlineMs }: PlannedStep): PlannedStep {
  return { id, phase, host, title, why, ...(diff === undefined ? {} : { diff }), risk, deadlineMs };
}

/** The event's own vocabulary stays as it is: a password 'failed' must not turn outcomes into masks. */
function redacted(body: EventBody, redact: (text: string) => string): EventBody {
  const vocabulary = 'outcome' in body ? { type: body.type, outcome: body.outcome } : { type: body.type };
  return { ...deep(body, redact), ...vocabulary } as EventBody;
}

function deep<T>(value: T, redact: (text: string) => string): T;
function deep(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(item => deep<unknown>(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [redact(key), deep<unknown>(item, redact)]));
}
