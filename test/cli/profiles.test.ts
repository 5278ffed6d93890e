// homelab profiles: what is tested together, for eyes and for programs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test.each([
  ['upgrade', ['upgrade', '--yes']],
  ['plan upgrade', ['plan', 'upgrade']],
])(
  '%s to a Kubernetes that the inventory’s versions do not go with is refused before a machine is reached',
  async (_, argv) => {
    const dir = mkdtempSync(join(tmpdir(), 'homelab-clash-'));
    const path = join(dir, 'inventory.yaml');
    writeFileSync(
      path,
      'apiVersion: homelab/v1\nkind: Cluster\nname: blog\nprofile: "1.31"\ncontainerd: {version: "2.0.0"}\nhosts: [{name: a, role: control-plane, address: 192.0.2.1}]\n',
    );
    const { code, stderr } = await runCli([...argv, '--to', 'v1.32.3', '-i', path]);
    rmSync(dir, { recursive: true });
    expect(code).toBe(5);
    expect(stderr).toContain('containerd 2.0.0: it takes containerd 2.0.1 or later with Kubernetes 1.32');
    expect(stderr).toContain('then homelab upgrade --to v1.32.3');
  },
);
