// Writes test/fixtures/recorded/NAME.json from a lab: node dist/test/bench/record.js LAB NAME
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../src/model/errors.ts';
import { labOpen } from '../lab/machines.ts';
import { nobodys } from '../tools/nobodys.ts';
import { look } from './look.ts';
import { recordOf } from './recorded.ts';
import { benchSources } from './timed.ts';

const [labName = '', name = ''] = process.argv.slice(2);
const lab = await labOpen(labName);
if (!lab || !/^[a-z-]+$/.test(name)) {
  throw new HomelabError('HL_USAGE', 'usage: node dist/test/bench/record.js LAB NAME', {
    hint: 'npm run lab -- up --name LAB; names of recordings: bare, converged',
  });
}
const { world, observed } = await look(lab.inventoryPath, new AbortController().signal);
const folder = path.join(benchSources(), '../fixtures/recorded');
await mkdir(folder, { recursive: true });
await writeFile(path.join(folder, `${name}.json`), nobodys(`${JSON.stringify(recordOf(world, observed), null, 1)}\n`));
