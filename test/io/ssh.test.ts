// The traps of node-ssh and ssh2, one test each, against a real sshd and against servers that misbehave.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Remote } from '../../src/model/ports.ts';
import { printing } from '../../src/model/shell.ts';
import { dial, failure, fakeHost, hostAt, startFake, startProxy, tempDir } from './ssh-rig.ts';
import { freePort, type Sshd, startSshd, withoutSshd } from './sshd.ts';

const soon = { timeoutMs: 10_000 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function opened(...args: Parameters<typeof dial>): Promise<Remote> {
  const { remote } = await dial(...args);
  cleanups.push(() => remote.close());
  return remote;
}

async function fake(...args: Parameters<typeof startFake>) {
  const server = await startFake(...args);
  cleanups.push(() => server.stop());
  return server;
}

describe.skipIf(withoutSshd)(`over a real sshd${withoutSshd ? ` (${withoutSshd})` : ''}`, () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd?.stop());
  const host = (port = sshd.port) =>
    hostAt(port, { identityFile: sshd.identityFile, hostKey: sshd.hostKey('ed25519') });
  const remote = () => opened(host());
  const proxied = async () => {
    const proxy = await startProxy(sshd.port);
    cleanups.push(() => proxy.stop());
    return { proxy, remote: await opened(host(proxy.port)) };
  };

  test('trap 2: a machine that falls silent in the middle of a command is lost, not waited for', async () => {
    const { proxy, remote } = await proxied();
    const running = failure(remote.exec('echo on; sleep 30', { timeoutMs: 30_000 }));
    setTimeout(() => proxy.stall(), 300);
    const error = await running;
    expect(error.code).toBe('HL_SSH_LOST');
    expect(error.message).toMatch(/has not answered for 0\.6 s/);
  });

  test('trap 3: a reset is no uncaught exception, neither in a command nor between two', async () => {
    const { proxy, remote } = await proxied();
    const running = failure(remote.exec('sleep 30', { timeoutMs: 30_000 }));
    setTimeout(() => proxy.cut(), 200);
    expect((await running).code).toBe('HL_SSH_LOST');
    expect((await failure(remote.exec('true', soon))).code).toBe('HL_SSH_LOST');

    const idle = await proxied();
    idle.proxy.cut();
    await new Promise(resolve => setTimeout(resolve, 100));
    expect((await failure(idle.remote.exec('true', soon))).code).toBe('HL_SSH_LOST');
  });

  test('trap 4: a command whose connection ends is never a result', async () => {
    // The nearest sshd above the script is the one that serves this connection.
    const script = `echo before; p=$PPID
      until [ "$(cat /proc/$p/comm)" = sshd ]; do p=$(ps -o ppid= -p $p | tr -d ' '); [ "$p" -gt 1 ]; done
      kill -KILL $p; sleep 5`;
    const { code, hint, context } = await failure((await remote()).exec(script, soon));
    expect({ code, host: context.host }).toEqual({ code: 'HL_SSH_LOST', host: 'node-1' });
    expect(hint).toMatch(/run the same command again/);
  });

  test('trap 5: stderr with exit 0 is a result, and so is any other exit', async () => {
    const open = await remote();
    expect(await open.exec('echo warning >&2', soon)).toMatchObject({ code: 0, stdout: '', stderr: 'warning\n' });
    expect(await open.exec('echo out; echo err >&2; exit 42', soon)).toMatchObject({
      code: 42,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect((await open.exec('exit 255', soon)).code).toBe(255);
  });

  test('trap 6: empty arguments, quotes and variables arrive as written', async () => {
    const script = `set -- '' "a  b" 'it'"'"'s' '$HOME' '\`id\`' '\\n' '!!'; echo $#; printf '<%s>' "$@"`;
    expect((await (await remote()).exec(script, soon)).stdout).toBe("7\n<><a  b><it's><$HOME><`id`><\\n><!!>");
  });

  test('trap 7: an abort settles at once, and the remote end is bounded by its own deadline', async () => {
    const open = await remote();
    const control = new AbortController();
    const begin = performance.now();
    const running = failure(open.exec('sleep 30', { timeoutMs: 30_000, signal: control.signal }));
    const waiting = failure(open.exec('echo never', { timeoutMs: 30_000, signal: control.signal }));
    setTimeout(() => control.abort(), 300);
    expect((await running).code).toBe('HL_CANCELLED');
    expect((await waiting).code).toBe('HL_CANCELLED');
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect((await open.exec('echo alive', soon)).stdout).toBe('alive\n');
    expect((await failure(open.exec('true', { ...soon, signal: control.signal }))).code).toBe('HL_CANCELLED');
  });

  test('trap 8: thirty calls at once queue instead of opening thirty sessions', async () => {
    const open = await remote();
    const turn = join(tempDir(), 'turn');
    const script = `mkdir ${turn}; sleep 0.01; rmdir ${turn}`;
    const results = await Promise.all(Array.from({ length: 30 }, () => open.exec(script, soon)));
    expect(results.map(result => result.code)).toEqual(Array(30).fill(0));
  });

  test('trap 9: a character that two packets share stays whole', async () => {
    const text = '가나다 äöü €\n'.repeat(40_000);
    const { stdout } = await (await remote()).exec(printing(text), soon);
    expect(stdout).toBe(text);
  });

  test('runs the script as root under set -eu in a known environment', async () => {
    const script =
      'id -u; pwd; umask; echo "$LC_ALL"; case :$PATH: in *:/usr/sbin:*) echo sbin;; esac; false; echo not reached';
    const result = await (await remote()).exec(script, soon);
    expect(result).toMatchObject({ code: 1, stdout: '0\n/\n0022\nC\nsbin\n', stderr: '' });
    expect((await (await remote()).exec('echo "$undefined_variable"', soon)).code).not.toBe(0);
  });

  test('a child that reads stdin does not eat the rest of the script', async () => {
    const result = await (await remote()).exec('cat\nread -r x || echo empty\nsh\necho done', soon);
    expect(result).toMatchObject({ code: 0, stdout: 'empty\ndone\n' });
  });

  test('here documents, missing and many trailing newlines change nothing', async () => {
    const open = await remote();
    expect((await open.exec("cat <<'END'\n$x `y` 'z'\n\n\nEND", soon)).stdout).toBe("$x `y` 'z'\n\n\n");
    expect((await open.exec('echo a\n\n\n\n', soon)).stdout).toBe('a\n');
    expect(await open.exec('', soon)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect((await open.exec('# only a comment', soon)).code).toBe(0);
    expect((await open.exec('echo "@homelab-root"; echo "@homelab-script"', soon)).stdout).toBe(
      '@homelab-root\n@homelab-script\n',
    );
    expect((await open.exec('if', soon)).code).toBe(2);
    await expect(open.exec('echo \0', soon)).rejects.toThrow(TypeError);
  });

  test('a script of several MiB runs', async () => {
    const text = 'x'.repeat(6 * 1024 * 1024);
    const result = await (await remote()).exec(`cat <<'END' | wc -c\n${text}\nEND\nexit 7`, soon);
    expect(result).toMatchObject({ code: 7, stdout: `${text.length + 1}\n` });
  });

  test('the remote deadline comes back as 124', async () => {
    const open = await remote();
    const result = await open.exec('echo begun; sleep 30', { timeoutMs: 500 });
    expect(result).toMatchObject({ code: 124, stdout: 'begun\n' });
    expect(result.durationMs).toBeGreaterThanOrEqual(500);
  });

  test('a script that ignores the deadline is killed, which is 124 as well', async () => {
    expect((await (await remote()).exec("trap '' TERM; sleep 30", { timeoutMs: 300 })).code).toBe(124);
  });

  test('a command that a signal killed has the code a shell would give it', async () => {
    expect((await (await remote()).exec('kill -KILL $$', soon)).code).toBe(137);
    expect((await (await remote()).exec('sh -c "kill -SEGV \\$\\$"; echo "$?"', soon)).code).toBe(139);
  });

  test('a child left in the background does not keep the command open', async () => {
    const begin = performance.now();
    expect(await (await remote()).exec('sleep 8 & echo ready', soon)).toMatchObject({ code: 0, stdout: 'ready\n' });
    expect(performance.now() - begin).toBeLessThan(4_000);
  });

  test('more output than anyone can mean is an error, not a full memory', async () => {
    const error = await failure((await remote()).exec('head -c 80000000 /dev/zero', { timeoutMs: 20_000 }));
    expect(error.code).toBe('HL_STEP_FAILED');
    expect(error.message).toMatch(/more than 64 MiB to stdout/);
  });

  test('close ends a running command and comes back although the peer is silent', async () => {
    const { proxy, remote } = await proxied();
    const running = failure(remote.exec('sleep 30', { timeoutMs: 30_000 }));
    proxy.stall();
    const begin = performance.now();
    await remote.close();
    expect(performance.now() - begin).toBeLessThan(1_500);
    expect((await running).code).toBe('HL_SSH_LOST');
    await remote.close();
    expect((await failure(remote.exec('true', soon))).message).toMatch(/homelab closed it/);
  });
});

describe('servers that misbehave', () => {
  test('a command that never ends on a machine that still answers pings is given up after the grace', async () => {
    const server = await fake({ onExec: () => {} });
    const error = await failure(
      (await opened(fakeHost(server), { timings: { graceMs: 400 } })).exec('true', { timeoutMs: 300 }),
    );
    expect(error.code).toBe('HL_SSH_LOST');
    expect(error.message).toMatch(/still had not ended/);
  });

  test('a channel that closes without an exit status is lost', async () => {
    const server = await fake({ onExec: channel => channel.close() });
    const error = await failure((await opened(fakeHost(server))).exec('true', soon));
    expect(error).toMatchObject({ code: 'HL_SSH_LOST', exitCode: 4 });
    expect(error.message).toMatch(/without an exit status/);
  });

  test('a session that is refused says so', async () => {
    const server = await fake({ onSession: (_accept, reject) => reject() });
    const error = await failure((await opened(fakeHost(server))).exec('true', soon));
    expect(error.code).toBe('HL_SSH_CONNECT');
    expect(error.message).toMatch(/opened no session/);
  });

  test('a port that nobody listens on is refused', async () => {
    const error = await failure(dial(hostAt(await freePort())));
    expect(error).toMatchObject({ code: 'HL_SSH_CONNECT', exitCode: 4 });
    expect(error.message).toMatch(/refused the connection/);
    expect(error.hint).toMatch(/systemctl status ssh/);
  });

  test('a server that says nothing times out', async () => {
    const silent = createServer(() => {});
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => silent.close());
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const error = await failure(dial(hostAt(port), {}, 600));
    expect(error.code).toBe('HL_SSH_CONNECT');
    expect(error.message).toMatch(/took the connection and did not let us in within/);
  });

  test('a machine that took the connection has longer to let us in', async () => {
    const server = await startFake({ onAuth: context => void setTimeout(() => context.accept(), 700) });
    const { remote } = await dial(fakeHost(server), {}, 300, 5_000);
    await remote.close();
    await expect(dial(fakeHost(server), {}, 300)).rejects.toThrow('took the connection and did not let us in');
  });

  test('a server that hangs up during the handshake is named as such', async () => {
    const rude = createServer(socket => socket.destroy());
    await new Promise<void>(resolve => rude.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => rude.close());
    const address = rude.address();
    const error = await failure(dial(hostAt(typeof address === 'object' && address ? address.port : 0)));
    expect(error.message).toMatch(/closed the connection while it was being set up/);
  });

  test('a name that does not resolve is a name problem', async () => {
    const error = await failure(dial({ ...hostAt(22), address: 'nowhere.invalid' }));
    expect(error.message).toMatch(/does not resolve/);
  });

  test('an abort during the login settles at once', async () => {
    const server = await fake({ onAuth: () => {} });
    const control = new AbortController();
    setTimeout(() => control.abort(), 200);
    const { createConnect } = await import('../../src/io/ssh.ts');
    const connect = createConnect({
      trustNewHostKeys: false,
      resolveSecret: async () => '',
      env: { home: '/nonexistent' },
      onNote: () => {},
    });
    const error = await failure(connect(fakeHost(server), { timeoutMs: 20_000, signal: control.signal }));
    expect(error).toMatchObject({ code: 'HL_CANCELLED', exitCode: 130 });
  });
});
