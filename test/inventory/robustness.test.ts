// Input nobody should have sent: each is refused with a place, quickly, and by nothing else than an issue.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderIssue } from '../../src/inventory/issue.ts';
import { issuesOf, minimal } from './helpers.ts';

const mebibyte = 1024 * 1024;
const padded = (unit: string, bytes = mebibyte - minimal.length - 100) => unit.repeat(Math.floor(bytes / unit.length));

describe('hostile bytes', () => {
  test.each<[string, Uint8Array]>([
    ['random bytes', Uint8Array.from({ length: 4096 }, (_, index) => (index * 131 + 7) % 256)],
    ['UTF-16', Buffer.from(`\u{feff}${minimal}`, 'utf16le')],
    ['a NUL byte', Buffer.from(minimal.replace('homelab\n', 'home\0lab\n'))],
    ['five megabytes', Buffer.alloc(5 * mebibyte, 'a: b\n')],
  ])('%s are refused', (_, bytes) => {
    const issues = issuesOf(bytes);
    expect(issues).toHaveLength(1);
    expect(issues[0]?.line).toBeGreaterThanOrEqual(1);
  });

  test('a byte that is not UTF-8 is found where it stands', () => {
    const bytes = Buffer.concat([Buffer.from('# 한글\nname: 홈'), Buffer.from([0xff]), Buffer.from('\n')]);
    expect(issuesOf(bytes)).toMatchObject([{ line: 2, column: 8 }]);
  });
});

// A tenth of a second to one second on an idle machine; the limit is for a busy one.
describe('a mebibyte of anything is judged quickly', () => {
  test.each<[string, string]>([
    ['unknown keys', Array.from({ length: 60_000 }, (_, index) => `key${index}: 1\n`).join('')],
    ['as many unknown keys as are read', Array.from({ length: 12_000 }, (_, index) => `versio${index}: 1\n`).join('')],
    ['one long key', `${padded('k')}: 1\n`],
    ['one long value', `timeZone: ${padded('z')}\n`],
    ['hosts alike', `hosts:\n${padded('- {name: a, role: worker, address: 1.1.1.1}\n')}`],
    ['empty items', `hosts:\n${padded('-\n')}`],
    ['anchored empty items', `hosts:\n${padded('- &a\n')}`],
    ['aliases of a word', `hosts:\n- &a x\n${padded('- *a\n')}`],
    ['opening brackets', `a: ${padded('[')}`],
    ['nested mappings', `a: ${padded('{a: ')}`],
    ['dashes', padded('- ')],
    ['question marks', padded('? ')],
    ['quotes', `name: "${padded('\\"')}`],
    ['line breaks', padded('\r\n')],
    ['carriage returns', padded('\r')],
    ['documents', padded('---\n')],
    ['tags', `a: ${padded('!a ')}`],
    ['comments', padded('# 주석\n')],
    ['taints', `hosts:\n- taints: [${padded('a:NoExecute, ')}]\n`],
    ['dots in a name', `hosts:\n- name: ${padded('a.')}\n`],
    ['jumps', `ssh: {proxyJump: "${padded('a,')}"}\n`],
  ])('%s', (_, text) => {
    const started = performance.now();
    const issues = issuesOf(text);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(issues.length).toBeGreaterThan(0);
    for (const issue of issues.slice(0, 1000)) {
      expect(issue.line).toBeGreaterThanOrEqual(1);
      expect(issue.column).toBeGreaterThanOrEqual(1);
    }
  });
});

describe('a printed issue', () => {
  test('is one line without control characters, whatever the user’s text is', async () => {
    await fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (key, value) => {
        const text = `${minimal}${JSON.stringify(key)}: 1\ntimeZone: ${JSON.stringify(value)}\n`;
        for (const line of issuesOf(text).map(renderIssue))
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});
