// `npm run cassette`: two lab machines are bootstrapped, and what they answered becomes the fixture of test/engine/cassette.test.ts.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { output } from '../lab/run.ts';
import { freshLab } from '../lab/test-lab.ts';

const name = 'cassette';
const launcher = fileURLToPath(new URL('../../bin/homelab.js', import.meta.url));
const fixture = fileURLToPath(new URL('../../../test/fixtures/cassettes/bootstrap.json', import.meta.url));

const lab = await freshLab(name, 2);
try {
  const bundle = lab.bundle ?? '';
  const folder = path.join(lab.dir, 'recorded');
  const args = ['bootstrap', '--yes', '-i', lab.inventoryPath, '--bundle', bundle, '--record', folder];
  const { code, stderr } = await output([process.execPath, launcher, ...args, '--output', 'plain'], {
    timeoutMs: 600_000,
  });
  if (code !== 0) throw new Error(`bootstrap ended with ${code}:\n${stderr}`);
  const recorded = await readFile(path.join(folder, 'cassette.json'), 'utf8');
  // Where this computer keeps its things is nobody's business.
  const clean = recorded.replaceAll(bundle, '/bundle').replaceAll(lab.dir, '/lab');
  await mkdir(path.dirname(fixture), { recursive: true });
  await writeFile(fixture, clean);
  await rm(folder, { recursive: true });
  console.error(`${fixture}: ${Math.round(clean.length / 1024)} KiB`);
} finally {
  await lab.down();
}
