// Waiting for a machine that reboots: only what passes by itself is tried again.
import { describe, expect, test } from 'vitest';
import { connectPatiently } from '../../src/io/patience.ts';
import { createConnect } from '../../src/io/ssh.ts';
import { connectError, type DialKind } from '../../src/io/ssh-errors.ts';
import { HomelabError } from '../../src/model/errors.ts';
import type { Clock, Connect, Remote } from '../../src/model/ports.ts';
import { failure, fakeHost, homeWith, hostAt, startFake } from './ssh-rig.ts';
import { freePort, startSshd, withoutSshd } from './sshd.ts';

const host = hostAt(22);
const place = { host: 'node-1', label: 'node-1', address: '127.0.0.1', port: 22 };
const remote: Remote = {
  host: 'node-1',
  exec: () => Promise.reject(new Error('not used')),
  upload: () => Promise.reject(new Error('not used')),
  close: async () => {},
};

function fakeClock(): Clock & { time: number } {
  const clock = {
    time: 0,
    now: () => clock.time,
    sleep: async (ms: number) => {
      clock.time += ms;
    },
  };
  return clock;
}

/** Fails with these, one call each, then connects. */
function failing(...errors: readonly Error[]): { connect: Connect; calls: () => number } {
  const left = [...errors];
  let calls = 0;
  return {
    calls: () => calls,
    connect: async () => {
      calls++;
      const error = left.shift();
      if (error) throw error;
      return remote;
    },
  };
}

const at = (kind: DialKind) => connectError(place, kind, kind);

describe('connecting patiently', () => {
  test('tries again what a rebooting machine shows', async () => {
    const { connect, calls } = failing(
      ...(['reset', 'timeout', 'slow', 'unreachable', 'refused', 'booting'] as const).map(at),
    );
    expect(await connectPatiently(connect, host, { timeoutMs: 60_000, clock: fakeClock() })).toBe(remote);
    expect(calls()).toBe(7);
  });

  test.each([
    at('name'),
    at('handshake'),
    at('no-network'),
    new HomelabError('HL_SSH_HOST_KEY_CHANGED', 'changed'),
    new HomelabError('HL_SSH_AUTH', 'refused'),
    new HomelabError('HL_CANCELLED', 'cancelled'),
  ])('ends at once with what does not pass: $message', async error => {
    const { connect, calls } = failing(error);
    await expect(connectPatiently(connect, host, { timeoutMs: 60_000, clock: fakeClock() })).rejects.toBe(error);
    expect(calls()).toBe(1);
  });

  test('gives up after its time and says how long it waited', async () => {
    const clock = fakeClock();
    const { connect } = failing(...Array.from({ length: 100 }, () => at('refused')));
    const error = await failure(connectPatiently(connect, host, { timeoutMs: 20_000, clock }));
    expect(error).toMatchObject({ code: 'HL_SSH_CONNECT', message: 'node-1 refused the connection, for 19 s' });
    expect(clock.time).toBeLessThanOrEqual(20_000);
  });

  test('a boot in progress (pam_nologin) is told from a wrong key', async () => {
    const server = await startFake({
      onAuth: context => {
        context.reject(['publickey']);
      },
      banner: 'System is booting up. Unprivileged users are not permitted to log in yet.',
    });
    const connect = createConnect({
      trustNewHostKeys: false,
      resolveSecret: async () => '',
      env: { home: homeWith() },
      onNote: () => {},
    });
    const error = await failure(connect(fakeHost(server, { user: 'admin' }), { timeoutMs: 5_000 }));
    server.stop();
    expect(error.message).toMatch(/starting up or going down/);
  });

  test.skipIf(withoutSshd)('connects as soon as sshd is back', async () => {
    const port = await freePort();
    const home = homeWith();
    const clock: Clock = {
      now: () => performance.now(),
      sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
    };
    const first = await startSshd({ port });
    await first.stop();
    const connect = createConnect({
      trustNewHostKeys: true,
      resolveSecret: async () => '',
      env: { home },
      onNote: () => {},
    });
    const identity = await startSshd();
    const target = hostAt(port, { identityFile: identity.identityFile });
    const waiting = connectPatiently(connect, target, { timeoutMs: 15_000, clock, pauseMs: 100 });
    await new Promise(resolve => setTimeout(resolve, 300));
    const back = await startSshd({ port, dir: identity.dir });
    const open = await waiting;
    expect((await open.exec('echo back', { timeoutMs: 5_000 })).stdout).toBe('back\n');
    await open.close();
    await back.stop();
    await identity.stop();
  });
});
