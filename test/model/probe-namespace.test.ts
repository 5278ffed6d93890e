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
  async function calls(fails = 'nothing'): Promise<readonly string[]> {
    const log = join(dir, 'log');
    writeFileSync(log, '');
    for (const tool of ['kubectl', 'systemctl', 'systemd-run']) {
      writeFileSync(
        join(dir, tool),
        `#!/bin/sh\necho "${tool} $*" >>"${log}"\ncase "$*" in *'${fails}'*) exit 1 ;; esac\n`,
      );
      chmodSync(join(dir, tool), 0o755);
    }
    const context = {
      signal: new AbortController().signal,
      exec: async (_: string, script: string) => {
        const env = { ...process.env, PATH: `${dir}:${process.env['PATH']}` };
        const { status, stdout, stderr } = spawnSync('dash', ['-s'], {
          input: `set -eu\n${script}`,
          encoding: 'utf8',
          env,
        });
        return { code: status ?? 1, stdout, stderr };
      },
    };
    await withNamespaces(context, 'cp', ['homelab-probe-a'], async () => 'proven').catch(() => undefined);
    const words = (line: string) => line.replace(/--(kubeconfig|request-timeout=)\S* ?(\/etc\S+ )?/g, '');
    return readFileSync(log, 'utf8').trim().split('\n').map(words);
  }

  it('start the timer before there is anything to remove, and stop it when nothing is left', async () => {
    expect(await calls()).toEqual([
      'systemctl stop homelab-probe-a-removal.timer homelab-probe-a-removal.service',
      'systemd-run --quiet --collect --unit=homelab-probe-a-removal --on-active=15min kubectl delete namespace homelab-probe-a --ignore-not-found --wait=false',
      'kubectl delete namespace homelab-probe-a --ignore-not-found --wait --timeout=90s',
      'kubectl create namespace homelab-probe-a',
      'kubectl get serviceaccount -n homelab-probe-a default',
      'kubectl delete namespace homelab-probe-a --ignore-not-found --wait --timeout=90s',
      'systemctl stop homelab-probe-a-removal.timer homelab-probe-a-removal.service',
    ]);
  });

  it('leave the timer where the namespace does not go', async () => {
    const after = (await calls('--timeout=90s')).slice(-1);
    expect(after).toEqual(['kubectl delete namespace homelab-probe-a --ignore-not-found --wait --timeout=90s']);
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
