// The rule of the fence, and that the machine's sh says the same.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseFence, verdictOf } from '../../src/engine/fence.ts';
import {
  cutOffCode,
  fenceReading,
  fenceScript,
  guarded,
  waitScript,
  workScript,
} from '../../src/engine/fence-script.ts';
import { receiveScript } from '../../src/io/upload.ts';
import { type Fence, type FenceRequest, granted, isHeld, judge, leaseSeconds, noFence } from '../../src/model/fence.ts';
import { dash } from '../dash.ts';

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
const uptime = () => Math.floor(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]));
const since = (pid: number) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')[19] ?? '';
// sha256 of nothing
const emptySum = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const moment = { now: 1000, bootId: 'a', expectedBootId: 'a' };
const mine: Fence = { serial: 4, run: 'me', seq: 2, until: 1030, session: 'alive', working: false, who: 'me@here' };
const theirs: Fence = { ...mine, run: 'they' };
const claim: FenceRequest = { kind: 'claim', run: 'me', serial: 4, seq: 2, steal: false };
const work = (seq: number): FenceRequest => ({ kind: 'work', run: 'me', seq });

describe('the fence', () => {
  it('lets one of two have a machine, and keeps it from the other while the first is heard of', () => {
    expect(judge({ ...noFence, serial: 4, seq: 2 }, claim, moment)).toBe('ok');
    expect(judge(theirs, claim, moment)).toBe('held');
    expect(judge(theirs, { ...claim, steal: true }, moment)).toBe('ok');
  });

  it('lets go of one whose connection is gone, or who is silent for longer than the lease', () => {
    expect(judge({ ...theirs, session: 'gone' }, claim, moment)).toBe('ok');
    expect(judge(theirs, claim, { ...moment, now: 1031 })).toBe('ok');
  });

  it('lets nobody claim a machine on which a work is going on, also not by force', () => {
    expect(judge({ ...theirs, working: true }, { ...claim, steal: true }, { ...moment, now: 9999 })).toBe('busy');
  });

  it('is not let go of while a work is going on', () => {
    expect(judge({ ...mine, working: true }, { kind: 'release', run: 'me' }, moment)).toBe('busy');
  });

  it('refuses a plan that was made before another run or another boot', () => {
    expect(judge({ ...noFence, serial: 5, seq: 2 }, claim, moment)).toBe('changed');
    expect(judge({ ...noFence, serial: 4, seq: 3 }, claim, moment)).toBe('changed');
    expect(judge(mine, work(3), { ...moment, bootId: 'b' })).toBe('rebooted');
  });

  it('lets one who was silent for too long change nothing more, though nobody took over', () => {
    expect(judge(mine, work(3), { ...moment, now: 1031 })).toBe('lapsed');
    expect(judge(mine, { kind: 'renew', run: 'me' }, { ...moment, now: 1031 })).toBe('lapsed');
    expect(judge(theirs, work(3), moment)).toBe('taken');
  });

  it('begins a work once, however often it is asked for', () => {
    expect(judge(mine, work(3), moment)).toBe('ok');
    expect(judge(granted(mine, work(3), 'me@here', 1000), work(3), moment)).toBe('begun');
    // Also after a silence: the result is had, and nothing is begun.
    expect(judge(mine, work(2), { ...moment, now: 9999 })).toBe('begun');
    expect(judge(mine, work(1), moment)).toBe('late');
    expect(judge(granted({ ...noFence, serial: 4 }, claim, 'me@here', 1000), claim, moment)).toBe('begun');
  });
});

