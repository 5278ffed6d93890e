// At which moments of an upgrade homelab is killed: spread over all that happens in it, each drawn by seed.
import type { RunEvent } from '../../src/model/events.ts';
import { drawn } from './kill-cases.ts';

/** A step of an uninterrupted run began or ended. */
export interface Mark {
  readonly type: 'step-started' | 'step-finished';
  readonly id: string;
  /** Until the next one. */
  readonly gapMs: number;
}

export interface KillMoment {
  /** 'after step-finished k8s-cp-v1.31.4/k8s-cp/packages + 310 ms' */
  readonly name: string;
  readonly mark: Mark;
  readonly delayMs: number;
}

/** In order. Behind the last one lies what the run does before it ends. */
export function marksOf(events: readonly RunEvent[]): readonly Mark[] {
  const seen = events.filter(({ type }) => ['step-started', 'step-finished', 'run-finished'].includes(type));
  return seen.flatMap((event, index) => {
    const next = seen[index + 1];
    if (next === undefined || (event.type !== 'step-started' && event.type !== 'step-finished')) return [];
    const gapMs = Date.parse(next.time) - Date.parse(event.time);
    return [{ type: event.type, id: event.id, gapMs }];
  });
}

/** As many as asked, in order: one from each of so many equal parts of the marks; every second one at the mark itself. */
export function killMoments(marks: readonly Mark[], seed: number, count: number): readonly KillMoment[] {
  return Array.from({ length: count }, (_, index) => {
    const place = Math.floor(((index + drawn(seed, `mark ${index}`)) / count) * marks.length);
    const mark = marks[place];
    if (mark === undefined) throw new Error('no step of an upgrade is known');
    const delayMs = index % 2 === 0 ? 0 : Math.floor(drawn(seed, `delay ${index}`) * mark.gapMs);
    return { name: `${index + 1}: ${mark.type} ${mark.id}${delayMs === 0 ? '' : ` + ${delayMs} ms`}`, mark, delayMs };
  });
}

/** Dealt out to hops: those of one hop lie far from each other. */
export function dealt<T>(all: readonly T[], hops: number): readonly (readonly T[])[] {
  return Array.from({ length: hops }, (_, hop) => all.filter((_each, index) => index % hops === hop));
}
