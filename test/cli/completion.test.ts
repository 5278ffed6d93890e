// What shells complete, asked of the shells themselves.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { phaseNames } from '../../src/phases/names.ts';
import { inventoryPath } from '../sample.ts';
import { runCli } from './run-cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'homelab-completion-'));
afterAll(() => rmSync(dir, { recursive: true }));

const phases = Object.values(phaseNames).map(({ id }) => id as string);
const hosts = ['k8s-cp', 'k8s-worker1', 'k8s-worker2', 'k8s-worker3'];

// [what is typed, what the last word may become]: exactly these.
const cases: readonly (readonly [line: readonly string[], expected: readonly string[]])[] = [
  [['boo'], ['bootstrap']],
  [['plan', 'up'], ['upgrade']],
  [['bundle', 've'], ['verify']],
  [['plan', '--detailed'], ['--detailed-exitcode']],
  [
    ['plan', '--output', ''],
    ['json', 'plain', 'tty'],
  ],
  [['bootstrap', '--only', ''], phases],
  [['bootstrap', '-i', inventoryPath, '--skip', 'workers/k8s-w'], hosts.slice(1).map(name => `workers/${name}`)],
  [['remove-node', '-i', inventoryPath, 'k8s-c'], ['k8s-cp']],
  [['verify', '-i', inventoryPath, '--exclude', ''], hosts],
  [
    ['completion', ''],
    ['--help', 'bash', 'fish', 'zsh'],
  ],
  [['upgrade', '--to', ''], []],
];

const askers: Readonly<Record<string, (script: string, line: readonly string[]) => string>> = {
  bash: (script, line) =>
    `source ${script}; COMP_WORDS=(homelab ${quoted(line)}); COMP_CWORD=${line.length}; compopt() { :; }; _homelab; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // Without a terminal zsh's line editor does not run: its candidates are asked for, and chosen from as compadd does.
  zsh: (script, line) =>
    `compdef() { :; }; source ${script}; __homelab_complete ${quoted(line.slice(-1))} ${quoted(line.slice(0, -1))} | while read -r each; do [[ $each != ${quoted(line.slice(-1))}* ]] || print -r -- $each; done`,
  fish: (script, line) => `source ${script}; complete -C "homelab ${line.join(' ')}"`,
};

function quoted(words: readonly string[]): string {
  return words.map(word => `'${word}'`).join(' ');
}

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

describe.each(Object.keys(askers))('%s', shell => {
  const isThere = has(shell);
  it.skipIf(!isThere).each(cases)(
    `completes %j${isThere ? '' : ` (${shell} is not installed)`}`,
    async (line, expected) => {
      const { code, stdout } = await runCli(['completion', shell]);
      expect(code).toBe(0);
      const script = join(dir, `homelab.${shell}`);
      writeFileSync(script, stdout);
      const result = spawnSync(
        shell,
        [...(shell === 'bash' ? ['--norc'] : []), '-c', askers[shell]?.(script, line) ?? ''],
        {
          encoding: 'utf8',
          env: { ...process.env, HOME: dir },
        },
      );
      expect(result.stderr).toBe('');
      const found = result.stdout.split('\n').filter(Boolean);
      expect(found.sort()).toEqual([...expected].sort());
    },
  );
});

describe('a name that nobody has', () => {
  const inventory = ['-i', inventoryPath];
  it.each([
    ['of a command', ['bootstrp'], 'Did you mean bootstrap?'],
    ['of an option', ['plan', '--verbos'], 'Did you mean --verbose?'],
    ['of a phase', ['plan', ...inventory, '--only', 'netwrok'], 'did you mean network?'],
    ['of a machine in a phase', ['plan', ...inventory, '--only', 'network/k8s-wroker1'], 'did you mean k8s-worker1?'],
    ['of a machine', ['reset', ...inventory, '--yes', 'k8s-pc'], 'did you mean k8s-cp?'],
    ['of a machine left out', ['verify', ...inventory, '--exclude', 'k8s-worker_2'], 'did you mean k8s-worker2?'],
    [
      'of a step',
      ['bootstrap', ...inventory, '--rehearse', '--yes', '--fault', 'k8s-cp:control-plane/k8s-cp/imit'],
      'did you mean control-plane/k8s-cp/init?',
    ],
  ])('%s is met with the one that was meant, exit 2', async (_, argv, meant) => {
    const { code, stdout, stderr } = await runCli(argv);
    expect(code).toBe(2);
    expect(stdout + stderr).toContain(meant);
  });
});

describe('version', () => {
  it('tells people and programs the same', async () => {
    const { code, stdout } = await runCli(['version', '--output', 'json']);
    expect(code).toBe(0);
    const facts = JSON.parse(stdout);
    expect(facts).toMatchObject({ node: process.version, commit: expect.stringMatching(/^([0-9a-f]{7,}|unknown)/) });
    const said = (await runCli(['version'])).stdout;
    for (const each of [facts.version, facts.commit, facts.node, facts.platform]) expect(said).toContain(each);
  });
});
