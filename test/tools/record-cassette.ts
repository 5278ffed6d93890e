// `npm run cassette`: two lab machines are bootstrapped, and what they answered becomes the fixture of test/engine/cassette.test.ts.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freshLab, homelab } from '../lab/test-lab.ts';
import { nobodys } from './nobodys.ts';

const name = 'cassette';
const fixture = fileURLToPath(new URL('../../../test/fixtures/cassettes/bootstrap.json', import.meta.url));

const lab = await freshLab(name, 2);
try {
  const bundle = lab.bundle ?? '';
  const folder = path.join(lab.dir, 'recorded');
  const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle, '--record', folder]);
  if (run.code !== 0) throw new Error(`bootstrap ended with ${run.code}:\n${run.stderr}`);
  const recorded = await readFile(path.join(folder, 'cassette.json'), 'utf8');
  // Where this computer keeps its things is nobody's business.
  const clean = nobodys(recorded.replaceAll(bundle, '/bundle').replaceAll(lab.dir, '/lab'));
  await mkdir(path.dirname(fixture), { recursive: true });
  await writeFile(fixture, clean);
  await rm(folder, { recursive: true });
  console.error(`${fixture}: ${Math.round(clean.length / 1024)} KiB`);
} finally {
  await lab.down();
}
