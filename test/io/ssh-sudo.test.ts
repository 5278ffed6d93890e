// Root through sudo: one constant command line, secrets on stdin only, and failures that say what to type.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { dataLoader, rootCommand, scriptLoader, sentinel, started } from '../../src/io/sudo.ts';
import { receiveScript } from '../../src/io/upload.ts';
import type { Remote } from '../../src/model/ports.ts';
import { dial, type FakeServer, failure, fakeHost, startFake, tempDir } from './ssh-rig.ts';

const soon = { timeoutMs: 10_000 };
const password = 'correct horse';
const secret = { kind: 'env', name: 'SUDO_PASSWORD' } as const;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A machine whose `sudo` is this script; what it was called with and given is in `log`. */
async function machineWith(body: string, shell?: string): Promise<{ server: FakeServer; log: () => string }> {
  const dir = tempDir();
  const sudo = join(dir, 'sudo');
  writeFileSync(sudo, `#!/bin/sh\nexec 9>>${dir}/log; echo "argv $*" >&9\n${body}\n`);
  chmodSync(sudo, 0o755);
  const server = await startFake({ env: { PATH: `${dir}:/usr/bin:/bin` }, ...(shell ? { shell } : {}) });
  cleanups.push(() => server.stop());
  return { server, log: () => readFileSync(join(dir, 'log'), 'utf8') };
}

const runIt = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"';
/** What sudo -S does: three attempts, one line of stdin each, and its words in the C locale. */
const asking = `
n=0
while [ $n -lt 3 ]; do
  printf %s @homelab-password >&2
  if ! IFS= read -r word; then echo 'sudo: no password was provided' >&2; break; fi
  echo "attempt $word" >&9
  if [ "$word" = '${password}' ]; then ${runIt}; fi
  n=$((n + 1)); echo 'Leider falsch.' >&2
done
echo "sudo: $n incorrect password attempt" >&2; exit 1`;

async function open(server: FakeServer, withPassword: boolean, given = password): Promise<Remote> {
  const host = fakeHost(server, { user: 'admin', sudoPassword: withPassword ? secret : undefined });
  const { remote } = await dial(host, { resolveSecret: async () => given });
  cleanups.push(() => remote.close());
  return remote;
}

