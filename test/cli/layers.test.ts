// homelab layers, on simulated machines: one layer is installed, proven or taken away, and the network never.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inventoryPath } from '../sample.ts';
import { runCli } from './run-cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'homelab-layers-'));
afterAll(() => rmSync(dir, { recursive: true }));
const path = join(dir, 'inventory.yaml');
writeFileSync(
  path,
  `${readFileSync(inventoryPath, 'utf8').replaceAll(/^(network|layers):.*\n(?: .*\n)*/gm, '')}
network: {provider: cilium}
layers: {metrics-server: {}, longhorn: {}}
`,
);
const layers = (...argv: readonly string[]) => runCli(['layers', ...argv, '-i', path, '--rehearse']);

describe('homelab layers', () => {
  it('list says what is wanted, and that nothing of it is there', async () => {
    const { code, stdout } = await layers('list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^metrics-server +3\.\d+\.\d+ +- +- +- +kube-system +not installed$/m);
    expect(stdout).toMatch(/^local-path +- +- +- +- +local-path-storage +not wanted$/m);
  });

  it('list tells programs the same', async () => {
    const { stdout } = await layers('list', '--output', 'json');
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
    expect(events.find(({ type }) => type === 'layers')).toMatchObject({
      layers: expect.arrayContaining([expect.objectContaining({ name: 'cilium', state: 'not installed' })]),
    });
  });

  it.each([
    ['cilium', 'network'],
    ['metrics-server', 'metrics-server'],
  ])('verify %s makes the proofs of phase %s, and of no other', async (name, phase) => {
    const { stdout } = await layers('verify', name, '--output', 'json');
    const begun = stdout
      .split('\n')
      .flatMap(line => (line.includes('"phase-started"') ? [JSON.parse(line).phase] : []));
    expect(begun).toEqual([phase]);
  });

  it('install does that layer alone, with Helm and what it needs of the machines', async () => {
    const { code, stdout } = await layers('install', 'metrics-server', '--yes', '--output', 'json');
    expect(code).toBe(0);
    const steps = stdout.split('\n').flatMap(line => (line.includes('"step-finished"') ? [JSON.parse(line).id] : []));
    expect(steps.filter(id => !id.startsWith('host-base/') && !id.startsWith('kube-packages/'))).toEqual([
      'metrics-server/k8s-cp/release-metrics-server',
    ]);
    expect(steps).toContain('kube-packages/k8s-cp/helm');
  });

  it('install makes what a layer has beside its chart, after its release', async () => {
    const { code, stdout } = await layers('install', 'longhorn', '--yes', '--output', 'json');
    expect(code).toBe(0);
    const steps = stdout.split('\n').flatMap(line => (line.includes('"step-finished"') ? [JSON.parse(line).id] : []));
    expect(steps.filter(id => id.startsWith('longhorn/'))).toEqual([
      'longhorn/k8s-cp/namespace-longhorn-system',
      'longhorn/k8s-cp/release-longhorn',
      'longhorn/k8s-cp/object-recurringjob-longhorn-system.daily-snapshot',
    ]);
  });

  it('uninstall takes one away, and says that the inventory still wants it', async () => {
    const { code, stdout } = await layers('uninstall', 'longhorn', '--yes', '--output', 'json');
    expect(code).toBe(0);
    expect(stdout).toContain('uninstall/k8s-cp/no-release-longhorn');
    expect(stdout).toContain('the inventory still wants longhorn');
  });

  it.each([
    ['uninstall of the network', ['uninstall', 'cilium', '--yes'], 5, 'is the network of every pod'],
    ['install of a layer that is not wanted', ['install', 'local-path', '--yes'], 2, 'layers: {local-path: {}}'],
    ['verify of a layer that is not wanted', ['verify', 'crds'], 2, 'layers: {crds: {}}'],
    ['diff of a layer that is not wanted', ['diff', 'sealed-secrets'], 2, 'layers: {sealed-secrets: {}}'],
    ['a layer that nobody has', ['diff', 'istioo'], 2, 'Allowed choices are crds'],
    ['a recording of a diff', ['diff', 'longhorn', '--record', '/tmp/x'], 2, 'what is in Secrets'],
    ['install without an answer', ['install', 'longhorn'], 2, 'homelab layers install longhorn --yes'],
    ['uninstall without an answer', ['uninstall', 'longhorn'], 2, 'homelab layers uninstall longhorn --yes'],
    [
      'a power cut without an answer',
      ['verify', 'longhorn', '--power-off', 'k8s-worker2'],
      2,
      '--power-off k8s-worker2 --yes',
    ],
    ['a power cut of nobody', ['verify', 'longhorn', '--power-off', 'k8s-worker9', '--yes'], 2, 'k8s-worker9'],
    [
      'a power cut for a layer that keeps nothing',
      ['verify', 'metrics-server', '--power-off', 'k8s-worker2'],
      2,
      'longhorn',
    ],
    [
      'a power cut for two layers',
      ['verify', 'longhorn', 'cilium', '--power-off', 'k8s-worker2'],
      2,
      'proves one layer',
    ],
  ])('%s is refused, with what to type', async (_, argv, expected, words) => {
    const { code, stderr } = await layers(...argv);
    expect(stderr).toContain(words);
    expect(code).toBe(expected);
  });

  it.each(['list', 'diff', 'install', 'verify', 'uninstall'])('%s has a help with examples', async name => {
    const { stdout } = await runCli(['layers', name, '--help']);
    expect(stdout).toContain(`homelab layers ${name}`);
    expect(stdout).toContain('Examples:');
  });
});
