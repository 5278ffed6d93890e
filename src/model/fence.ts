// Who may change a machine: one run at a time, decided there, by its own clock and boot id (docs/adr/0012).

/** How long a run may be silent before its claim is void, seconds of the machine's own uptime. */
export const leaseSeconds = 60;

/** The record on the machine, /run/homelab/record; a reboot removes it. */
export interface Fence {
  /** Goes up with every claim: what was read under another serial may have changed since. */
  readonly serial: number;
  /** The run that holds it; '-' for none. */
  readonly run: string;
  /** The number of the last work begun under this claim. */
  readonly seq: number;
  /** Uptime in seconds up to which its holder has been heard of. */
  readonly until: number;
  /** The connection that the holder came by. */
  readonly session: 'alive' | 'gone' | 'unknown';
  /** A work is going on, whoever began it. */
  readonly working: boolean;
  /** For people: 'anna@laptop: homelab bootstrap'. */
  readonly who: string;
}

export const noFence: Fence = {
  serial: 0,
  run: '-',
  seq: 0,
  until: 0,
  session: 'unknown',
  working: false,
  who: '-',
};

export type FenceRequest =
  /** `serial` and `seq` are what was read before the plan was made. */
  | {
      readonly kind: 'claim';
      readonly run: string;
      readonly serial: number;
      readonly seq: number;
      readonly steal: boolean;
    }
  | { readonly kind: 'renew'; readonly run: string }
  | { readonly kind: 'release'; readonly run: string }
  /** Works are numbered upwards: each is begun once, however often it is asked for. */
  | { readonly kind: 'work'; readonly run: string; readonly seq: number };

export type Verdict =
  | 'ok'
  /** An earlier delivery of the same request was granted. */
  | 'begun'
  /** Not the boot that was looked at. */
  | 'rebooted'
  /** Another run has claimed it since it was looked at. */
  | 'changed'
  /** Another run holds it and is alive. */
  | 'held'
  /** A work is going on: nothing can be begun, claimed or let go of before it has ended. */
  | 'busy'
  /** Another run took over. */
  | 'taken'
  /** Not heard of for longer than the lease. */
  | 'lapsed'
  /** A late copy of an earlier request, or of one whose result is not kept any more. */
  | 'late';

export interface Moment {
  readonly now: number;
  readonly bootId: string;
  /** The boot that the request was made for. */
  readonly expectedBootId: string;
}

/** Is its holder alive? Not one whose connection is gone, nor one that is silent; what it began may go on all the same. */
export function isHeld({ run, until, session }: Fence, now: number): boolean {
  return run !== '-' && now <= until && session !== 'gone';
}

/** The rule; `engine/fence-script.ts` says the same in sh, and a test compares the two. */
export function judge(fence: Fence, request: FenceRequest, { now, bootId, expectedBootId }: Moment): Verdict {
  if (bootId !== expectedBootId) return 'rebooted';
  if (request.kind === 'claim') {
    if (fence.run === request.run && fence.serial === request.serial + 1 && fence.seq === 0) return 'begun';
    if (fence.serial !== request.serial || fence.seq !== request.seq) return 'changed';
    if (fence.working) return 'busy';
    return isHeld(fence, now) && !request.steal ? 'held' : 'ok';
  }
  if (fence.run !== request.run) return 'taken';
  // Its result may be had at any time: asking begins nothing.
  if (request.kind === 'work' && request.seq === fence.seq) return 'begun';
  if (now > fence.until && !fence.working) return 'lapsed';
  if (request.kind === 'renew') return 'ok';
  if (request.kind === 'work' && request.seq < fence.seq) return 'late';
  return fence.working ? 'busy' : 'ok';
}

/** The record once the request was granted. */
export function granted(fence: Fence, request: FenceRequest, who: string, now: number): Fence {
  const heard = { ...fence, until: now + leaseSeconds, session: 'alive' as const };
  switch (request.kind) {
    case 'claim':
      return { ...heard, serial: request.serial + 1, run: request.run, seq: 0, who };
    case 'renew':
      return heard;
    case 'release':
      return { ...fence, run: '-', until: 0, who: '-' };
    case 'work':
      return { ...heard, seq: request.seq };
    default: {
      const never: never = request;
      return never;
    }
  }
}
