// init: a real sshd on an address of this computer's own, a person who answers, and everybody who does not.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Asking } from '../../src/cli/asking.ts';
import { runInit } from '../../src/cli/init.ts';
import type { InitOptions } from '../../src/cli/init-flags.ts';
import { loadInventory } from '../../src/inventory/load.ts';
import { freePort, type Sshd, startSshd, withoutSshd } from '../io/sshd.ts';
import { runCli, runWith } from './run-cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'homelab-init-'));
afterAll(() => rmSync(dir, { recursive: true }));
let files = 0;
const fresh = () => {
  files += 1;
  return join(dir, String(files), 'inventory', 'homelab.yaml');
};

// Loopback addresses are nobody's in an inventory.
const own = Object.values(networkInterfaces())
  .flatMap(each => each ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const without = withoutSshd ?? (own === undefined ? 'this computer has no address but loopback' : undefined);

describe('without a person', () => {
  it.each([
    ['says all that is missing', [], ['--host NAME=ADDRESS', '--yes']],
    ['says that --yes is missing', ['--host', 'cp=192.168.0.10'], ['missing: --yes']],
    ['says what is wrong with a machine', ['--yes', '--host', 'cp=localhost'], ['--host: expected an IPv4 address']],
    ['names the role that was meant', ['--yes', '--host', 'cp=192.168.0.10,wroker'], ['did you mean worker?']],
    ['says two mistakes at once', ['--yes', '--host', 'x', '--time-zone', 'Asia/Soul'], ['--host:', '"Asia/Seoul"']],
    ['takes no password', ['--yes', '--host', 'cp=192.168.0.10', '--sudo-password', 'secret'], ['a password itself']],
    ['says that nobody was found', ['--yes', '--scan', 'ssh-config'], ['no machine was found', '--host NAME=ADDRESS']],
    ['refuses a subnet that is too big', ['--yes', '--scan', '10.0.0.0/8'], ['/22']],
  ])('%s, exit 2, and writes nothing', async (_, argv, meant) => {
    const out = fresh();
    const { code, stdout, stderr } = await runCli(['init', '--out', out, ...argv]);
    expect([code, stdout]).toEqual([2, '']);
    for (const each of meant) expect(stderr).toContain(each);
    expect(stderr).not.toContain('"secret"');
    expect(existsSync(out)).toBe(false);
  });

  it('does not take machines that nobody named: it lists what it found', async () => {
    const home = join(dir, 'scanned');
    mkdirSync(join(home, '.ssh'), { recursive: true });
    writeFileSync(join(home, '.ssh', 'config'), 'Host attic\n  HostName 192.168.0.10\n');
    const out = fresh();
    const { code, stderr } = await runCli(['init', '--out', out, '--yes', '--scan', 'ssh-config'], {
      env: { HOME: home },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('--host attic=192.168.0.10');
    expect(existsSync(out)).toBe(false);
  });

  it('writes over nothing, and says what to type', async () => {
    const out = fresh();
    mkdirSync(join(out, '..'), { recursive: true });
    writeFileSync(out, 'mine');
    const { code, stderr } = await runCli(['init', '--out', out, '--yes', '--host', 'cp=192.168.0.10']);
    expect(code).toBe(2);
    expect(stderr).toContain('--force');
    expect(readFileSync(out, 'utf8')).toBe('mine');
  });
});

describe.skipIf(without)(`with machines${without ? ` (${without})` : ''}`, () => {
  let sshd: Sshd;
  let closed = 0;
  const host = own ?? '';
  beforeAll(async () => {
    sshd = await startSshd({ settings: [`ListenAddress ${host}`] });
    closed = await freePort();
  });
  afterAll(() => sshd?.stop());

  const init = (out: string, ...argv: readonly string[]) =>
    runCli(['init', '--out', out, '--user', 'root', '--identity-file', sshd.identityFile, ...argv]);

  it('writes what it saw, and the inventory is valid', async () => {
    const out = fresh();
    const { code, stdout, stderr } = await init(
      out,
      '--yes',
      '--trust-new-host-keys',
      '--host',
      `k8s-cp=${host}:${sshd.port}`,
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('processor')]);
    expect(stdout).toContain(`homelab validate --machines -i ${out}`);
    expect(await loadInventory(out)).toMatchObject({
      name: 'homelab',
      hosts: [{ name: 'k8s-cp', role: 'control-plane', address: host, ssh: { user: 'root', port: sshd.port } }],
    });
    expect(readFileSync(out, 'utf8')).toMatch(/# \d+ processors?, [\d.]+ GiB memory/);
    expect((await runCli(['validate', '-i', out])).code).toBe(0);
  });

  it('with --force keeps what was there beside it', async () => {
    const out = fresh();
    mkdirSync(join(out, '..'), { recursive: true });
    writeFileSync(out, 'mine');
    const { code, stdout } = await init(out, '--force', '--yes', '--host', `k8s-cp=${host}:${closed}`);
    expect(code).toBe(0);
    expect(stdout).toContain(`${out}.before`);
    expect(readFileSync(`${out}.before`, 'utf8')).toBe('mine');
  });

  it('writes a machine that it could not reach, and says so in the file too', async () => {
    const out = fresh();
    const { code, stdout, stderr } = await init(out, '--yes', '--host', `k8s-cp=${host}:${closed}`);
    expect(code).toBe(0);
    expect(stdout).toContain('1 machine, 1 not reached');
    expect(stderr).toContain('refused the connection');
    expect(readFileSync(out, 'utf8')).toContain('# Not reached at init');
  });

  it('takes no host key on trust: the machine counts as not reached', async () => {
    const out = fresh();
    const { code, stderr } = await init(out, '--yes', '--host', `k8s-cp=${host}:${sshd.port}`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/host key of .* is not known/);
    expect(readFileSync(out, 'utf8')).toContain('# Not reached at init');
  });

  it('cannot call a machine that was not reached by a name that nobody gave', async () => {
    const out = fresh();
    const { code, stderr } = await init(out, '--yes', '--host', `${host}:${closed}`);
    expect(code).toBe(2);
    expect(stderr).toContain(`--host NAME=${host}`);
    expect(existsSync(out)).toBe(false);
  });

  it('refuses two machines that are one, and writes nothing', async () => {
    const out = fresh();
    const at = `${host}:${closed}`;
    const { code, stderr } = await init(out, '--yes', '--host', `a=${at}`, '--host', `b=${at}`);
    expect(code).toBe(3);
    expect(stderr).toContain('an address of its own');
    expect(existsSync(out)).toBe(false);
  });

  it('tells programs in one line of JSON', async () => {
    const out = fresh();
    const { code, stdout } = await init(out, '--yes', '--output', 'json', '--host', `k8s-cp=${host}:${closed}`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      inventory: out,
      hosts: [{ name: 'k8s-cp', seen: { unseen: expect.any(String) } }],
    });
  });

  describe('and a person', () => {
    const person = (trusts: boolean, machines: readonly string[], asked: string[] = []): Asking => {
      const left = [...machines];
      return {
        async text(question, usual, problemOf) {
          asked.push(question);
          const answer =
            /machine|control plane/i.test(question) && !/Login/.test(question) ? (left.shift() ?? '') : usual;
          expect(problemOf?.(answer)).toBeUndefined();
          return answer;
        },
        async confirm(question) {
          asked.push(question);
          return trusts;
        },
        async choose(question, choices) {
          asked.push(question);
          return choices.filter(({ checked }) => checked).map(({ value }) => value);
        },
      };
    };
    const asks = (out: string, asking: Asking, env: Readonly<Record<string, string>>) => {
      const options: InitOptions = { out, user: 'root', identityFile: sshd.identityFile };
      return runWith(['init'], { isTty: true, env }, io => runInit(options, io, asking));
    };
    const home = () => {
      const path = mkdtempSync(join(dir, 'home-'));
      return { HOME: path, known: join(path, '.ssh', 'known_hosts') };
    };

    it('who says yes to the keys: they are saved, and the machine is called as it calls itself', async () => {
      const out = fresh();
      const { known, ...env } = home();
      const asked: string[] = [];
      const { code, stderr } = await asks(out, person(true, [`${host}:${sshd.port}`], asked), env);
      expect([code, stderr]).toEqual([0, expect.stringContaining(sshd.hostKey('ed25519').split(' ')[0] ?? '')]);
      expect(readFileSync(known, 'utf8')).toContain(sshd.hostKey('ed25519'));
      const { hosts } = await loadInventory(out);
      expect(hosts).toMatchObject([{ role: 'control-plane', address: host }]);
      expect(asked.filter(each => /keys/.test(each))).toHaveLength(1);
    });

    it('who gives up the file that is there: it is kept beside the new one', async () => {
      const out = fresh();
      mkdirSync(join(out, '..'), { recursive: true });
      writeFileSync(out, 'example');
      const said = person(true, [`k8s-cp=${host}:${closed}`]);
      expect((await asks(out, { ...said, confirm: async () => false }, home())).code).toBe(2);
      expect(readFileSync(out, 'utf8')).toBe('example');
      expect((await asks(out, said, home())).code).toBe(0);
      expect(readFileSync(`${out}.before`, 'utf8')).toBe('example');
      expect((await loadInventory(out)).hosts).toHaveLength(1);
    });

    it('who says no: nothing is saved, and the machine counts as not reached', async () => {
      const out = fresh();
      const { known, ...env } = home();
      const { code } = await asks(out, person(false, [`k8s-cp=${host}:${sshd.port}`]), env);
      expect(code).toBe(0);
      expect(existsSync(known)).toBe(false);
      expect(readFileSync(out, 'utf8')).toContain('# Not reached at init');
    });
  });
});
