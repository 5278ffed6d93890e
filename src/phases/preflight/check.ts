// What a group of checks is, and the maker of checks that look at the machine: what it says, judged in one place.
import type { Host } from '../../model/cluster.ts';
import type { Probe } from '../../model/plan.ts';
import type { World } from '../../model/world.ts';

/** The checks of one machine, those left out that are not its own to answer. */
export type Checks = (world: World, host: Host) => readonly Probe[];

/** `hint`: what to type when it is not ok. */
export interface Verdict {
  readonly ok: boolean;
  readonly observed: string;
  readonly hint?: string | undefined;
}

export interface CheckOptions {
  readonly id: string;
  readonly host: Host;
  readonly title: string;
  readonly expected: string;
  /** sh as root; read-only. Checks with the same script share its answer. */
  readonly script: string;
  /** What a person types on that machine to see the same. */
  readonly reproduce: string;
  readonly timeoutMs?: number;
  judge(output: string): Verdict;
}

/** What stands on newcomers' ports while machines are asked about each other. */
export const listenerUnit = 'homelab-preflight-listener';

export function check({ host, judge, timeoutMs = 20_000, ...probe }: CheckOptions): Probe {
  return {
    ...probe,
    kind: 'read',
    host: host.name,
    timeoutMs,
    judge({ code, stdout, stderr }) {
      if (code === 0) return judge(stdout.trim());
      const said = (stderr.trim() || stdout.trim() || `exit ${code}`).split('\n').slice(-3).join(' · ');
      return { ok: false, observed: said, hint: `see why it says so: ${probe.reproduce}, on ${host.name}` };
    },
  };
}
