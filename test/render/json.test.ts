import { expect, it } from 'vitest';
import { createJsonRenderer } from '../../src/render/json.ts';
import { FakeStream, failedRun, play, timed } from './sample-run.ts';

it('writes the events, a line each, and nothing else', async () => {
  const stdout = new FakeStream();
  await play(createJsonRenderer({ stdout }), failedRun());
  expect(
    stdout.text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line)),
  ).toEqual(failedRun());
  await expect(stdout.text).toMatchFileSnapshot('../golden/render/events-failed.jsonl');
});

it('escapes what a terminal would obey and keeps its value', async () => {
  const text = 'a\u001b[2J\u007f\u009b2J\u202e\u2028b';
  const stdout = new FakeStream();
  await play(createJsonRenderer({ stdout }), timed([{ type: 'note', text }]));
  expect(stdout.text).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}|\u2028/u);
  expect(JSON.parse(stdout.text)).toMatchObject({ text });
});
