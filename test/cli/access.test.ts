// How one gets in: from the inventory and this computer alone; and the hand-over that ends the first bootstrap.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { handOver, makesCluster } from '../../src/cli/hand-over.ts';
import { intend, planFrom } from '../../src/engine/plan.ts';
import { plan } from '../../src/engine/run.ts';
import { hasSucceeded, lastRun } from '../../src/io/past-runs.ts';
import type { RunEvent } from '../../src/model/events.ts';
import { phases } from '../../src/phases/index.ts';
import { noColor } from '../../src/render/color.ts';
import { asciiMarks } from '../../src/render/marks.ts';
import { createPlainRenderer } from '../../src/render/plain.ts';
import { testRun } from '../run-context.ts';
import { cluster, convergedWorld, everything, goal, inOrder, inventoryPath } from '../sample.ts';
import { runCli } from './run-cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'homelab-access-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('homelab access', () => {
  it('says what is to be typed on a computer that has nothing yet', async () => {
    const { code, stdout } = await runCli(['access', '-i', inventoryPath]);
    expect(code).toBe(0);
    expect(stdout).toContain(`homelab kubeconfig --merge --use -i ${inventoryPath}`);
    expect(stdout).toContain("echo '192.168.0.10 k8s-api.home.arpa' | sudo tee -a /etc/hosts");
    expect(stdout).toContain('ssh -i ');
    expect(stdout).toContain('homelab backup --help');
  });

  it('knows the context that is there', async () => {
    const kubeconfig = join(dir, 'config');
    writeFileSync(kubeconfig, 'contexts:\n- name: homelab\n  context: {cluster: homelab, user: x}\n');
    const { stdout } = await runCli(['access', '-i', inventoryPath, '--output', 'json'], {
      env: { KUBECONFIG: kubeconfig },
    });
    const { access } = JSON.parse(stdout);
    expect(access[0]).toEqual({
      what: 'kubectl',
      where: `${kubeconfig}, context homelab`,
      type: 'kubectl --context homelab get nodes',
    });
  });

  it('takes a broken kubeconfig for one without the context', async () => {
    const kubeconfig = join(dir, 'broken');
    writeFileSync(kubeconfig, '{{{');
    const { code, stdout } = await runCli(['access', '-i', inventoryPath], { env: { KUBECONFIG: kubeconfig } });
    expect([code, stdout]).toEqual([0, expect.stringContaining('has no context homelab yet')]);
  });

  it('names where the key of backups is, and never what is in it', async () => {
    const { access } = await handOver(
      {
        ...cluster,
        backup: {
          recipient: 'PEM',
          key: { kind: 'file', path: '/keys/backup.key' },
          schedule: '03:00',
          keep: 7,
          inventory: '',
        },
      },
      'inventory/homelab.yaml',
      {},
    );
    expect(access.find(({ what }) => what === 'backups')?.where).toContain('opened by /keys/backup.key');
  });
});

describe('the hand-over', () => {
  it('stands below everything else, plain in a pipe', async () => {
    let text = '';
    const renderer = createPlainRenderer({
      color: noColor,
      marks: asciiMarks,
      stderr: { write: (more: string) => (text += more) },
    });
    const time = '2026-11-22T21:00:00Z';
    const event: RunEvent = { time, ...(await handOver(cluster, 'inventory/mine.yaml', {})) };
    renderer.handle(event);
    expect(text).toBe('');
    renderer.handle({
      time,
      type: 'run-finished',
      outcome: 'ok',
      exitCode: 0,
      steps: 3,
      predictionErrors: 0,
      durationMs: 1,
      simulated: false,
      remoteCommands: {},
    });
    const [end = '', , table = ''] = text
      .split('\n\n')
      .slice(-3)
      .map(part => part);
    expect(end).toContain('done and proven');
    expect(text.indexOf('API server')).toBeGreaterThan(text.indexOf('done and proven'));
    expect(table).toMatch(/^next\n {2}homelab status -i inventory\/mine\.yaml +one screen/);
  });

  it('is of the run that makes the cluster, and not of a rehearsal', async () => {
    const { stdout } = await runCli(['bootstrap', '-i', inventoryPath, '--rehearse', '--yes', '--output', 'json']);
    expect(stdout).not.toContain('hand-over');
    expect(makesCluster(await plan(testRun(goal)))).toBe(true);
    const world = convergedWorld();
    expect(makesCluster(planFrom(intend(world, phases, everything), inOrder(world)))).toBe(false);
  });

  it('goes by whether a run of this computer has ended well before', async () => {
    const state = join(dir, 'state');
    const journal = (name: string, ...events: readonly object[]) => {
      mkdirSync(join(state, 'homelab', 'runs'), { recursive: true });
      writeFileSync(join(state, 'homelab', 'runs', name), events.map(each => `${JSON.stringify(each)}\n`).join(''));
    };
    const start = {
      type: 'run-started',
      time: '2026-11-22T20:00:00Z',
      run: 'a',
      command: 'homelab bootstrap',
      purpose: 'change',
      simulated: false,
    };
    expect(await hasSucceeded(state, 'homelab')).toBe(false);
    journal('2026-11-22T20-00-00Z-a.jsonl', start, { type: 'run-finished', outcome: 'failed' });
    journal('2026-11-22T20-10-00Z-b.jsonl', { ...start, simulated: true }, { type: 'run-finished', outcome: 'ok' });
    journal('2026-11-22T20-20-00Z-c.jsonl', start);
    expect(await hasSucceeded(state, 'homelab')).toBe(false);
    expect(await lastRun(state, 'homelab')).toMatchObject({ says: expect.stringContaining('no end') });
    journal('2026-11-22T20-30-00Z-d.jsonl', start, { type: 'run-finished', outcome: 'ok' });
    expect(await hasSucceeded(state, 'homelab')).toBe(true);
    expect(await lastRun(state, 'homelab')).toMatchObject({ says: 'ok' });
  });
});
