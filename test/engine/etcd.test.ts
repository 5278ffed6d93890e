import { describe, expect, it } from 'vitest';
import { parseEtcd } from '../../src/engine/etcd.ts';

// As etcdctl 3.5 prints them.
const cp = '8e9e05c52164694d, started, k8s-cp, https://192.168.0.10:2380, https://192.168.0.10:2379, false';
const second = '91bc3c398fb3c146, started, k8s-worker1, https://192.168.0.11:2380, https://192.168.0.11:2379, false';
const added = 'fd422379fda50e48, unstarted, , https://192.168.0.12:2380, , true';
const health = (of: Readonly<Record<string, boolean>>) =>
  JSON.stringify(
    Object.entries(of).map(([address, healthy]) => ({
      endpoint: `https://${address}:2379`,
      health: healthy,
      took: '9.8ms',
      ...(healthy ? {} : { error: 'context deadline exceeded' }),
    })),
  );
const read = (stdout: string, code = 0) => parseEtcd({ code, stdout, stderr: '' });

describe('what etcd says of itself', () => {
  it('is its members, each healthy or not', () => {
    const said = `${cp}\n${second}\nhealth\n${health({ '192.168.0.10': true, '192.168.0.11': false })}\n`;
    expect(read(said)).toEqual([
      { id: '8e9e05c52164694d', name: 'k8s-cp', address: '192.168.0.10', healthy: true, learner: false },
      { id: '91bc3c398fb3c146', name: 'k8s-worker1', address: '192.168.0.11', healthy: false, learner: false },
    ]);
  });

  it('is a member that was added and never started: without a name, with its address', () => {
    expect(read(`${cp}\n${added}\nhealth\n${health({ '192.168.0.10': true })}\n`)).toEqual([
      expect.objectContaining({ name: 'k8s-cp', healthy: true }),
      { id: 'fd422379fda50e48', name: '', address: '192.168.0.12', healthy: false, learner: true },
    ]);
  });

  it('is nobody healthy where the question for health failed', () => {
    expect(read(`${cp}\nhealth\n`)).toEqual([expect.objectContaining({ name: 'k8s-cp', healthy: false })]);
  });

  it.each([
    ['it does not run', 'none\n', 0],
    ['it does not answer', 'silent\n', 0],
    ['it went away in the middle', `${cp}\n`, 1],
  ])('is unknown where %s', (_, said, code) => {
    expect(read(said, code)).toBe('unknown');
  });

  it('is unknown where nobody asked', () => {
    expect(parseEtcd(undefined)).toBe('unknown');
  });
});
