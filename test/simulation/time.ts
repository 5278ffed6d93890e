// Virtual time: events in order, one after the other, and chance that a seed decides.

export interface Chance {
  /** From 0 up to, but not, 1. */
  next(): number;
  /** A whole number from 0 up to, but not, `below`. */
  below(below: number): number;
  happens(probability: number): boolean;
}

/** mulberry32: small, and the same everywhere. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { next, below: below => Math.floor(next() * below), happens: probability => next() < probability };
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Time {
  now = 0;
  #order = 0;
  #events: Event[] = [];

  /** Calls `run` in `ms` milliseconds of virtual time. */
  after(ms: number, run: () => void): void {
    const event = { at: this.now + ms, order: this.#order++, run };
    // Few are waiting at any moment: a sorted list is enough.
    let place = this.#events.length;
    while (place > 0 && (this.#events[place - 1]?.at ?? 0) > event.at) place -= 1;
    this.#events.splice(place, 0, event);
  }

  /** Lets time pass until `promise` settles; throws when nothing is left that could settle it. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const watched = promise.finally(() => {
      settled = true;
    });
    watched.catch(() => undefined);
    for (;;) {
      // All that follows at once from the last event happens before the next one.
      await new Promise(resolve => setImmediate(resolve));
      if (settled) return watched;
      const event = this.#events.shift();
      if (!event) throw new Error('nothing can happen any more, and the run has not ended');
      this.now = event.at;
      event.run();
    }
  }
}
