import { describe, expect, it } from 'vitest';
import { parseHierarchies } from './cgroups.ts';
import { parseStat } from './processes.ts';

const mount = (point: string, type: string, options: string): string =>
  `30 29 0:27 / ${point} rw,nosuid shared:9 - ${type} ${type} rw${options}`;

describe('parseHierarchies', () => {
  it('pairs every v1 controller and the v2 hierarchy beside them with our own group', () => {
    const mounts = [
      mount('/', 'ext4', ''),
      mount('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', ',cpu,cpuacct'),
      mount('/sys/fs/cgroup/memory', 'cgroup', ',memory'),
      mount('/sys/fs/cgroup/systemd', 'cgroup', ',xattr,name=systemd'),
      mount('/sys/fs/cgroup/unified', 'cgroup2', ''),
    ].join('\n');
    const own = '4:memory:/session/one\n3:cpu,cpuacct:/\n2:pids:/\n1:name=systemd:/\n0::/\n';
    expect(parseHierarchies(mounts, own)).toEqual([
      { mount: '/sys/fs/cgroup/memory', version: 1, names: ['memory'], own: '/session/one' },
      { mount: '/sys/fs/cgroup/cpu,cpuacct', version: 1, names: ['cpu', 'cpuacct'], own: '/' },
      { mount: '/sys/fs/cgroup/systemd', version: 1, names: ['name=systemd'], own: '/' },
      { mount: '/sys/fs/cgroup/unified', version: 2, names: [], own: '/' },
    ]);
  });

  it('finds the single hierarchy of a pure v2 machine', () => {
    const own = '0::/user.slice/session-1.scope\n';
    expect(parseHierarchies(mount('/sys/fs/cgroup', 'cgroup2', ',nsdelegate'), own)).toEqual([
      { mount: '/sys/fs/cgroup', version: 2, names: [], own: '/user.slice/session-1.scope' },
    ]);
  });
});

describe('parseStat', () => {
  it('is not misled by a command name with parentheses and spaces', () => {
    const fields = ['S', '1', ...Array.from({ length: 17 }, () => '0'), '4242', '99'];
    expect(parseStat(`77 (sh) R (2 x) ${fields.join(' ')}\n`)).toEqual({
      pid: 77,
      parent: 1,
      state: 'S',
      startTime: '4242',
    });
  });

  it('takes an empty or cut text for no process', () => {
    expect(parseStat('')).toBeUndefined();
    expect(parseStat('77 (sh) S 1')).toBeUndefined();
  });
});
