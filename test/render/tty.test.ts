import { describe, expect, it, vi } from 'vitest';
import type { EventSink, RunEvent } from '../../src/model/events.ts';
import { noColor, paletteFor } from '../../src/render/color.ts';
import { unicodeMarks } from '../../src/render/marks.ts';
import { createTtyRenderer } from '../../src/render/tty.ts';
import { cancelledRun, FakeStream, failedRun, journalPath, okRun, play, timed } from './sample-run.ts';

const hide = '\u001b[?25l';
const show = '\u001b[?25h';

interface Terminal {
  readonly sink: EventSink;
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
}

function terminal(columns = 80): Terminal {
  const stdout = new FakeStream(columns);
  const stderr = new FakeStream(columns);
  const sink = createTtyRenderer({
    stdout: stdout.asStream,
    stderr: stderr.asStream,
    color: noColor,
    marks: unicodeMarks,
    journalPath,
  });
  return { sink, stdout, stderr };
}

/** What a terminal shows after these bytes; knows the three sequences that the view may use. */
function screen(text: string): string {
  const lines = [''];
  // A letter no output has, because control characters in patterns are mostly mistakes.
  const readable = text.replaceAll(hide, '').replaceAll(show, '').replaceAll('\u001b', 'Ⓔ');
  for (const part of readable.split(/(Ⓔ\[\d+A\rⒺ\[0J)/)) {
    const up = /^Ⓔ\[(\d+)A/.exec(part);
    if (up) lines.splice(Math.max(0, lines.length - 1 - Number(up[1])), Number.POSITIVE_INFINITY, '');
    else {
      const [first = '', ...rest] = part.split('\n');
      lines.push(`${lines.pop() ?? ''}${first}`, ...rest);
    }
  }
  return lines.join('\n');
}

/** Up to and with the first event that matches. */
function until(events: readonly RunEvent[], matches: (event: RunEvent) => boolean): readonly RunEvent[] {
  return events.slice(0, events.findIndex(matches) + 1);
}

describe('the live view', () => {
  it('shows the running steps of every machine, fresh evidence, and hides the cursor', async () => {
    const { sink, stderr } = terminal();
    const joining = until(okRun(), event => event.type === 'step-started' && event.id === 'workers/k8s-worker3/join');
    for (const event of joining) sink.handle(event);
    await vi.waitFor(() => {
      const lines = screen(stderr.text).split('\n');
      expect(lines).toContainEqual(expect.stringMatching(/^\S workers {2}Join the workers {2}0\/3 steps {2}\d+s$/));
      for (const host of ['k8s-worker1', 'k8s-worker2', 'k8s-worker3']) {
        expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^  › ${host}  Join as a worker  \\d+s$`)));
      }
    });
    expect(stderr.text.lastIndexOf(hide)).toBeGreaterThan(stderr.text.lastIndexOf(show));
    await sink.close();
    expect(stderr.text.lastIndexOf(show)).toBeGreaterThan(stderr.text.lastIndexOf(hide));
    expect(screen(stderr.text)).toContain('– workers  Join the workers  0/3 steps, stopped');
  });

  it('begins with as many names of machines as its width holds', async () => {
    const firstLine = async (columns: number): Promise<string | undefined> => {
      const { sink, stderr } = terminal(columns);
      await play(sink, okRun().slice(0, 1));
      return stderr.text.split('\n')[0];
    };
    expect(await firstLine(120)).toMatch(/4 machines \(k8s-cp, k8s-worker1, k8s-worker2, k8s-worker3\)$/);
    expect(await firstLine(80)).toMatch(/4 machines \(k8s-cp, k8s-worker1 and 2 more\)$/);
    expect(await firstLine(45)).toMatch(/4 machines$/);
  });

  it('shows evidence as it comes', async () => {
    const { sink, stderr } = terminal();
    for (const event of until(okRun(), each => each.type === 'evidence')) sink.handle(event);
    await vi.waitFor(() => expect(screen(stderr.text)).toContain('    k8s-cp  ✔ answers: Debian GNU/Linux 12'));
    await sink.close();
  });

  it.each([
    ['a run that works', 'tty-ok', okRun()],
    ['a rehearsal', 'tty-simulated', okRun(true)],
    ['a run that fails', 'tty-failed', failedRun()],
    ['a run that was interrupted', 'tty-cancelled', cancelledRun()],
  ])('leaves a line a phase of %s', async (_name, golden, events) => {
    const { sink, stdout, stderr } = terminal();
    await play(sink, events);
    await expect(screen(stderr.text)).toMatchFileSnapshot(`../golden/render/${golden}.txt`);
    expect(stderr.text.split(hide)).toHaveLength(stderr.text.split(show).length);
    expect(stdout.text).toBe('');
  });

  it('leaves no listener behind and gives the streams back', async () => {
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'exit'] as const;
    const listeners = (): readonly number[] => signals.map(signal => process.listenerCount(signal));
    // The module registers what it registers at its first use, in whichever test that is.
    await import('listr2');
    const before = listeners();
    const { sink, stdout, stderr } = terminal();
    for (const event of until(okRun(), each => each.type === 'step-started')) sink.handle(event);
    await vi.waitFor(() => expect(stderr.text).toContain(hide));
    expect(process.listenerCount('SIGINT')).toBe(before[0]);
    await sink.close();
    expect(listeners()).toEqual(before);
    stderr.write('mine');
    stdout.write('mine');
    expect([stderr.text.endsWith('mine'), stdout.text]).toEqual([true, 'mine']);
  });

  it('keeps what others print until the phase is over', async () => {
    const { sink, stdout, stderr } = terminal();
    const events = until(okRun(), event => event.type === 'step-started');
    for (const event of events) sink.handle(event);
    await vi.waitFor(() => expect(screen(stderr.text)).toContain('› k8s-cp'));
    stdout.asStream.write('an answer');
    stderr.asStream.write('a warning');
    expect([stdout.text, stderr.text].join()).not.toMatch(/an answer|a warning/);
    await sink.close();
    expect(stdout.text).toContain('an answer');
    expect(stderr.text).toContain('a warning');
  });

  it('draws nothing before the first phase and needs no listr2 for it', async () => {
    const { sink, stderr } = terminal();
    await play(
      sink,
      until(okRun(), event => event.type === 'run-started'),
    );
    expect(stderr.text).toContain('homelab 0.1.0');
    expect(stderr.text).not.toContain(hide);
  });

  it('paints without chalk when colour is off', async () => {
    const stderr = new FakeStream(80);
    const color = await paletteFor(stderr, { NO_COLOR: '1' });
    await play(
      createTtyRenderer({ stdout: stderr.asStream, stderr: stderr.asStream, color, marks: unicodeMarks }),
      okRun(),
    );
    expect(stderr.text.replaceAll('\u001b', 'Ⓔ')).not.toMatch(/Ⓔ\[\d+m/);
  });

  it('tells the bus when the terminal goes away', async () => {
    const { sink, stderr } = terminal();
    const broken = vi.spyOn(stderr, 'write').mockImplementation(() => {
      throw new Error('write EIO');
    });
    const [first] = timed([{ type: 'note', text: 'hello' }]);
    if (!first) throw new Error('there is an event');
    sink.handle(first);
    await vi.waitFor(() => expect(() => sink.handle(first)).toThrow('write EIO'));
    broken.mockRestore();
    await expect(sink.close()).resolves.toBeUndefined();
  });
});
