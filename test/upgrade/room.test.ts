import { describe, expect, it } from 'vitest';
import { roomNeeded, roomOn } from '../../src/upgrade/room.ts';

const gib = 1024 ** 3;
const disk = (path: string, device: string, freeBytes: number) => ({ path, device, freeBytes, totalBytes: 100 * gib });
const none = () => 0;

describe('room for an upgrade', () => {
  it("is more for a control plane, and with each hop; etcd's copies count there only", () => {
    const bytes = (...options: Parameters<typeof roomNeeded>) =>
      roomNeeded(...options).reduce((sum, need) => sum + need.bytes, 0);
    const one = { role: 'control-plane', hops: 1, etcdBytes: gib } as const;
    expect(roomNeeded({ ...one, hops: 0 })).toEqual([]);
    expect(bytes({ ...one, hops: 2 }) - bytes(one)).toBe(2 * gib);
    expect(bytes({ ...one, etcdBytes: 0 })).toBe(bytes(one) - gib);
    expect(bytes({ ...one, role: 'worker' })).toBe(bytes({ ...one, role: 'worker', etcdBytes: 0 }));
  });

  it('adds up on one disk, with what must stay free there once', () => {
    const disks = [
      disk('/', 'sda', 5 * gib),
      disk('/var/lib/containerd', 'sda', 5 * gib),
      disk('/etc/kubernetes', 'sdb', gib),
    ];
    const needs = [
      { path: '/', bytes: gib, why: 'a' },
      { path: '/var/lib/containerd', bytes: 2 * gib, why: 'b' },
    ];
    expect(roomOn(disks, needs, ({ path }) => (path === '/' ? gib : 3 * gib))).toEqual([
      { paths: ['/', '/var/lib/containerd'], freeBytes: 5 * gib, neededBytes: 6 * gib, why: 'a, b' },
    ]);
    expect(roomOn(disks, [{ path: '/etc/kubernetes', bytes: 1, why: 'c' }], none)).toMatchObject([
      { paths: ['/etc/kubernetes'], freeBytes: gib, neededBytes: 1 },
    ]);
  });
});
