// What is otherwise than in an earlier run of the same cluster: machines, their software, proofs, and steps that are wanted once more.
import type { Evidence, Machine } from './journal.ts';
import type { Run } from './run.ts';

export interface Difference {
  readonly host: string;
  readonly what: string;
  readonly before: string;
  readonly now: string;
  /** Undefined where a journal does not tell. */
  readonly when: 'between the runs' | 'by this run' | undefined;
}

interface Comparison {
  /** Machines and what is on them; proofs that hold no more, or again. */
  readonly differences: readonly Difference[];
  /** Steps that were done then and are wanted once more. */
  readonly again: readonly Difference[];
  /** Proofs that hold as before, with another value: free space, a clock. */
  readonly values: readonly Difference[];
}

export function compared(run: Run, earlier: Run): Comparison {
  const proofs = proofDifferences(run, earlier);
  return {
    differences: [
      ...hostDifferences(run, earlier),
      ...machineDifferences(run, earlier),
      ...proofs.filter(each => each.isTurned),
    ],
    again: stepsAgain(run, earlier),
    values: proofs.filter(each => !each.isTurned),
  };
}

function hostDifferences(run: Run, earlier: Run): readonly Difference[] {
  const [now, before] = [run.started.hosts, earlier.started.hosts];
  return [
    ...now
      .filter(host => !before.includes(host))
      .map(host => ({ host, what: 'machine', before: 'not in the run', now: 'in the run', when: undefined })),
    ...before
      .filter(host => !now.includes(host))
      .map(host => ({ host, what: 'machine', before: 'in the run', now: 'not in the run', when: undefined })),
  ];
}

const looks: readonly (readonly [string, (machine: Machine) => string])[] = [
  ['role', ({ role }) => role],
  ['address', ({ address }) => address],
  ['system', ({ os }) => os],
  ['kernel', ({ kernel }) => kernel],
  ['kubelet', ({ kubelet }) => kubelet],
  ['containerd', ({ containerd }) => containerd],
  ['boot', ({ bootId }) => bootId],
  ['adapters', ({ nics }) => nics.map(({ name, mac }) => `${name} ${mac}`).join(', ')],
];

function machineDifferences(run: Run, earlier: Run): readonly Difference[] {
  return run.after.flatMap(now => {
    const then = earlier.after.find(({ host }) => host === now.host);
    const start = run.before.find(({ host }) => host === now.host);
    if (then === undefined) return [];
    return looks.flatMap(([what, of]): readonly Difference[] =>
      of(then) === of(now)
        ? []
        : [
            {
              host: now.host,
              what,
              before: of(then),
              now: of(now),
              when: start && of(start) !== of(then) ? 'between the runs' : 'by this run',
            },
          ],
    );
  });
}

function stepsAgain(run: Run, earlier: Run): readonly Difference[] {
  const done = new Set(
    earlier.phases.flatMap(({ deeds }) => deeds.filter(({ outcome }) => outcome === 'done').map(({ id }) => id)),
  );
  return run.phases
    .flatMap(({ planned }) => planned)
    .filter(({ id }) => done.has(id))
    .map(({ host, title, why }) => ({
      host,
      what: title,
      before: 'done',
      now: why,
      when: 'between the runs',
    }));
}

function proofDifferences(run: Run, earlier: Run): readonly (Difference & { readonly isTurned: boolean })[] {
  const keyOf = (phase: string, { host, id }: Evidence) => `${phase}\0${host}\0${id}`;
  const before = new Map(
    earlier.phases.flatMap(({ id, evidence }) => evidence.map(each => [keyOf(id, each), each] as const)),
  );
  return run.phases.flatMap(({ id, evidence }) =>
    evidence.flatMap(now => {
      const then = before.get(keyOf(id, now));
      if (then === undefined || (then.ok === now.ok && then.observed === now.observed)) return [];
      const said = ({ ok, observed }: Evidence) => `${ok ? '' : 'not proven: '}${observed}`;
      const isTurned = then.ok !== now.ok;
      return [
        { host: now.host, what: `${id}: ${now.title}`, before: said(then), now: said(now), when: undefined, isTurned },
      ];
    }),
  );
}
