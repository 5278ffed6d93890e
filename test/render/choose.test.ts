import { describe, expect, it, vi } from 'vitest';
import { createRenderer, outputMode } from '../../src/render/choose.ts';
import { colorLevel } from '../../src/render/color.ts';
import { asciiMarks, marksFor, unicodeMarks } from '../../src/render/marks.ts';
import { FakeStream, okRun, play } from './sample-run.ts';

function mode(
  columns: number | undefined,
  env: Record<string, string> = {},
  output?: 'tty' | 'plain' | 'json',
): string {
  return outputMode({ output, stderr: new FakeStream(columns).asStream, env });
}

describe('the output', () => {
  it('is live on a terminal that is wide enough', () => {
    expect(mode(80)).toBe('tty');
    expect(mode(39)).toBe('plain');
    expect(mode(0)).toBe('plain');
    expect(mode(undefined)).toBe('plain');
  });

  it('is plain in CI and on a dumb terminal', () => {
    expect(mode(80, { CI: 'true' })).toBe('plain');
    expect(mode(80, { CI: 'false' })).toBe('tty');
    expect(mode(80, { TERM: 'dumb' })).toBe('plain');
  });

  it('is what was asked for, but nothing is redrawn without a terminal', () => {
    expect(mode(80, {}, 'plain')).toBe('plain');
    expect(mode(undefined, {}, 'json')).toBe('json');
    expect(mode(80, { CI: '1' }, 'tty')).toBe('tty');
    expect(mode(undefined, {}, 'tty')).toBe('plain');
  });

  it('asks what steps took earlier only where that is shown, and shows it', async () => {
    const asked: string[] = [];
    for (const output of ['tty', 'plain', 'json'] as const) {
      const stderr = new FakeStream(80);
      const pastTimes = async () => {
        asked.push(output);
        return new Map([['workers/k8s-worker1/join', 41_000]]);
      };
      const streams = { stdout: new FakeStream(80).asStream, stderr: stderr.asStream };
      const sink = await createRenderer({ output, ...streams, env: {}, pastTimes });
      const events = okRun();
      const joining = events.findIndex(event => event.type === 'step-started' && event.id.startsWith('workers/'));
      for (const event of events.slice(0, joining + 1)) sink.handle(event);
      if (output === 'tty') await vi.waitFor(() => expect(stderr.text).toContain('(last time 41s)'));
      await sink.close();
    }
    expect(asked).toEqual(['tty']);
  });

  it('goes to stderr, JSON alone to stdout', async () => {
    for (const output of ['plain', 'json'] as const) {
      const [stdout, stderr] = [new FakeStream(), new FakeStream()];
      await play(await createRenderer({ output, stdout: stdout.asStream, stderr: stderr.asStream, env: {} }), okRun());
      expect([stdout.text !== '', stderr.text !== '']).toEqual(output === 'json' ? [true, false] : [false, true]);
    }
  });
});

describe('colour', () => {
  it.each([
    [true, {}, 1],
    [false, {}, 0],
    [true, { NO_COLOR: '1' }, 0],
    [true, { NO_COLOR: '' }, 1],
    [true, { NO_COLOR: '1', FORCE_COLOR: '3' }, 0],
    [false, { FORCE_COLOR: '1' }, 1],
    [false, { FORCE_COLOR: '' }, 1],
    [false, { FORCE_COLOR: '3' }, 3],
    [true, { FORCE_COLOR: '0' }, 0],
    [true, { TERM: 'dumb' }, 0],
  ])('on a terminal: %s, with %o: level %i', (isTTY, env, level) => {
    expect(colorLevel({ isTTY }, env)).toBe(level);
  });
});

describe('marks', () => {
  it('are ASCII unless the locale is UTF-8', () => {
    expect(marksFor({ LANG: 'ko_KR.UTF-8' })).toBe(unicodeMarks);
    expect(marksFor({ LANG: 'ko_KR.utf8' })).toBe(unicodeMarks);
    expect(marksFor({ LC_ALL: 'C', LANG: 'en_US.UTF-8' })).toBe(asciiMarks);
    expect(marksFor({ LC_ALL: '', LANG: 'en_US.UTF-8' })).toBe(unicodeMarks);
    expect(marksFor({})).toBe(asciiMarks);
  });
});
