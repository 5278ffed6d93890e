// How long an upgrade still takes, told after every machine, from the machines that are done.
import type { EventBus } from '../engine/events.ts';
import { duration } from '../render/text.ts';

export interface Stage {
  /** Of the phase. */
  readonly id: string;
  /** Those of a kind take about as long as each other. */
  readonly kind: 'control-plane' | 'worker';
}

/** The same bus, which adds a note whenever one of the stages has ended and others are left. */
export function tellingTimeLeft(bus: EventBus, stages: readonly Stage[]): EventBus {
  const took = new Map<string, number>();
  let over = 0;
  return {
    ...bus,
    emit(body) {
      bus.emit(body);
      if (body.type !== 'phase-finished' || !stages.some(({ id }) => id === body.phase)) return;
      over += 1;
      if (body.outcome !== 'changed') return;
      took.set(body.phase, body.durationMs);
      const left = stages.slice(over).map(({ kind }) => meanOf(kind, stages, took));
      if (left.length === 0) return;
      const ms = left.reduce((sum, each) => sum + each, 0);
      const estimate = Number.isNaN(ms) ? '' : `, about ${duration(ms)} left`;
      bus.emit({ type: 'note', text: `${over} of ${stages.length} done${estimate}` });
    },
  };
}

/** Milliseconds; not a number while none of its kind is done: a control plane takes several times as long as a worker. */
function meanOf(kind: Stage['kind'], stages: readonly Stage[], took: ReadonlyMap<string, number>): number {
  const mine = stages.flatMap(each => (each.kind === kind ? (took.get(each.id) ?? []) : []));
  return mine.reduce((sum, ms) => sum + ms, 0) / mine.length;
}