describe('the fence in sh', () => {
  let dir = '';
  let bin = '';
  const sleeper = spawn('sleep', ['600']);
  const alive = sleeper.pid ?? 0;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'homelab-fence-'));
    bin = join(dir, 'bin');
    mkdirSync(bin);
    // Runs it at once, and tells how it ended as the unit's ExecStopPost would.
    writeFileSync(
      join(bin, 'systemd-run'),
      `#!/bin/sh
for work; do :; done
while [ "$1" != /bin/sh ]; do shift; done
echo active > "$work/state"
code=0
sh -c "$3" "$work" || code=$?
echo inactive > "$work/state"
[ "$code" = 0 ] && echo success 0 > "$work/result" || echo "exit-code $code" > "$work/result"
`,
      { mode: 0o755 },
    );
    // A unit runs when the folder of its name says so.
    writeFileSync(
      join(bin, 'systemctl'),
      `#!/bin/sh\ncat "${dir}/work/\${2%.service}/state" 2>/dev/null || echo inactive\n`,
      { mode: 0o755 },
    );
  });
  afterAll(() => {
    sleeper.kill();
    rmSync(dir, { recursive: true });
  });

  const put = ({ serial, run, seq, until, session, working, who }: Fence): void => {
    rmSync(join(dir, 'work'), { recursive: true, force: true });
    mkdirSync(join(dir, 'work/homelab-x'), { recursive: true });
    writeFileSync(join(dir, 'work/homelab-x/state'), working ? 'active\n' : 'inactive\n');
    writeFileSync(join(dir, 'work/homelab-x/step'), 'phase/host/x\n');
    writeFileSync(join(dir, 'work/homelab-x/run'), 'they\n');
    const process = session === 'unknown' ? '0 0' : session === 'alive' ? `${alive} ${since(alive)}` : `${alive} 1`;
    writeFileSync(join(dir, 'record'), `${serial} ${run} ${seq} ${until} ${process} ${who}\n`);
  };
  const found = () => parseFence({ ...dash(fenceReading(dir), { bin }) }, 'me');

  it('says of every fence and request what the rule says, and writes what was granted', () => {
    const fences = fc.record({
      serial: fc.integer({ min: 3, max: 5 }),
      run: fc.constantFrom('-', 'me', 'they'),
      seq: fc.integer({ min: 0, max: 3 }),
      // Far from the edge: a second may pass while it runs.
      until: fc.constantFrom(-100, 100),
      session: fc.constantFrom('alive' as const, 'gone' as const, 'unknown' as const),
      working: fc.boolean(),
    });
    const requests = fc.oneof(
      fc.record({
        kind: fc.constant('claim' as const),
        run: fc.constant('me'),
        serial: fc.integer({ min: 3, max: 5 }),
        seq: fc.integer({ min: 0, max: 3 }),
        steal: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('work' as const), run: fc.constant('me'), seq: fc.integer({ min: 1, max: 4 }) }),
      fc.constant({ kind: 'renew' as const, run: 'me' }),
      fc.constant({ kind: 'release' as const, run: 'me' }),
    );
    fc.assert(
      fc.property(fences, requests, fc.boolean(), (shape, request, isSameBoot) => {
        const now = uptime();
        const fence: Fence = { ...shape, until: now + shape.until, who: shape.run === '-' ? '-' : 'who ever' };
        put(fence);
        const asker = { who: 'me@here: homelab', bootId: isSameBoot ? bootId : 'another' };
        const script =
          request.kind === 'work'
            ? workScript({ step: 'a/b/c', seq: request.seq, script: ':', timeoutMs: 1000 }, 'me', asker, dir)
            : fenceScript(request, asker, dir);
        const said = dash(script, { bin });
        const verdict = judge(fence, request, { now, bootId, expectedBootId: asker.bootId });
        const isGranted = verdict === 'ok' || verdict === 'begun';
        // A work that was begun and is not there any more: its folder is not part of the record.
        const isGone = request.kind === 'work' && verdict === 'begun';
        expect(verdictOf(said)?.verdict ?? 'granted').toBe(isGone ? 'late' : isGranted ? 'granted' : verdict);
        if (isGone) return;
        const after = found().fence;
        if (!isGranted) {
          expect(after).toEqual(fence);
          return;
        }
        const expected = granted(fence, request, asker.who, now);
        expect({ ...after, until: 0, session: '', working: false }).toEqual({
          ...expected,
          until: 0,
          session: '',
          working: false,
        });
        if (request.kind !== 'release') expect(after.until - now).toBeGreaterThanOrEqual(leaseSeconds);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  // What systemd gives its ExecStopPost (systemd.exec(5)): 'success TERM' is what a shutdown leaves of a unit that it has stopped.
  it.each([
    ['success 0', 0],
    ['exit-code 3', 3],
    ['timeout TERM', 124],
    ['signal KILL', cutOffCode],
    ['success TERM', cutOffCode],
  ])('takes a work that ended with %s for what it is: %i', (result, code) => {
    put({ ...mine, until: uptime() + 100 });
    writeFileSync(join(dir, 'work/homelab-x/state'), 'inactive\n');
    for (const [file, text] of [
      ['out', ''],
      ['err', ''],
      ['result', `${result}\n`],
    ] as const)
      writeFileSync(join(dir, 'work/homelab-x', file), text);
    expect(dash(waitScript('homelab-x', dir), { bin }).code).toBe(code);
  });

  it('is judged while a work goes on: a sign of life does not wait for its end', async () => {
    const asker = { who: 'me', bootId };
    put({ ...mine, until: uptime() + 100 });
    const go = join(dir, 'go');
    const script = `until [ -e ${go} ]; do sleep 0.05; done; echo done`;
    const working = spawn(
      'dash',
      ['-c', workScript({ step: 'a/b/c', seq: 3, script, timeoutMs: 60_000 }, 'me', asker, dir)],
      {
        env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` },
      },
    );
    let said = '';
    working.stdout.on('data', chunk => {
      said += String(chunk);
    });
    const ended = new Promise(resolve => working.on('close', resolve));
    const started = join(dir, 'work/homelab-a-b-c/started');
    while (!existsSync(started)) await new Promise(resolve => setTimeout(resolve, 20));
    expect(dash(fenceScript({ kind: 'renew', run: 'me' }, asker, dir), { bin }).code).toBe(0);
    writeFileSync(go, '');
    expect(await ended).toBe(0);
    expect(said).toBe('done\n');
  }, 30_000);

  it('tells in a reading who holds it, and what is going on', () => {
    put({ ...theirs, until: uptime() + 100, working: true, who: 'anna@laptop: homelab bootstrap' });
    expect(found()).toMatchObject({
      isHeld: true,
      fence: { serial: 4, run: 'they', who: 'anna@laptop: homelab bootstrap' },
      works: [{ unit: 'homelab-x', step: 'phase/host/x', run: 'they', state: 'running', result: 'none' }],
    });
    put({ ...theirs, until: uptime() + 100, session: 'gone' });
    expect(found()).toMatchObject({ isHeld: false, works: [{ state: 'ended' }] });
  });

  it('lets go of a run whose last command outlived its connection', () => {
    const asker = { who: 'me', bootId };
    // As after kill -9: sshd is gone, what it had begun is still being judged. No sshd is above this test either.
    put({ ...mine, until: uptime() + 100, session: 'gone' });
    expect(dash(fenceScript({ kind: 'renew', run: 'me' }, asker, dir), { bin }).code).toBe(0);
    expect(isHeld(found().fence, uptime())).toBe(false);
    // Who takes it over is not known by the connection of the one before.
    put({ ...theirs, until: uptime() + 100, session: 'gone' });
    expect(dash(fenceScript(claim, asker, dir), { bin }).code).toBe(0);
    expect(isHeld(found().fence, uptime())).toBe(true);
  });

  it('takes a file only from the one who holds it', () => {
    const upload = { localPath: '/a.deb', remotePath: join(dir, 'cache/a.deb'), sha256: emptySum, bytes: 0 };
    const sendAs = (run: string) => {
      const guard = fenceScript({ kind: 'renew', run }, { who: run, bootId }, dir);
      return dash(`set -eu\n${receiveScript(upload.remotePath, upload.sha256, upload.bytes, guard)}`, { bin });
    };
    put({ ...mine, until: uptime() + 100 });
    expect(verdictOf(sendAs('they'))?.verdict).toBe('taken');
    expect(existsSync(join(dir, 'cache'))).toBe(false);
    put({ ...mine, until: uptime() - 100 });
    expect(verdictOf(sendAs('me'))?.verdict).toBe('lapsed');
    put({ ...mine, until: uptime() + 100 });
    expect(sendAs('me')).toMatchObject({ code: 0, stdout: 'need\n' });
    expect(existsSync(upload.remotePath)).toBe(true);
  });

  it('runs a guarded script only for the one who holds it', () => {
    const asker = { who: 'me', bootId };
    put({ ...mine, until: uptime() + 100 });
    expect(dash(guarded('echo ran', 'me', asker, dir), { bin })).toMatchObject({ code: 0, stdout: 'ran\n' });
    expect(dash(guarded('echo ran', 'they', asker, dir), { bin })).toMatchObject({ code: 93, stdout: '' });
    expect(isHeld(found().fence, uptime())).toBe(true);
  });
});
