import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../src/model/events.ts';
import { noColor, paletteFor } from '../../src/render/color.ts';
import { asciiMarks, type Marks, unicodeMarks } from '../../src/render/marks.ts';
import { createPlainRenderer } from '../../src/render/plain.ts';
import { cancelledRun, FakeStream, failedRun, journalPath, okRun, play, timed } from './sample-run.ts';

async function plain(events: ReturnType<typeof okRun>, marks: Marks = unicodeMarks): Promise<string> {
  const stderr = new FakeStream();
  await play(createPlainRenderer({ stderr, color: noColor, marks, journalPath }), events);
  return stderr.text;
}

describe('plain output', () => {
  it.each([
    ['a run that works', 'plain-ok', okRun()],
    ['a rehearsal', 'plain-simulated', okRun(true)],
    ['a run that fails', 'plain-failed', failedRun()],
    ['a run that was interrupted', 'plain-cancelled', cancelledRun()],
  ])('tells %s', async (_name, golden, events) => {
    await expect(await plain(events)).toMatchFileSnapshot(`../golden/render/${golden}.txt`);
  });

  it('uses ASCII alone where the locale has nothing else', async () => {
    // The sample's own words are ASCII too.
    expect(await plain(failedRun(), asciiMarks)).toMatch(/^[\t\n -~]*$/);
  });

  it('says of a rehearsal that it is simulated: first, last, and on every piece of evidence', async () => {
    const lines = (await plain(okRun(true))).trimEnd().split('\n');
    expect(lines.slice(0, 3).join()).toContain('simulated');
    expect(lines.at(-1)).toContain('simulated');
    for (const line of lines.filter(each => each.includes('node registered'))) expect(line).toContain('(simulated)');
    expect(await plain(okRun())).not.toContain('simulated');
  });

  it('ends a failed run with what the machines said and the command that resumes it', async () => {
    const text = await plain(failedRun());
    expect(text).toContain('[ERROR Port-10250]: Port 10250 is in use');
    expect(text).toMatch(/resume\s+homelab bootstrap -i inventory\/homelab\.yaml --yes /);
  });

  it('sends no control character of a machine to the terminal', async () => {
    const hostile = 'x\u001b]0;title\u0007\u009b2J\u202e\r\b';
    const evidence = {
      id: 'a',
      host: hostile,
      title: hostile,
      ok: false,
      expected: hostile,
      observed: hostile,
      reproduce: hostile,
    };
    const bodies: readonly EventBody[] = [
      { type: 'phase-started', phase: hostile, title: hostile, steps: [] },
      { type: 'step-started', id: 'a', host: hostile, title: hostile, deadlineMs: 1 },
      { type: 'step-finished', id: 'a', host: hostile, title: hostile, outcome: 'failed', durationMs: 1, why: hostile },
      { type: 'evidence', phase: 'a', evidence, simulated: false },
      { type: 'note', host: hostile, text: hostile },
      { type: 'prediction', phase: hostile, compared: 1, differences: [hostile] },
      { type: 'phase-finished', phase: hostile, outcome: 'failed', durationMs: 1 },
      {
        type: 'error',
        error: { code: hostile, message: hostile, host: hostile, stderr: hostile, details: [hostile], hint: hostile },
      },
      {
        type: 'run-finished',
        outcome: 'failed',
        exitCode: 6,
        steps: 0,
        predictionErrors: 0,
        durationMs: 1,
        simulated: false,
        remoteCommands: { [hostile]: 1 },
      },
    ];
    expect(await plain(timed(bodies))).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u);
  });

  it('paints for a terminal, unless NO_COLOR is set', async () => {
    const painted = async (env: Record<string, string>): Promise<string> => {
      const stderr = new FakeStream(80);
      const color = await paletteFor(stderr, env);
      await play(createPlainRenderer({ stderr, color, marks: unicodeMarks }), okRun());
      return stderr.text;
    };
    expect(await painted({})).toContain('\u001b[32m✔');
    expect(await painted({ NO_COLOR: '1', FORCE_COLOR: '3' })).not.toContain('\u001b');
  });
});
