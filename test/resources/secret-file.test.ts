import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { secretFile } from '../../src/resources/secret-file.ts';
import { apply, changeOf, isRoot, observe, scratch } from './rig.ts';

const secret = "it's $(secret) `and` %s \\n quoted";
const variable = `SECRET='${secret.replaceAll("'", `'\\''`)}'\n`;

const at = (path: string) =>
  secretFile({
    path,
    name: 'login',
    secrets: { SECRET: { kind: 'env', name: 'X' } },
    content: 'printf \'user=%s\\n\' "$SECRET"\n',
    shown: 'user=[redacted]\n',
  });

describe('a secret file', () => {
  it('shows its content without the secret, and asks for it as a variable', () => {
    const change = changeOf(at('/etc/x'), 'absent');
    expect(change).toMatchObject({ why: '/etc/x is missing', diff: '+ user=[redacted]' });
    expect(change.action.secrets).toEqual({ SECRET: { kind: 'env', name: 'X' } });
    expect(at('/etc/x').secrets).toEqual({ SECRET: { kind: 'env', name: 'X' } });
  });

  it.each([
    ['differs', { mode: '600', owner: 'root:root', same: false }, '/etc/x differs'],
    ['can be read by others', { mode: '644', owner: 'root:root', same: true }, 'its mode is 644, not 600'],
    ['is another user’s', { mode: '600', owner: 'a:b', same: true }, 'its owner is a:b'],
    ['is something else', 'not a plain file', '/etc/x is a link, folder or device'],
  ])('that %s says so', (_, observed, why) => {
    expect(at('/etc/x').change(observed, [])).toMatchObject({ why });
  });

  it('that cannot be understood is an error, not a difference', () => {
    expect(() => at('/etc/x').parse('plain 600 root:root\n')).toThrow(/unexpected answer/);
  });
});

describe.skipIf(!isRoot)('a secret file on this machine, as root', () => {
  it('is written once, with mode 600, and compared without being read out', () => {
    const path = join(scratch(), 'folder', 'login');
    const resource = at(path);
    expect(observe(resource, { first: variable })).toBe('absent');
    expect(apply(resource, { first: variable })).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(path, 'utf8')).toBe(`user=${secret}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(observe(resource, { first: variable })).toEqual(resource.desired);
    writeFileSync(path, 'user=other\n');
    expect(observe(resource, { first: variable })).toEqual({ mode: '600', owner: 'root:root', same: false });
    expect(observe(resource, { first: "SECRET='another'\n" })).toMatchObject({ same: false });
  });
});
