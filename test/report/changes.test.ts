import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/model/events.ts';
import { compared } from '../../src/report/changes.ts';
import { parseJournal } from '../../src/report/journal.ts';
import { type Run, runOf } from '../../src/report/run.ts';
import { bigRun, journalOf } from './big-run.ts';

function read(events: readonly RunEvent[]): Run {
  const run = runOf(parseJournal(journalOf(events), text => text));
  if (run === undefined) throw new Error('this begins as a journal does');
  return run;
}

/** The same run, with some of its machines otherwise in the nth time they are seen. */
function seen(events: readonly RunEvent[], change: object): readonly RunEvent[] {
  return events.map(event =>
    event.type === 'machines' ? { ...event, machines: event.machines.map(each => ({ ...each, ...change })) } : event,
  );
}

const run = bigRun({ machines: 2 });
const withoutSteps = run.flatMap((event): readonly RunEvent[] =>
  event.type === 'plan' || event.type === 'phase-started'
    ? [{ ...event, steps: [] }]
    : event.type.startsWith('step-')
      ? []
      : [event],
);

describe('against the run before', () => {
  it('nothing has changed where everything reads the same', () => {
    expect(compared(read(withoutSteps), read(run))).toEqual({ differences: [], again: [], values: [] });
  });

  it('what a run changed itself is told from what changed before it', () => {
    const upgraded = [...run, ...seen(run, { kubelet: '1.32.0' }).filter(each => each.type === 'machines')];
    const between = compared(read(seen(withoutSteps, { kernel: '6.12' })), read(run)).differences;
    const byIt = compared(read(upgraded), read(run)).differences.filter(({ what }) => what === 'kubelet');
    expect(between.map(({ what, now, when }) => [what, now, when])).toEqual([
      ['kernel', '6.12', 'between the runs'],
      ['kernel', '6.12', 'between the runs'],
    ]);
    expect(byIt.map(({ before, now, when }) => [before, now, when])).toEqual([
      ['absent', '1.32.0', 'by this run'],
      ['absent', '1.32.0', 'by this run'],
    ]);
  });

  it('a step that was done and is wanted once more is named', () => {
    const { differences, again } = compared(read(run), read(run));
    expect(differences).toEqual([]);
    expect(again).toHaveLength(16);
    expect(again[0]?.now).toBe('prerequisites is not as it should be on k8s-cp');
  });

  it('a proof that holds no more stands with what has changed, one with another value apart', () => {
    const proofs = (change: object): readonly RunEvent[] =>
      withoutSteps.map(event =>
        event.type === 'evidence' && event.evidence.id === 'workers/k8s-worker1/answers'
          ? { ...event, evidence: { ...event.evidence, ...change } }
          : event,
      );
    const gone = compared(read(proofs({ ok: false, observed: 'silent' })), read(run));
    const other = compared(read(proofs({ observed: '3 ms' })), read(run));
    expect(gone.differences.map(({ host, now }) => [host, now])).toEqual([['k8s-worker1', 'not proven: silent']]);
    expect(gone.values).toEqual([]);
    expect(other.differences).toEqual([]);
    expect(other.values.map(({ now }) => now)).toEqual(['3 ms']);
  });

  it('machines come and go', () => {
    const three = bigRun({ machines: 3 });
    const words = (now: readonly RunEvent[], before: readonly RunEvent[]) =>
      compared(read(now), read(before))
        .differences.filter(({ what }) => what === 'machine')
        .map(each => `${each.host} ${each.now}`);
    expect(words(three, run)).toEqual(['k8s-worker2 in the run']);
    expect(words(run, three)).toEqual(['k8s-worker2 not in the run']);
  });
});
