// Claims that nothing shows are tests that are skipped: every run counts them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { notProven, page } from './not-proven.ts';
import { root } from './sample.ts';

describe.each(Object.entries(notProven))('not proven, %s', (_, claims) => {
  for (const [claim] of claims) it.skip(claim, () => {});
});

it('docs/not-proven.md has them all (npm run not-proven writes it)', () => {
  expect(readFileSync(join(root, 'docs/not-proven.md'), 'utf8')).toBe(page(root));
});
