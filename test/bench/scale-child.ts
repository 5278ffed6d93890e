// A process of its own for one plan: reads a recording, plans for COUNT machines, prints time and memory as JSON.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { intend, planFrom, resourcesOf } from '../../src/engine/plan.ts';
import { phases } from '../../src/phases/index.ts';
import { type Recorded, replicate } from './recorded.ts';

const [file = '', count = '100'] = process.argv.slice(2);
const { world, observed: recorded } = replicate(JSON.parse(readFileSync(file, 'utf8')) as Recorded, Number(count));

const begun = performance.now();
const intents = intend(world, phases, () => true);
// What only larger clusters want was not recorded: it is as on a bare machine.
const observed = new Map(
  [...resourcesOf(intents)].map(([host, resources]) => [
    host,
    new Map(resources.map(({ key, blank }) => [key, recorded.get(host)?.get(key) ?? blank])),
  ]),
);
const plan = planFrom(intents, observed);
const wallMs = performance.now() - begun;

const { steps, refusals } = plan;
console.log(
  JSON.stringify({
    wallMs,
    steps: steps.length,
    refusals: refusals.map(({ id, reason }) => `${id}: ${reason}`).slice(0, 3),
    rssMiB: process.resourceUsage().maxRSS / 1024,
  }),
);
