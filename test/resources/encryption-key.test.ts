import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { encryptionKey } from '../../src/resources/encryption-key.ts';
import { apply, changeOf, isRoot, observe, scratch } from './rig.ts';

describe('the encryption key', () => {
  const path = '/etc/kubernetes/homelab/encryption.yaml';

  it('is never read: its state is mode and owner', () => {
    const resource = encryptionKey(path, { mayMake: true });
    expect(resource.read).not.toMatch(/cat|base64/);
    expect(resource.desired).toBe('600 root:root');
    expect(changeOf(resource, 'absent').why).toBe('there is no key yet');
  });

  it('that a cluster has lost is not made again: that would be another one', () => {
    const { action } = changeOf(encryptionKey(path, { mayMake: false }), 'absent');
    expect(action.script).not.toContain('urandom');
    expect(action.explain?.[0]?.hint).toContain('backup');
  });
});

describe.skipIf(!isRoot)('the encryption key on this machine, as root', () => {
  const made = () => {
    const path = join(scratch(), 'homelab', 'encryption.yaml');
    const resource = encryptionKey(path, { mayMake: true });
    return { path, resource };
  };

  it('is 32 random bytes for secretbox, root’s alone, and what was written without it stays readable', () => {
    const { path, resource } = made();
    expect(apply(resource)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(observe(resource)).toBe('600 root:root');
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(path, '..'))).toEqual(['encryption.yaml']);
    const [{ resources, providers }] = (
      load(readFileSync(path, 'utf8')) as {
        readonly resources: readonly [
          { readonly resources: unknown; readonly providers: readonly Record<string, unknown>[] },
        ];
      }
    ).resources;
    expect(resources).toEqual(['secrets']);
    expect(providers).toEqual([
      { secretbox: { keys: [{ name: 'key1', secret: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/) }] } },
      { identity: {} },
    ]);
    const first = readFileSync(path, 'utf8');
    unlinkSync(path);
    expect(apply(resource).code).toBe(0);
    expect(readFileSync(path, 'utf8')).not.toBe(first);
  });

  it('that is there already is kept, whatever was planned', () => {
    const { path, resource } = made();
    apply(resource);
    const first = readFileSync(path, 'utf8');
    expect(apply({ ...resource, parse: () => 'absent' }).code).not.toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(first);
  });

  it('gets its mode back', () => {
    const { path, resource } = made();
    apply(resource);
    chmodSync(path, 0o644);
    expect(changeOf(resource, observe(resource)).why).toContain('is 644 root:root');
    expect(apply(resource).code).toBe(0);
    expect(observe(resource)).toBe('600 root:root');
  });

  it('fails where it cannot be written, and leaves nothing', () => {
    const { path, resource } = made();
    mkdirSync(path, { recursive: true });
    expect(existsSync(path)).toBe(true);
    expect(apply({ ...resource, read: 'echo absent', parse: () => 'absent' }).code).not.toBe(0);
    expect(readdirSync(join(path, '..'))).toEqual(['encryption.yaml']);
  });
});
