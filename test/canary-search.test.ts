// The canary drill's search finds a secret in each form, and what is near it is not one.
import { describe, expect, test } from 'vitest';
import { searchFor } from './drill/canary-search.ts';

const value = "canary+sudo/%&$ '7f3a9c";
const search = searchFor([{ name: 'sudo password', value }]);

describe('a canary is found', () => {
  const base64 = Buffer.from(`user:${value}`).toString('base64');
  for (const [form, text] of [
    ['plain', `execve("/bin/sh", ["sh", "-c", "echo ${value}"])`],
    ['plain', `'${value.replaceAll("'", `'\\''`)}'`],
    ['base64', `Authorization: Basic ${base64}`],
    ['base64', Buffer.from(`xy${value}z`).toString('base64').replace(/=+$/, '')],
    ['url', `http://user:${encodeURIComponent(value)}@proxy:3128`],
    ['hex', `od: ${Buffer.from(value).toString('hex')}`],
  ] as const) {
    test(`${form}: ${text}`, () => {
      expect(search(`before\n${text}\nafter`)).toEqual([`sudo password (${form})`]);
    });
  }
});

test('a half of it, or another one, is nothing', () => {
  expect(
    search(`${value.slice(0, 10)} ${value.slice(11)} ${Buffer.from('canary+sudo/%&$').toString('base64')}`),
  ).toEqual([]);
});
