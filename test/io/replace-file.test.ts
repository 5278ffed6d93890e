import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { replaceFile } from '../../src/io/replace-file.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'replace-'));
  path = join(dir, 'homelab.yaml');
  writeFileSync(path, 'old\n');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('the new text stands in the old one’s place, with its mode, and nothing beside it', async () => {
  chmodSync(path, 0o640);
  await replaceFile(path, 'old\n', 'new\n');
  expect(readFileSync(path, 'utf8')).toBe('new\n');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(dir)).toEqual(['homelab.yaml']);
});

test('whoever has the old file open goes on reading the old text', async () => {
  const inode = statSync(path).ino;
  await replaceFile(path, 'old\n', 'new\n');
  expect(statSync(path).ino).not.toBe(inode);
});

test('a link stays a link, its target gets the text', async () => {
  const link = join(dir, 'link.yaml');
  symlinkSync('homelab.yaml', link);
  await replaceFile(link, 'old\n', 'new\n');
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe('new\n');
});

test('refuses a file that was changed since it was read, and leaves it alone', async () => {
  writeFileSync(path, 'edited by somebody\n');
  await expect(replaceFile(path, 'old\n', 'new\n')).rejects.toMatchObject({ code: 'HL_REFUSED' });
  expect(readFileSync(path, 'utf8')).toBe('edited by somebody\n');
  expect(readdirSync(dir)).toEqual(['homelab.yaml']);
});

test('says what stands in the way of a file that is not there', async () => {
  rmSync(path);
  await expect(replaceFile(path, 'old\n', 'new\n')).rejects.toMatchObject({
    code: 'HL_REFUSED',
    message: expect.stringContaining('ENOENT'),
  });
});
