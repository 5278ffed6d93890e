// The plan for a hundred machines, from what real ones told.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HomelabError } from '../../src/model/errors.ts';
import { type Measurement, median, seconds, spread } from './measurement.ts';
import type { Row } from './row.ts';
import { benchSources, node, timed } from './timed.ts';

const machines = 100;
const recordings = ['bare', 'converged'];

interface Answer {
  readonly wallMs: number;
  readonly steps: number;
  readonly refusals: readonly string[];
  readonly rssMiB: number;
}

export const scale: Row = {
  id: 'plan-100',
  title: `plan for ${machines} machines from recorded facts`,
  missing: async () => {
    const absent = recordings.filter(name => !existsSync(fileOf(name)));
    return absent.length === 0 ? undefined : `no recording: ${absent.join(', ')}`;
  },
  async run({ runs = 5, signal }) {
    const child = fileURLToPath(new URL('./scale-child.js', import.meta.url));
    const found: Measurement[] = [];
    for (const name of recordings) {
      const answers: Answer[] = [];
      for (let run = 0; run < runs; run++) {
        const { stdout } = await timed([node, child, fileOf(name), String(machines)], { signal });
        answers.push(JSON.parse(stdout) as Answer);
      }
      const [first] = answers;
      if (first === undefined || first.refusals.length > 0) {
        throw new HomelabError('HL_USAGE', `the recording ${name} no longer gives a plan`, {
          hint: 'record again: node dist/test/bench/record.js LAB NAME',
          context: { details: first?.refusals ?? [] },
        });
      }
      const memory = answers.map(({ rssMiB }) => rssMiB);
      found.push(
        {
          ...seconds(
            `${name}: intend and planFrom`,
            answers.map(({ wallMs }) => wallMs),
          ),
          budget: { atMost: 1 },
        },
        {
          what: `${name}: most memory (RSS)`,
          value: median(memory),
          unit: 'MiB',
          detail: spread(memory, 0),
          budget: { atMost: 200 },
        },
        { what: `${name}: steps in the plan`, value: first.steps, unit: 'steps' },
      );
    }
    return found;
  },
};

function fileOf(name: string): string {
  return path.join(benchSources(), '../fixtures/recorded', `${name}.json`);
}
