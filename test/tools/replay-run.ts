// A run told again in its own time, or faster: to look at the views without waiting for machines.
// node dist/test/tools/replay-run.js JOURNAL|MACHINES [SPEED] [FAILING]; MACHINES makes up a run of so many.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunEvent } from '../../src/model/events.ts';
import { createRenderer } from '../../src/render/choose.ts';
import { bigRun } from '../report/big-run.ts';

const [what = '4', speed = '10', ...failing] = process.argv.slice(2);
const events: readonly RunEvent[] = /^\d+$/.test(what)
  ? bigRun({ machines: Number(what), failing })
  : readFileSync(what, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as RunEvent);
const { env, stdout, stderr } = process;
const sink = await createRenderer({ output: undefined, stdout, stderr, env, journalPath: 'a journal' });
let before: number | undefined;
for (const event of events) {
  const at = Date.parse(event.time);
  await delay((at - (before ?? at)) / Number(speed));
  before = at;
  sink.handle(event);
}
await sink.close();
