import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withNamespaces, wordsOf } from '../../src/model/probe-namespace.ts';
import { machines, removed } from '../layers/rig.ts';

const names = ['homelab-probe-a', 'homelab-probe-b'];

describe('the namespaces of a proof', () => {
  it('are there for it and go after it', async () => {
    const { context, asked } = machines([]);
    const seen = await withNamespaces(context, 'cp', names, async () => asked.length);
    expect(seen).toBe(1);
    expect(asked.map(({ host }) => host)).toEqual(['cp', 'cp']);
    expect(removed(asked)).toEqual(['homelab-probe-a on cp', 'homelab-probe-b on cp']);
  });

  it('go after a proof that fails, whose own words stay', async () => {
    const { context, asked } = machines([]);
    const work = withNamespaces(context, 'cp', names, async () => {
      throw new Error('wrong sum');
    });
    await expect(work).rejects.toThrow('wrong sum');
    expect(removed(asked)).toEqual(['homelab-probe-a on cp', 'homelab-probe-b on cp']);
  });

  it('that cannot be made are said, and what was made goes', async () => {
    const { context, asked } = machines([
      ['create namespace', { code: 1, stderr: 'Unable to connect to the server\n' }],
    ]);
    const work = withNamespaces(context, 'cp', names, async () => 'proven');
    await expect(work).rejects.toThrow('the probe has no namespace: Unable to connect to the server');
    expect(removed(asked)).toEqual(['homelab-probe-a on cp', 'homelab-probe-b on cp']);
  });
});

describe('the scripts of a namespace', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'homelab-namespace-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** Runs all that a proof asks for with tools that write down how they were called; `fails` is a call that ends with 1. */
  async function calls({ volumes = '', fails = 'nothing' } = {}): Promise<readonly string[]> {
    const log = join(dir, 'log');
    writeFileSync(log, '');
    for (const tool of ['kubectl', 'systemctl', 'systemd-run']) {
      const answers = `case "$*" in *'${fails}'*) exit 1 ;; *'get persistentvolumes'*) printf '${volumes}' ;; esac`;
      writeFileSync(join(dir, tool), `#!/bin/sh\necho "${tool} $*" >>"${log}"\n${answers}\n`);
      chmodSync(join(dir, tool), 0o755);
    }
    const context = {
      signal: new AbortController().signal,
      exec: async (_: string, script: string) => {
        const env = { ...process.env, PATH: `${dir}:${process.env['PATH']}` };
        const input = `set -eu\n${script}`;
        const { status, stdout, stderr } = spawnSync('dash', ['-s'], { input, encoding: 'utf8', env });
        return { code: status ?? 1, stdout, stderr };
      },
    };
    await withNamespaces(context, 'cp', ['homelab-probe-a'], async () => 'proven').catch(() => undefined);
    return readFileSync(log, 'utf8')
      .replaceAll(/ --kubeconfig \S+ --request-timeout=\S+/g, '')
      .trim()
      .split('\n')
      .filter(line => /^(kubectl (create|delete|patch)|systemctl|systemd-run)/.test(line));
  }
  const stopped = 'systemctl stop homelab-probe-a-removal.timer homelab-probe-a-removal.service';
  const deleted = 'kubectl delete namespace homelab-probe-a --ignore-not-found --wait --timeout=90s';
  const patch = 'kubectl patch persistentvolume -p {"spec":{"persistentVolumeReclaimPolicy":"Delete"}}';

  it('start the timer before there is anything to remove, and stop it when nothing is left', async () => {
    const all = await calls();
    expect(all.map(line => line.replace(/ -c .*/, ' …'))).toEqual([
      stopped,
      'systemd-run --quiet --collect --unit=homelab-probe-a-removal --on-active=15min /bin/sh …',
      'kubectl delete namespace homelab-probe-a --ignore-not-found --wait=false >/dev/null',
      deleted,
      'kubectl create namespace homelab-probe-a',
      deleted,
      stopped,
    ]);
  });

  it('let go of volumes before their claims go: one of a proof that was killed, and the own one', async () => {
    const all = await calls({ volumes: 'pvc-1\\npvc-2\\n' });
    expect(all.filter(line => /patch|delete namespace \S+ --ignore-not-found --wait /.test(line))).toEqual([
      `${patch} pvc-1`,
      `${patch} pvc-2`,
      deleted,
      `${patch} pvc-1`,
      `${patch} pvc-2`,
      deleted,
    ]);
  });

  it('leave the timer where the namespace does not go', async () => {
    expect((await calls({ fails: '--timeout=90s' })).at(-1)).toBe(deleted);
  });

  it('give the timer no word that systemd would take for a variable', async () => {
    const asked: string[] = [];
    const exec = async (_: string, script: string) => {
      asked.push(script);
      return { code: 0, stdout: '', stderr: '' };
    };
    await withNamespaces(
      { signal: new AbortController().signal, exec },
      'cp',
      ['homelab-probe-a'],
      async () => 'proven',
    );
    const later = /systemd-run [\s\S]*?\n'\n/.exec(asked[0] ?? '')?.[0] ?? '';
    expect(later).toContain('--wait=false');
    expect(later).not.toMatch(/[$%]/);
  });
});

describe('the words of a script that failed', () => {
  it.each([
    ['what it said to stderr', { code: 1, stdout: 'a', stderr: 'b\nc\n' }, 'b · c'],
    ['what it printed', { code: 1, stdout: 'a\n', stderr: '' }, 'a'],
    ['its exit code', { code: 124, stdout: '', stderr: '' }, 'exit 124'],
  ])('are %s', (_, result, words) => {
    expect(wordsOf(result)).toBe(words);
  });
});
