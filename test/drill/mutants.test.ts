// Every decision of doctor's rules is turned round, one at a time: a test of test/doctor must then fail.
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { expect, it } from 'vitest';
import { root } from '../sample.ts';
import { beginFile, type Collected, collected } from './mutants/collect.ts';
import { mutant } from './mutants/switches.ts';

const folder = join(root, 'test/doctor');
// They do not look at rules one by one.
const others = /^(crd-fields|redact|example-incident)\./;

it('no mutation is without a test that sees it', async () => {
  for (const name of readdirSync(folder).filter(each => each.endsWith('.test.ts') && !others.test(each))) {
    beginFile(name);
    await import(join(folder, name));
  }
  const only = new RegExp(process.env['MUTANTS'] ?? '');
  const tests = await measured(collected);
  console.log(`${tests.length} tests`);
  const survivors: string[] = [];
  let killed = 0;
  let unreached = 0;
  for (const { id, at, change } of mutant.all()) {
    if (!only.test(at)) continue;
    const mine = tests.filter(({ passes }) => passes.has(id));
    const red = await firstRed(mine, id);
    if (red) killed += 1;
    else {
      if (mine.length === 0) unreached += 1;
      survivors.push(`${at}  ${mine.length === 0 ? 'no test comes here' : `${mine.length} tests`}  ${change}`);
    }
  }
  const summary = `${killed} of ${killed + survivors.length} mutations are seen by a test; ${unreached} stand where no test comes`;
  console.log(`${survivors.join('\n')}\n${summary}`);
  const out = process.env['MUTANTS_OUT'];
  if (out) {
    writeFileSync(out, survivors.map(each => `${each}\n`).join(''));
    appendFileSync(out, `${summary}\n`);
  }
  expect(survivors).toEqual([]);
}, 7_200_000);

interface Measured extends Collected {
  readonly passes: ReadonlySet<number>;
  readonly ms: number;
}

/** What each test passes and how long it takes; one that is red without any mutation ends it all. The quickest first. */
async function measured(tests: readonly Collected[]): Promise<readonly Measured[]> {
  const ready = new Set<() => unknown>();
  const found: Measured[] = [];
  for (const test of tests) {
    for (const before of test.before) {
      if (!ready.has(before)) await before();
      ready.add(before);
    }
    mutant.takePassed();
    const began = performance.now();
    try {
      await test.run();
    } catch (error) {
      throw new Error(`red without a mutation: ${test.name}`, { cause: error });
    }
    found.push({ ...test, passes: mutant.takePassed(), ms: performance.now() - began });
  }
  return found.sort((a, b) => a.ms - b.ms);
}

async function firstRed(tests: readonly Measured[], id: number): Promise<string | undefined> {
  mutant.switchOn(id);
  try {
    for (const test of tests) {
      try {
        await test.run();
      } catch {
        return test.name;
      }
    }
    return undefined;
  } finally {
    mutant.switchOn(0);
  }
}
