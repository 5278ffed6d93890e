import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { file } from '../../src/resources/file.ts';
import { apply, changeOf, isRoot, observe, scratch, standIns } from './rig.ts';

const content = 'line one\nline two\n';
const at = (path: string, more: Partial<Parameters<typeof file>[0]> = {}) =>
  file({ path, content, name: 'file', ...more });

describe('a file', () => {
  const desired = { mode: '644', owner: 'root:root', content };

  it('in order wants nothing', () => {
    expect(at('/etc/x').change(desired, [])).toBeUndefined();
  });

  it.each([
    ['is missing', 'absent', '/etc/x is missing'],
    ['is something else', 'not a plain file', '/etc/x is a link, folder or device'],
    ['differs', { ...desired, content: 'other' }, '/etc/x differs'],
    ['has another mode', { ...desired, mode: '600' }, 'its mode is 600, not 644'],
    ['has another owner', { ...desired, owner: 'admin:admin' }, 'its owner is admin:admin'],
    [
      'has it all wrong',
      { mode: '600', owner: 'a:b', content: '' },
      '/etc/x differs; its mode is 600, not 644; its owner is a:b',
    ],
  ])('that %s says so', (_, observed, why) => {
    expect(at('/etc/x').change(observed, [])).toMatchObject({ why, risk: 'safe' });
  });

  it('shows the lines that change, and no diff where only the mode does', () => {
    expect(changeOf(at('/etc/x'), { ...desired, content: 'line one\nline 2\n' }).diff).toBe(
      '@@ -1,2 +1,2 @@\n line one\n-line 2\n+line two',
    );
    expect(changeOf(at('/etc/x'), { ...desired, mode: '600' })).not.toHaveProperty('diff');
  });

  it('that cannot be understood is an error, not a difference', () => {
    expect(() => at('/etc/x').parse('')).toThrow(/unexpected answer/);
    expect(() => at('/etc/x').parse('plain\n')).toThrow(/unexpected answer/);
  });
});

describe.skipIf(!isRoot)('a file on this machine, as root', () => {
  function expectSettled(resource: ReturnType<typeof file>) {
    expect(apply(resource)).toMatchObject({ code: 0, stderr: '' });
    expect(observe(resource)).toEqual(resource.desired);
    expect(resource.change(observe(resource), [])).toBeUndefined();
  }

  it('is made where it is missing, with its folders', () => {
    const folder = scratch();
    const path = join(folder, 'a', 'b', 'file');
    expectSettled(at(path));
    expect(readFileSync(path, 'utf8')).toBe(content);
    expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o755);
  });

  it.each([
    ['nothing', ''],
    ['no last newline', 'a=b'],
    ['newlines only', '\n\n\n'],
    ['quotes, dollars and backticks', `'"\`$HOME$(id)\\\\ %s \${x}\n`],
    ['Korean and an emoji', '한글 주석 🦀\n'],
    ['the end of a here document', 'HOMELAB_BASE64\nEOF\n'],
    ['1 MiB', '0123456789abcde\n'.repeat(65_536)],
  ])('holds %s exactly', (_, text) => {
    const path = join(scratch(), 'file');
    expectSettled(at(path, { content: text }));
    expect(readFileSync(path, 'utf8') === text).toBe(true);
  });

  it.each(['with space', "it's", '$(touch x)', '-n', '한글'])('may be called %s', name => {
    const folder = scratch();
    expectSettled(at(join(folder, name)));
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('gets the mode that is wanted, whatever it had', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, content);
    chmodSync(path, 0o777);
    expect(observe(at(path, { mode: '600' }))).toMatchObject({ mode: '777' });
    expectSettled(at(path, { mode: '600' }));
  });

  it('gets root as its owner', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, content);
    chownSync(path, 65534, 65534);
    expect(observe(at(path))).toMatchObject({ owner: 'nobody:nogroup' });
    expectSettled(at(path));
  });

  it('replaces a symbolic link and leaves alone what it pointed to', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'target'), 'not ours');
    symlinkSync(join(folder, 'target'), join(folder, 'file'));
    expect(observe(at(join(folder, 'file')))).toBe('not a plain file');
    expectSettled(at(join(folder, 'file')));
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('not ours');
    expect(lstatSync(join(folder, 'file')).isSymbolicLink()).toBe(false);
  });

  it('sees a link that points nowhere', () => {
    const path = join(scratch(), 'file');
    symlinkSync('/nowhere', path);
    expect(observe(at(path))).toBe('not a plain file');
    expectSettled(at(path));
  });

  it('does not replace a folder', () => {
    const path = join(scratch(), 'file');
    mkdirSync(path);
    expect(apply(at(path)).code).not.toBe(0);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('notices one byte', () => {
    const path = join(scratch(), 'file');
    writeFileSync(path, content.trimEnd());
    expect(changeOf(at(path), observe(at(path))).why).toBe(`${path} differs`);
  });

  it('is never seen half written: kill -9 at any tool leaves the old one, and the next run settles it', () => {
    for (const tool of ['mktemp', 'base64', 'chown', 'chmod', 'sync', 'mv']) {
      const folder = scratch();
      const path = join(folder, 'etc', 'file');
      mkdirSync(join(folder, 'etc'));
      writeFileSync(path, 'old');
      const resource = at(path, { content: 'new\n'.repeat(10_000) });
      const { script } = changeOf(resource, observe(resource)).action;
      // The tool kills the shell that runs it.
      const bin = standIns(folder, { [tool]: 'kill -9 "$PPID"' });
      const killed = apply(
        {
          ...resource,
          read: 'true',
          parse: () => 'absent',
          change: () => ({ why: '', risk: 'safe', action: { script, timeoutMs: 1 } }),
        },
        { bin },
      );
      expect(killed.code, tool).not.toBe(0);
      expect(readFileSync(path, 'utf8'), tool).toBe('old');
      expectSettled(resource);
    }
  });

  it('leaves nothing beside it, also where it fails', () => {
    const folder = scratch();
    const path = join(folder, 'etc', 'file');
    mkdirSync(join(folder, 'etc'));
    const bin = standIns(folder, { sync: 'echo "disk full" >&2; exit 1' });
    expect(apply(at(path), { bin })).toMatchObject({ code: 1, stderr: 'disk full\n' });
    expect(readdirSync(join(folder, 'etc'))).toEqual([]);
    expectSettled(at(path));
    expect(readdirSync(join(folder, 'etc'))).toEqual(['file']);
  });
});
