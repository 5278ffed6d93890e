import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { permissions } from '../../src/resources/permissions.ts';
import { apply, changeOf, isRoot, observe, scratch, standIns } from './rig.ts';

const etcd = permissions({
  name: 'x',
  title: 'x',
  paths: [
    { path: '/var/lib/etcd', mode: '700', owner: 'etcd', isFolder: true },
    { path: '/etc/k/config.yaml', mode: '600' },
  ],
});

describe('permissions', () => {
  it('in order want nothing; on a bare machine everything is missing', () => {
    expect(etcd.change(etcd.desired, [])).toBeUndefined();
    expect(changeOf(etcd, etcd.blank).why).toBe('/var/lib/etcd is missing; /etc/k/config.yaml is missing');
  });

  it('that differ say what is and what should be, and only these are touched', () => {
    const change = changeOf(etcd, { '/var/lib/etcd': '700 etcd:etcd', '/etc/k/config.yaml': '644 root:root' });
    expect(change).toMatchObject({
      why: '/etc/k/config.yaml is 644 root:root, not 600 root:root',
      diff: '- 644 root:root /etc/k/config.yaml\n+ 600 root:root /etc/k/config.yaml',
      risk: 'safe',
    });
    expect(change.action.script).not.toContain('/var/lib/etcd');
  });
});

describe.skipIf(!isRoot)('permissions on this machine, as root', () => {
  it('mend mode and owner, and leave alone what is right: its change time stays', () => {
    const folder = scratch();
    const [right, wrong] = [join(folder, 'right'), join(folder, "it's wrong")];
    writeFileSync(right, '', { mode: 0o600 });
    writeFileSync(wrong, 'kept', { mode: 0o644 });
    const both = permissions({
      name: 'x',
      title: 'x',
      paths: [right, wrong].map(path => ({ path, mode: '600' })),
    });
    const before = statSync(right).ctimeMs;
    // As it runs on a bare machine: both were missing when it was planned.
    expect(apply({ ...both, parse: () => both.blank })).toMatchObject({ code: 0, stderr: '' });
    expect(observe(both)).toEqual(both.desired);
    expect(statSync(right).ctimeMs).toBe(before);
    chmodSync(wrong, 0o640);
    expect(apply(both)).toMatchObject({ code: 0 });
    expect(observe(both)).toEqual(both.desired);
  });

  it('make a folder that is missing, and the user whose it is', () => {
    const folder = join(scratch(), 'etcd');
    const bin = standIns(scratch(), {
      getent: 'exit 2',
      useradd: `echo "$*" >'${folder}.user'`,
      chown: 'exit 0',
    });
    const resource = permissions({
      name: 'x',
      title: 'x',
      paths: [{ path: folder, mode: '700', owner: 'etcd', isFolder: true }],
    });
    expect(apply(resource, { bin })).toMatchObject({ code: 0, stderr: '' });
    expect(statSync(folder).mode & 0o7777).toBe(0o700);
    expect(existsSync(`${folder}.user`)).toBe(true);
  });

  it('of a file that is not there cannot be mended', () => {
    const path = join(scratch(), 'none');
    const resource = permissions({ name: 'x', title: 'x', paths: [{ path, mode: '600' }] });
    const { code, stderr } = apply(resource);
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining('No such file')]);
  });
});
