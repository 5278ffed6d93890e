// What breaks in a homelab, on command: each fault with what it does and how it ends.
import type { Lab } from './machines.ts';
import { type Log, pause } from './run.ts';

interface Fault {
  readonly does: string;
  /** Resolves at once where the fault is a moment, else when it is over. */
  readonly run: (lab: Lab, host: string, options: FaultOptions) => Promise<void>;
}

export interface FaultOptions {
  readonly seconds: number;
  /** power-cut: leave it off. */
  readonly off: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export const faults: Readonly<Record<string, Fault>> = {
  'link-cut': {
    does: 'the network cable is out for N seconds',
    run: (lab, host, options) =>
      lasting(
        options,
        `${host}: cable out`,
        () => lab.cutLink(host),
        () => lab.restoreLink(host),
      ),
  },
  freeze: {
    does: 'the machine stands still for N seconds, as a paused virtual machine does',
    run: (lab, host, options) =>
      lasting(
        options,
        `${host}: frozen`,
        () => lab.freeze(host),
        () => lab.thaw(host),
      ),
  },
  reboot: {
    does: 'a tidy reboot',
    run: async (lab, host, { log, signal }) => {
      await lab.reboot(host);
      log(`${host}: booting`);
      await lab.waitReachable(host, { signal });
    },
  },
  'power-cut': {
    does: 'the plug is pulled, and put back unless --off',
    run: async (lab, host, { off, log, signal }) => {
      await lab.powerCut(host);
      log(`${host}: off`);
      if (off) return;
      await lab.powerOn(host);
      await lab.waitReachable(host, { signal });
    },
  },
  'ssh-kill': {
    does: 'every ssh connection is lost; sshd comes back by itself',
    run: (lab, host) => lab.killSsh(host),
  },
};

/** Ctrl-C ends the fault early, never leaves it. */
async function lasting(
  { seconds, log, signal }: FaultOptions,
  what: string,
  begin: () => Promise<void>,
  finish: () => Promise<void>,
): Promise<void> {
  await begin();
  log(`${what} for ${seconds} s`);
  try {
    await Promise.race([
      pause(seconds * 1000),
      new Promise(resolve => signal.addEventListener('abort', resolve, { once: true })),
    ]);
  } finally {
    await finish();
  }
}

/** Undoes every fault that lasts: off, frozen, cable out. */
export async function mend(lab: Lab, host: string, signal: AbortSignal): Promise<void> {
  await lab.thaw(host);
  await lab.powerOn(host);
  await lab.restoreLink(host);
  await lab.waitReachable(host, { signal });
}
