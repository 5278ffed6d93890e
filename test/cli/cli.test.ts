import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { layerNames } from '../../src/model/layers.ts';
import { version } from '../../src/model/version.ts';
import { phases } from '../../src/phases/index.ts';
import { phaseNames } from '../../src/phases/names.ts';
import { inventoryPath, root } from '../sample.ts';
import { type CliResult, runCli } from './run-cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'homelab-plans-'));
afterAll(() => rmSync(dir, { recursive: true }));

const inventory = ['-i', inventoryPath];
const rehearse = (...more: readonly string[]) =>
  runCli(['bootstrap', ...inventory, '--rehearse', '--yes', '--output', 'json', ...more]);

interface Line {
  readonly type: string;
  readonly id?: string;
  readonly host?: string;
  readonly phase?: string;
  readonly outcome?: string;
  readonly exitCode?: number;
  readonly simulated?: boolean;
  readonly error?: { readonly code: string; readonly step?: string };
}

const linesOf = ({ stdout }: CliResult): readonly Line[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line));

describe('the command line', () => {
  it('says the version that package.json says', async () => {
    const { version: packaged } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(version).toBe(packaged);
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${packaged}\n`, stderr: '' });
  });

  it('lists in --help every phase, in order, as they run', async () => {
    expect(Object.values(phaseNames).map(({ id }) => id)).toEqual(phases.map(({ id }) => id));
    const { code, stdout, stderr } = await runCli(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    const at = phases.map(({ id }) => stdout.indexOf(`\n  ${id} `));
    expect(at.every((place, index) => place > (at[index - 1] ?? 0))).toBe(true);
    for (const { summary } of phases) expect(stdout).toContain(summary);
  });

  it.each(['init', 'validate', 'plan', 'bootstrap', 'join-node', 'remove-node', 'reset', 'verify', 'kubeconfig'])(
    'has examples in %s --help',
    async command => {
      const { code, stdout } = await runCli([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`homelab ${command}`);
      expect(stdout).toContain('Examples:');
    },
  );

  it.each([
    ['an unknown command', ['bootstrp'], 'bootstrap'],
    ['an unknown option', ['plan', '--verbos'], '--verbose'],
    ['a mode that is none', ['plan', '--output', 'xml'], 'json'],
    ['a number that is none', ['plan', '--fork', 'many'], 'whole number'],
    ['a number that is too small', ['plan', '--fork', '0'], 'whole number'],
    ['an option without its value', ['plan', '--out'], 'argument missing'],
    ['a description of simulated machines', ['plan', '--describe', '--rehearse'], '--rehearse'],
    ['a description amid events', ['plan', '--describe', '--output', 'json'], '--out FILE'],
    ['an upgrade to nowhere', ['upgrade', '--yes'], '--to'],
    ['a plan of an upgrade to nowhere', ['plan', 'upgrade'], '--to v1.32.3'],
    ['an upgrade to what is no version', ['upgrade', '--to', '1.32', '--yes'], 'is not a version'],
    ['an upgrade of simulated machines', ['upgrade', '--to', 'v1.32.3', '--rehearse', '--yes'], 'plan upgrade'],
    ['an upgrade that nobody can approve', ['upgrade', '--to', 'v1.32.3'], '--yes'],
    ['a description over its own source', ['plan', '--describe', '-i', 'a.yaml', '--out', './a.yaml'], 'another file'],
  ])('exits 2 at %s, with what was meant', async (_, argv, meant) => {
    const { code, stdout, stderr } = await runCli(argv);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(meant);
  });

  it('exits 2 without a command, with help', async () => {
    const { code, stderr } = await runCli([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: homelab');
  });

  it('exits 3 at an inventory that is not there', async () => {
    const { code, stderr } = await runCli(['validate', '-i', join(dir, 'none.yaml')]);
    expect(code).toBe(3);
    expect(stderr).toContain('not found');
  });
});

describe('validate', () => {
  it('tells people and programs', async () => {
    expect((await runCli(['validate', ...inventory])).stdout).toContain('4 machines');
    const { code, stdout } = await runCli(['validate', ...inventory, '--output', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      inventory: inventoryPath,
      cluster: 'homelab',
      hosts: ['k8s-cp', 'k8s-worker1', 'k8s-worker2', 'k8s-worker3'],
      ok: true,
    });
  });
});

describe('bootstrap', () => {
  it.each([
    ['without a terminal', {}],
    ['in CI', { isTty: true, env: { CI: 'true' } }],
  ])('exits 2 %s and without --yes, and says what to type', async (_, options) => {
    const { code, stdout, stderr } = await runCli(['bootstrap', ...inventory, '--rehearse'], options);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('--yes');
    expect(stderr).toContain('--plan');
  });

  it('asks nobody when its output is for a program', async () => {
    const argv = ['bootstrap', ...inventory, '--rehearse', '--output', 'json'];
    expect((await runCli(argv, { isTty: true })).code).toBe(2);
  });

  it('rehearsed, emits JSON lines and nothing else, and ends well', async () => {
    const result = await rehearse();
    expect([result.code, result.stderr]).toEqual([0, '']);
    const lines = linesOf(result);
    expect(lines[0]).toMatchObject({ type: 'run-started', simulated: true });
    expect(lines.at(-1)).toMatchObject({ type: 'run-finished', outcome: 'ok', exitCode: 0, simulated: true });
    expect(lines.filter(line => line.type === 'phase-finished').map(line => line.phase)).toEqual(
      // The inventory that ships wants no layers.
      phases.map(({ id }) => id).filter(id => !layerNames.some(name => name === id)),
    );
    expect(lines.filter(line => line.type === 'evidence' && line.simulated !== true)).toEqual([]);
  });

  it('rehearsed for people, keeps stdout free', async () => {
    const { code, stdout, stderr } = await runCli(['bootstrap', ...inventory, '--rehearse', '--yes']);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/simulat|rehears/i);
  });

  it('with a fault exits 6: that step failed, the other lanes finished, nothing came after', async () => {
    const result = await rehearse('--fault', 'k8s-worker2:workers/join');
    expect(result.code).toBe(6);
    const lines = linesOf(result);
    const joins = lines.filter(line => line.type === 'step-finished' && line.id?.endsWith('/join'));
    expect(Object.fromEntries(joins.map(({ host, outcome }) => [host, outcome]))).toEqual({
      'k8s-worker1': 'done',
      'k8s-worker2': 'failed',
      'k8s-worker3': 'done',
    });
    expect(lines.filter(line => line.type === 'error').map(line => line.error)).toEqual([
      expect.objectContaining({ code: 'HL_STEP_FAILED', step: 'workers/k8s-worker2/join' }),
    ]);
    expect(lines.filter(line => line.type === 'phase-started').map(line => line.phase)).not.toContain('network');
    expect(lines.at(-1)).toMatchObject({ type: 'run-finished', outcome: 'failed', exitCode: 6 });
  });

  it.each([
    ['that no step has', 'k8s-worker2:workers/joint', 'workers/k8s-worker2/join'],
    ['on a machine that is none', 'k8s-worker9:join', 'k8s-worker1'],
    ['without a machine', 'join', 'HOST:STEP'],
  ])('exits 2 at a fault %s, and lists what there is', async (_, fault, listed) => {
    const { code, stdout, stderr } = await rehearse('--fault', fault);
    expect(code).toBe(2);
    expect(stdout + stderr).toContain(listed);
    expect(stdout).not.toContain('step-started');
  });

  it('takes a fault of evidence', async () => {
    const { code } = await rehearse('--fault', 'k8s-cp:readyz');
    expect(code).toBe(7);
  });

  it('runs the phases that were chosen, on the machines that were chosen', async () => {
    const only = linesOf(await rehearse('--only', 'host-base/k8s-worker1', '--only', 'containerd'));
    const started = only.filter(line => line.type === 'step-started').map(line => line.id ?? '');
    expect(started.every(id => id.startsWith('host-base/k8s-worker1/') || id.startsWith('containerd/'))).toBe(true);
    expect(new Set(started.map(id => id.split('/').slice(0, 2).join('/'))).size).toBe(5);
    const until = linesOf(await rehearse('--until', 'containerd'));
    expect(until.filter(line => line.type === 'phase-finished').map(line => line.phase)).toEqual([
      'connect',
      'preflight',
      'host-base',
      'nic-power',
      'containerd',
    ]);
  });

  it.each([
    [['--only', 'host-bas'], 'host-base'],
    [['--skip', 'networks'], 'network'],
    [['--until', 'workers/k8s-worker9'], 'k8s-worker1'],
  ])('exits 2 at %j, before it begins, and names what there is', async (argv, named) => {
    const { code, stdout, stderr } = await rehearse(...argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(named);
  });

  it('leaves no listener on the process’s signals, also where it fails early', async () => {
    const before = process.listenerCount('SIGINT');
    await rehearse();
    await rehearse('--only', 'nothing');
    await runCli(['plan', '-i', join(dir, 'none.yaml')]);
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});

describe('a machine more, a machine less', () => {
  const life = (...argv: readonly string[]) => runCli([...argv, ...inventory, '--rehearse', '--output', 'json']);
  const stepsOf = (result: CliResult) =>
    linesOf(result)
      .filter(line => line.type === 'step-finished' && line.outcome === 'done')
      .map(line => line.id ?? '');
  const phasesOf = (result: CliResult) => [...new Set(stepsOf(result).map(id => id.split('/')[0]))];

  it.each([
    ['join-node', 'k8s-worker3'],
    ['remove-node', 'k8s-worker3'],
    ['reset', 'k8s-worker3'],
  ])('%s asks, and where nobody can answer says what to type', async (command, name) => {
    const { code, stdout, stderr } = await runCli([command, name, ...inventory, '--rehearse']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`homelab ${command} ${name} --yes`);
  });

  it('join-node rehearsed prepares and joins one machine, and gives the others its route', async () => {
    const result = await life('join-node', 'k8s-worker3', '--yes');
    expect(result.code, result.stdout).toBe(0);
    const steps = stepsOf(result);
    expect(steps).toContain('workers/k8s-worker3/join');
    expect(steps.filter(id => id.includes('/k8s-worker1/'))).toEqual([
      'network/k8s-worker1/routes-unit',
      'network/k8s-worker1/routes-service',
      'network/k8s-worker1/routes',
    ]);
    expect(linesOf(result).at(-1)).toMatchObject({ type: 'run-finished', exitCode: 0 });
  });

  it('remove-node rehearsed empties, resets and forgets it, in that order', async () => {
    const result = await life('remove-node', 'k8s-worker3', '--yes');
    expect(result.code, result.stdout).toBe(0);
    expect(phasesOf(result)).toEqual(['drain', 'reset', 'network', 'forget']);
    expect(stepsOf(result).filter(id => id.includes('/k8s-worker1/'))).toHaveLength(3);
  });

  it('remove-node --dead rehearsed does not touch the machine', async () => {
    const result = await life('remove-node', 'k8s-worker3', '--dead', '--yes');
    expect(result.code, result.stdout).toBe(0);
    expect(phasesOf(result)).toEqual(['network', 'forget']);
    expect(result.stdout).not.toContain('"host":"k8s-worker3"');
  });

  it('reset rehearsed is of one machine, or of all by the cluster’s name', async () => {
    const one = await life('reset', 'k8s-worker3', '--yes');
    expect(one.code, one.stdout).toBe(0);
    expect(stepsOf(one)).toEqual(['reset/k8s-worker3/reset', 'forget/k8s-cp/forget-k8s-worker3']);
    const all = await life('reset', 'homelab', '--yes');
    expect(all.code, all.stdout).toBe(0);
    expect(stepsOf(all)).toHaveLength(4);
  });

  it.each([
    [['remove-node', 'k8s-cp'], 5, 'homelab reset homelab'],
    [['reset', 'k8s-cp'], 5, 'homelab reset homelab'],
    [['join-node', 'k8s-worker9'], 2, 'k8s-worker3'],
    [['remove-node', 'k8s-worker3', '--drain-timeout', '0'], 2, 'whole number'],
    [['reset'], 2, 'missing required argument'],
    [['join-node', 'k8s-worker3', '--exclude', 'k8s-worker9'], 2, 'k8s-worker1'],
    [['join-node', 'k8s-worker3', '--exclude', 'k8s-cp'], 2, 'control plane'],
  ])('%j exits %i and says what there is instead', async (argv, expected, said) => {
    const { code, stdout, stderr } = await life(...argv, '--yes');
    expect(code).toBe(expected);
    expect(stdout + stderr).toContain(said);
    expect(stdout).not.toContain('step-started');
  });

  it('a machine that is excluded is not touched, and nothing is said of it', async () => {
    const result = await rehearse('--exclude', 'k8s-worker3');
    expect(result.code, result.stdout).toBe(0);
    expect(stepsOf(result).filter(id => id.includes('/k8s-worker3/'))).toEqual([]);
    expect(stepsOf(result)).toContain('workers/k8s-worker2/join');
    const joined = await life('join-node', 'k8s-worker3', '--exclude', 'k8s-worker1', '--yes');
    expect(joined.code, joined.stdout).toBe(0);
    expect(stepsOf(joined).filter(id => id.includes('/k8s-worker1/'))).toEqual([]);
  });

  it('workers of a cluster whose control plane is gone can be reset', async () => {
    const result = await life('reset', 'homelab', '--exclude', 'k8s-cp', '--yes');
    expect(result.code, result.stdout).toBe(0);
    expect(stepsOf(result)).toEqual([1, 2, 3].map(at => `reset/k8s-worker${at}/reset`));
  });

  it('a fault in the middle of a removal leaves the node known: the same command goes on', async () => {
    const result = await life('remove-node', 'k8s-worker3', '--yes', '--fault', 'k8s-worker3:reset');
    expect(result.code).toBe(6);
    expect(phasesOf(result)).toEqual(['drain']);
  });
});

describe('plan', () => {
  it('shows the steps and exits 0, or 8 where that is asked for', async () => {
    const plan = await runCli(['plan', ...inventory, '--rehearse']);
    expect(plan.code).toBe(0);
    expect(plan.stdout).toContain('kubeadm');
    expect((await runCli(['plan', ...inventory, '--rehearse', '--detailed-exitcode'])).code).toBe(8);
  });

  it('of nic-power alone is a diagnosis of every adapter', async () => {
    const named = await runCli(['plan', ...inventory, '--rehearse', '--only', 'nic-power']);
    const shown = [
      '  runtime-pm          on',
      '- eee                 on',
      '+ eee                 off  (links with it drop',
    ];
    for (const line of shown) expect(named.stdout).toContain(line);
    expect(named.stdout).toContain('aspm                l1_aspm, left so at level 1: level 2 would make it off');
  });

  it('as JSON is JSON lines only', async () => {
    const result = await runCli(['plan', ...inventory, '--rehearse', '--output', 'json']);
    expect(linesOf(result).map(line => line.type)).toContain('plan');
  });

  it('written to a file approves a bootstrap', async () => {
    const path = join(dir, 'today.plan');
    expect((await runCli(['plan', ...inventory, '--rehearse', '--out', path])).code).toBe(0);
    const written = JSON.parse(readFileSync(path, 'utf8'));
    expect(written).toMatchObject({ apiVersion: 'homelab/v1', kind: 'Plan', cluster: 'homelab' });
    const result = await runCli(['bootstrap', ...inventory, '--rehearse', '--plan', path, '--output', 'json']);
    expect(result.code).toBe(0);
    const done = linesOf(result)
      .filter(line => line.type === 'step-finished')
      .map(line => line.id);
    expect(written.steps.map((step: { readonly id: string }) => step.id)).toEqual(expect.arrayContaining(done));
  });

  it.each([
    ['is not there', undefined, 'cannot be read'],
    ['is no JSON', 'hello', 'is not a plan'],
    ['is other JSON', '{"kind":"Plan"}', 'is not a plan'],
    [
      'is another cluster’s',
      JSON.stringify({ apiVersion: 'homelab/v1', kind: 'Plan', cluster: 'other', made: 'x', steps: [] }),
      'plan for the cluster other',
    ],
  ])('that %s approves nothing: exit 2', async (_, text, message) => {
    const path = join(dir, 'bad.plan');
    rmSync(path, { force: true });
    if (text !== undefined) writeFileSync(path, text);
    const { code, stdout, stderr } = await runCli(['bootstrap', ...inventory, '--rehearse', '--plan', path]);
    expect(code).toBe(2);
    expect(stdout + stderr).toContain(message);
    expect(stderr).toContain('homelab plan --out');
  });
});
