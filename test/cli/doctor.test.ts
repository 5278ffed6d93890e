// `homelab doctor` as it is typed, on folders: no machine is reached.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadSnapshot, saveSnapshot } from '../../src/io/snapshot-folder.ts';
import { labState } from '../doctor/lab-states.ts';
import { inventoryPath, root } from '../sample.ts';
import { runCli } from './run-cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'homelab-doctor-'));
afterAll(() => rmSync(dir, { recursive: true }));

const recorded = (state: string) => join(root, 'test/fixtures/doctor/recorded', state);
const doctor = (...argv: readonly string[]) => runCli(['doctor', '-i', inventoryPath, ...argv]);

describe('homelab doctor --from', () => {
  it('says first what is broken, then why it is said, what to type and what follows, and exits 9', async () => {
    const { code, stdout } = await doctor('--from', recorded('worker-kubelet-stopped'));
    expect(code).toBe(9);
    const [first = ''] = stdout.split('\n');
    expect(first).toContain('n2');
    expect(stdout).toMatch(/\n {2}evidence {3}\S/);
    expect(stdout).toMatch(/\n {2}cure {7}\S/);
    expect(stdout).toMatch(/\nCould not look:\n(.*\n)* {2}n1: no machines\/n1\.json in this folder/);
    expect(stdout).toMatch(/machines n1 .*n2 broken/);
  });

  it('tells the same as one JSON document, with the same exit code', async () => {
    const { code, stdout } = await doctor('--from', recorded('worker-kubelet-stopped'), '--output', 'json');
    const told = JSON.parse(stdout);
    expect([code, told.exitCode]).toEqual([9, 9]);
    expect(told.broken[0].about[0]).toBe('machine:n2');
    expect(told.broken[0].consequences.length).toBeGreaterThan(0);
    expect(told.machines.map(({ name }: { name: string }) => name)).toEqual(['n1', 'n2']);
  });

  it('says the same twice, to the byte', async () => {
    const again = async () => (await doctor('--from', recorded('broken-pods'), '--output', 'json')).stdout;
    expect(await again()).toBe(await again());
  });

  it('finds nothing broken in a healthy cluster, and exits 0', async () => {
    await saveSnapshot(join(dir, 'healthy'), await labState('healthy'));
    const { code, stdout } = await doctor('--from', join(dir, 'healthy'));
    expect([code, stdout.split('\n')[0]]).toEqual([0, '+ Nothing is broken.']);
  });

  it('exits 4 where nothing could be looked at', async () => {
    const healthy = await loadSnapshot(join(root, 'test/fixtures/doctor/lab/healthy'));
    const says = 'no login within 5 s';
    const blind = {
      ...healthy,
      machines: healthy.machines.map(machine => ({
        ...machine,
        facts: {},
        unreached: { kind: 'no answer' as const, says },
      })),
      api: { state: 'silent' as const, says: 'no control plane could be asked', from: '' },
      lists: (await loadSnapshot(recorded('broken-pods'))).lists,
    };
    await saveSnapshot(join(dir, 'blind'), blind);
    const { code, stdout } = await doctor('--from', join(dir, 'blind'));
    expect(code).toBe(4);
    expect(stdout).toContain(says);
  });

  it('says what changed since a time', async () => {
    const { stdout } = await doctor('--from', recorded('worker-kubelet-stopped'), '--since', '2026-11-21T20:05:00Z');
    expect(stdout).toMatch(/Changed since then:\n(.*\n)*.* n2: Ready became Unknown \(NodeStatusUnknown\)/);
  });

  it('lets nothing that a cluster says reach the terminal as a command of it', async () => {
    const snapshot = await loadSnapshot(recorded('broken-pods'));
    const text = JSON.stringify(snapshot).replaceAll(
      'failed to resolve image',
      'failed\\u001b[2J\\u202e to resolve image',
    );
    await saveSnapshot(join(dir, 'evil'), { ...JSON.parse(text), machines: snapshot.machines });
    const { stdout } = await doctor('--from', join(dir, 'evil'), '--verbose');
    expect(stdout).toContain('failed\\x1b[2J');
    for (const character of ['\u001b', '\u202e']) expect(stdout).not.toContain(character);
  });

  it.each([
    [['--from', 'a', '--save', 'b'], 'give one of them'],
    [['--from', 'a', '--fix'], 'give one of them'],
    [['--from', '/nowhere'], 'kubectl get -o json'],
    [['--kubeconfig', '/nowhere'], 'a control plane is asked over SSH'],
    [['--from', recorded('broken-pods'), '--since', 'yesterday'], 'a time'],
  ])('exits 2 at %j and says what to type', async (argv, hint) => {
    const { code, stderr } = await doctor(...argv);
    expect(code).toBe(2);
    expect(stderr).toContain(hint);
  });
});