describe('sudo', () => {
  test('with a password: it is given on stdin, and neither it nor the script stands in argv', async () => {
    const { server, log } = await machineWith(asking);
    const result = await (await open(server, true)).exec('echo "token-7 é"; exit 4', soon);
    expect(result).toMatchObject({ code: 4, stdout: 'token-7 é\n', stderr: '' });
    expect(server.commands).toEqual([
      rootCommand({ kind: 'sudo-password', user: '', password: '' }, 10_000, scriptLoader),
    ]);
    expect(log()).not.toMatch(/argv .*(correct|token)/);
  });

  test('without a password sudo is told not to ask', async () => {
    const { server, log } = await machineWith(runIt);
    expect((await (await open(server, false)).exec('echo in', soon)).stdout).toBe('in\n');
    expect(log()).toMatch(/argv -H -n -- timeout --kill-after=5 10 sh -c/);
  });

  test('a password that sudo does not ask for (NOPASSWD) is neither run nor shown', async () => {
    const { server } = await machineWith(runIt);
    const result = await (await open(server, true, 'echo hacked')).exec('echo in; cat', soon);
    expect(result).toMatchObject({ code: 0, stdout: 'in\n', stderr: '' });
  });

  test('a wrong password costs one attempt, not three and a locked account', async () => {
    const { server, log } = await machineWith(asking);
    const error = await failure((await open(server, true, 'wrong pony')).exec('echo never', soon));
    expect(error).toMatchObject({ code: 'HL_SUDO', exitCode: 4 });
    expect(error.message).toMatch(/refused the password of admin/);
    expect(log().match(/attempt/g)).toHaveLength(1);
    expect(JSON.stringify(error)).not.toContain('wrong pony');
  });

  test.each([
    [
      'asks for a password',
      "echo 'sudo: a password is required' >&2; exit 1",
      /asks admin for a password/,
      /ssh\.sudo/,
    ],
    ['requiretty', "echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1", /terminal/, /!requiretty/],
    ['no sudoer', "echo 'admin is not in the sudoers file.' >&2; exit 1", /may not use sudo/, /usermod -aG sudo admin/],
    ['no sudo', "echo 'env: ‘sudo’: No such file or directory' >&2; exit 127", /not installed/, /apt-get install sudo/],
    ['else', 'exit 3', /failed for admin \(exit 3\)/, /sudo -n true/],
  ])('%s is HL_SUDO with what to type', async (_case, body, message, hint) => {
    const { server } = await machineWith(body);
    const error = await failure((await open(server, false)).exec('echo never', soon));
    expect(error.code).toBe('HL_SUDO');
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  test('a script that fails in sudo’s words is the script’s failure', async () => {
    const { server } = await machineWith(runIt);
    const result = await (await open(server, true)).exec("echo 'sudo: a password is required' >&2; exit 1", soon);
    expect(result).toMatchObject({ code: 1, stderr: 'sudo: a password is required\n' });
  });

  test('what the login shell and sudo say first is no part of the output', async () => {
    const { server } = await machineWith(`echo 'We trust you have received the lecture' >&2; printf welcome; ${runIt}`);
    expect(await (await open(server, false)).exec('echo out; echo err >&2', soon)).toMatchObject({
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('an upload goes through sudo with a password, and sudo cannot take the data for one', async () => {
    const { server, log } = await machineWith(asking);
    const dir = tempDir();
    const local = join(dir, 'local');
    writeFileSync(local, 'line 1\nline 2\n');
    const sha256 = execFileSync('sha256sum', [local], { encoding: 'utf8' }).slice(0, 64);
    await (await open(server, true)).upload(local, join(dir, 'copy'), { sha256, timeoutMs: 10_000 });
    expect(readFileSync(join(dir, 'copy'), 'utf8')).toBe('line 1\nline 2\n');
    const error = await failure(
      (await open(server, true, 'wrong')).upload(local, join(dir, 'other'), { sha256, timeoutMs: 10_000 }),
    );
    expect(error.code).toBe('HL_SUDO');
    expect(log()).not.toContain('line 1');
  });

  test('a password of several lines is refused before anything is sent', async () => {
    const { server } = await machineWith(asking);
    expect((await failure(open(server, true, 'a\nb'))).code).toBe('HL_SUDO');
    expect(server.commands).toEqual([]);
  });
});

describe('login shells', () => {
  for (const shell of ['/bin/dash', '/bin/bash', '/usr/bin/zsh', '/usr/bin/fish', '/bin/tcsh', '/bin/ksh']) {
    test.skipIf(!existsSync(shell))(`${shell} leaves the command line as it is`, async () => {
      const { server } = await machineWith(asking, shell);
      const script = `cat <<'END'\n!! $HOME \\n 'quoted'\nEND\necho "\${UNSET-unset}"; exit 9`;
      expect(await (await open(server, true)).exec(script, soon)).toMatchObject({
        code: 9,
        stdout: "!! $HOME \\n 'quoted'\nunset\n",
        stderr: '',
      });
    });
  }
});

describe('shell texts', () => {
  const texts = {
    scriptLoader,
    dataLoader,
    receiveScript: `set -eu\n${receiveScript("/var/tmp/it's", 'ab', 7)}`,
    guardedReceiveScript: `set -eu\n${receiveScript('/var/tmp/a', 'ab', 7, '[ -e /run/a ] || exit 93')}`,
  };
  const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;
  for (const [name, text] of Object.entries(texts)) {
    test.skipIf(!hasShellcheck)(`${name} passes shellcheck`, () => {
      expect(spawnSync('shellcheck', ['-s', 'sh', '-'], { input: text, encoding: 'utf8' }).stdout).toBe('');
    });
    test.skipIf(!existsSync('/bin/dash'))(`${name} is parsed by dash`, () => {
      expect(spawnSync('/bin/dash', ['-n'], { input: text, encoding: 'utf8' })).toMatchObject({
        status: 0,
        stderr: '',
      });
    });
  }

  test('loaders hold nothing that a login shell could read in its own way', () => {
    for (const loader of [scriptLoader, dataLoader]) expect(loader).not.toMatch(/['\\!\n]/);
    expect(scriptLoader).toContain(started);
    expect(scriptLoader).toContain(sentinel);
  });
});
