import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { okRun } from '../render/sample-run.ts';
import { bigRun, journalOf } from '../report/big-run.ts';
import { root } from '../sample.ts';
import { runCli } from './run-cli.ts';

describe('homelab report', () => {
  let folder: string;
  let runs: string;
  let out: string;
  const inventory = join(root, 'inventory/homelab.yaml');

  const report = (...args: readonly string[]) =>
    runCli(['report', ...args, '-i', inventory, '--out', out], { env: { XDG_STATE_HOME: folder } });
  const keep = (name: string, events: readonly object[]): string => {
    const path = join(runs, name);
    writeFileSync(path, journalOf(events));
    return path;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'homelab-report-'));
    runs = join(folder, 'homelab', 'homelab', 'runs');
    out = join(folder, 'out.html');
    mkdirSync(runs, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes the last run of the cluster that was more than a look, for its owner only, and says where', async () => {
    keep('2026-11-20T10-00-00Z-aaaa0001.jsonl', okRun(true));
    keep('2026-11-21T10-00-00Z-aaaa0002.jsonl', okRun());
    const [started, ...rest] = okRun(true);
    keep('2026-11-22T10-00-00Z-aaaa0003.jsonl', [{ ...started, purpose: 'look' }, ...rest]);
    const result = await report();
    expect(result).toEqual({ code: 0, stdout: `${out}\n`, stderr: '' });
    expect(readFileSync(out, 'utf8')).toContain('Done and proven in 34s');
    expect(statSync(out).mode & 0o777).toBe(0o600);
  });

  it('takes a run by its name, and compares it with the real run before it, past looks and rehearsals', async () => {
    const [started, ...rest] = okRun();
    keep(
      '2026-11-20T10-00-00Z-aaaa0001.jsonl',
      okRun().map(each => ({ ...each, run: 'earlier' })),
    );
    keep('2026-11-20T11-00-00Z-aaaa0002.jsonl', [{ ...started, purpose: 'look' }, ...rest]);
    keep('2026-11-20T12-00-00Z-aaaa0003.jsonl', okRun(true));
    keep('2026-11-20T13-00-00Z-aaaa0004.jsonl', okRun());
    keep('2026-11-20T14-00-00Z-aaaa0005.jsonl', bigRun({ machines: 2 }));
    expect((await report('aaaa0004')).code).toBe(0);
    expect(readFileSync(out, 'utf8')).toContain('Against run earlier');
  });

  it('takes a journal wherever it lies, without an inventory', async () => {
    const path = join(folder, 'mailed.jsonl');
    writeFileSync(path, journalOf(bigRun({ machines: 3 })));
    const result = await runCli(['report', path, '--out', out, '-i', join(folder, 'none.yaml')]);
    expect(result.code).toBe(0);
    expect(readFileSync(out, 'utf8')).toContain('no earlier run of this cluster');
  });

  it('has what doctor finds in a folder', async () => {
    keep('2026-11-21T10-00-00Z-aaaa0002.jsonl', okRun());
    expect((await report()).code).toBe(0);
    expect(readFileSync(out, 'utf8')).not.toContain('What doctor found');
    expect((await report('--doctor', join(root, 'examples/incidents/sleeping-worker'))).code).toBe(0);
    const page = readFileSync(out, 'utf8');
    expect(page).toContain('What doctor found');
    expect(page).toMatch(/node-not-ready/);
    expect((await report('--doctor', join(folder, 'none'))).code).toBe(2);
  });

  it('names the last runs where it does not know the one it was given', async () => {
    keep('2026-11-21T10-00-00Z-aaaa0002.jsonl', okRun());
    const result = await report('bbbb');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('homelab has no run "bbbb" here');
    expect(result.stderr).toContain('one of the last runs: aaaa0002');
  });

  it('says what is missing: no run at all, no such file, no journal', async () => {
    expect((await report()).stderr).toContain('no run of homelab has left a journal here');
    expect((await report(join(folder, 'none.jsonl'))).stderr).toContain('cannot be read');
    const other = join(folder, 'other.jsonl');
    writeFileSync(other, '{"kind":"PodList"}\n');
    const result = await report(other);
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining('is no journal')]);
  });
});
