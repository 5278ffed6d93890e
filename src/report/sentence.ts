// How a run ended, in the one sentence that matters, and what to type next.
import { count, duration, oneLine } from '../render/text.ts';
import type { Run } from './run.ts';

interface Ending {
  readonly mark: 'ok' | 'bad' | 'open';
  readonly says: string;
  /** The command line that goes on from there. */
  readonly next: string | undefined;
}

export function endingOf(run: Run): Ending {
  const { started, finished, lastWordAt } = run;
  const again = oneLine(started.command.startsWith('homelab') ? started.command : `homelab ${started.command}`);
  if (finished === undefined) {
    const open = run.phases.flatMap(({ deeds }) => deeds).filter(({ outcome }) => outcome === 'unfinished');
    const phase = open[0]?.phase;
    const within = phase === undefined ? '' : ` in ${phase}, with ${count(open.length, 'step')} going on`;
    return {
      mark: 'open',
      says: `The journal ends without an end after ${duration(lastWordAt - started.at)}${within}: the run was killed, or is still going.`,
      next: again,
    };
  }
  const time = duration(finished.durationMs);
  if (finished.outcome === 'ok') {
    return { mark: 'ok', says: okSentence(run, time), next: undefined };
  }
  const stopped = run.phases.find(({ outcome }) => outcome === 'failed')?.id;
  const within = `after ${time}${stopped === undefined ? '' : ` in ${stopped}`}`;
  if (finished.outcome === 'cancelled') {
    return {
      mark: 'open',
      says: `Interrupted ${within}.`,
      next: again,
    };
  }
  const [first, ...others] = run.failures;
  const more = others.length > 0 ? `, and ${count(others.length, 'failure')} more` : '';
  return {
    mark: 'bad',
    says: `Failed ${within}${first ? `: ${oneLine(first.message)}${more}` : ''}.`,
    next: again,
  };
}

function okSentence({ started, phases }: Run, time: string): string {
  const steps = phases.flatMap(({ deeds }) => deeds).filter(({ outcome }) => outcome === 'done');
  const planned = phases.flatMap(each => each.planned).length;
  const machines = count(started.hosts.length, 'machine');
  const proofs = count(phases.flatMap(({ evidence }) => evidence).length, 'proof');
  if (started.purpose === 'look')
    return `Looked at ${machines} in ${time} and changed nothing there${planned > 0 ? `: ${count(planned, 'step')} to be taken` : ''}.`;
  if (started.simulated) return `Rehearsed in ${time}: ${count(steps.length, 'step')} on ${machines}.`;
  if (steps.length === 0) return `Nothing to change, all proven in ${time}: ${proofs} on ${machines}.`;
  return `Done and proven in ${time}: ${count(steps.length, 'step')} on ${machines}, ${proofs}.`;
}
