// homelab profiles: what is tested together, for eyes and for programs.
import { expect, test } from 'vitest';
import { profiles } from '../../src/inventory/profiles.ts';
import { layerNames } from '../../src/model/layers.ts';
import { runCli } from './run-cli.ts';

test('every set has a column with all its versions, and a line that says who ran it', async () => {
  const { code, stdout } = await runCli(['profiles']);
  expect(code).toBe(0);
  const [head = '', ...rows] = stdout.split('\n');
  expect(head.split(/\s{2,}/)).toEqual(['PROFILE', '1.31 *', '1.34', '1.35', 'lab-1.31']);
  for (const name of layerNames) {
    expect(rows.find(row => row.startsWith(name))?.split(/\s+/)).toEqual([
      name,
      ...Object.values(profiles).map(({ layers }) => layers[name]),
    ]);
  }
  for (const { source } of Object.values(profiles)) expect(stdout).toContain(source);
});

test('a program gets the same', async () => {
  const { stdout } = await runCli(['profiles', '--output', 'json']);
  expect(JSON.parse(stdout)).toEqual(
    Object.entries(profiles).map(([name, profile]) => ({ name, isUsual: name === '1.31', ...profile })),
  );
});

test('its help has examples', async () => {
  const { stdout } = await runCli(['profiles', '--help']);
  expect(stdout).toContain('homelab profiles --output json');
});
