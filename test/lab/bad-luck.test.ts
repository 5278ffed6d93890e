// What goes wrong in a homelab, on real machines: each case says what happened and what to type, in time, and the next run goes on from there.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatFailures } from '../../src/render/error.ts';
import { packages } from '../../src/resources/packages.ts';
import { sudoPassword } from './debian-root.ts';
import type { Lab } from './machines.ts';
import { pause, run as runHere } from './run.ts';
import {
  eventsOf,
  failuresOf,
  finished,
  type HomelabProcess,
  type HomelabRun,
  plannedSteps,
  startHomelab,
  stepsWith,
  story,
} from './run-homelab.ts';
import {
  changedInventory,
  freshLab,
  homelab,
  homeOf,
  inside,
  kubectl,
  readyNodes,
  untilInside,
  whyNoCluster,
} from './test-lab.ts';

const reason = await whyNoCluster();

describe.skipIf(reason !== undefined)(reason ?? 'bad luck', () => {
  let lab: Lab;
  let bundle = '';

  beforeAll(async () => {
    lab = await freshLab('test-bad-luck', 4);
    bundle = lab.bundle ?? '';
  });
  afterAll(async () => {
    await lab?.down();
  });

  const bootstrap = (...args: readonly string[]): Promise<HomelabRun> =>
    homelab(lab, ['bootstrap', '--yes', '--bundle', bundle, ...args]);
  const begin = (...args: readonly string[]): Promise<HomelabProcess> =>
    startHomelab(homeOf(lab), ['bootstrap', '--yes', '--bundle', bundle, '-i', lab.inventoryPath, ...args]);

  /** The exit code, the first line of each error and its cure are those of test/golden/bad-luck/NAME.txt, and every step was in time. */
  const expectFailure = async (name: string, run: HomelabRun): Promise<void> => {
    const failures = failuresOf(run).toSorted((a, b) => (a.host ?? '').localeCompare(b.host ?? ''));
    const said = formatFailures(failures, {}).filter(line => /^(✖| {2}fix)/.test(line));
    const text = normalised([`exit ${run.code}`, ...said].join('\n'), lab);
    await expect(`${text}\n`, story(run)).toMatchFileSnapshot(`../golden/bad-luck/${name}.txt`);
    expectInTime(run);
  };
  const expectOk = (run: HomelabRun): void => {
    expect(run.code, story(run)).toBe(0);
    expect(finished(run).predictionErrors).toBe(0);
    expectInTime(run);
  };

  describe('a machine that cannot be reached', () => {
    /** The lab's inventory, where the last machine is reached in a way of its own. */
    const otherSsh = (name: string, ssh: string): Promise<string> => {
      const address = lab.hosts[3]?.address;
      return changedInventory(lab, name, {
        [`address: ${address}\n`]: `address: ${address}\n    ssh: ${ssh}\n`,
      });
    };
    const look = (inventory = lab.inventoryPath): Promise<HomelabRun> => homelab(lab, ['plan'], inventory);

    test('its cable is out', async () => {
      await lab.cutLink('k8s-worker3');
      try {
        // Otherwise this computer would believe for a while that it still knows the way.
        await runHere(['ip', 'neighbour', 'flush', 'to', lab.hosts[3]?.address ?? '']);
        const run = await look();
        // The limit for one connection is 30 s.
        expect(run.durationMs).toBeLessThan(45_000);
        await expectFailure('unreachable', run);
      } finally {
        await lab.restoreLink('k8s-worker3');
      }
      await lab.waitReachable('k8s-worker3');
    });

    test('nothing listens on its port', async () => {
      await expectFailure('port-refused', await look(await otherSsh('port', '{port: 2}')));
    });

    test('the login key is another', async () => {
      const key = await newKey(lab, 'other-key');
      await expectFailure('login-key', await look(await otherSsh('login-key', `{identityFile: ${key}}`)));
    });

    test('its host key is unknown', async () => {
      const file = path.join(lab.dir, 'known_hosts.empty');
      await writeFile(file, '');
      await expectFailure('host-key-unknown', await look(await otherSsh('host-key-unknown', `{knownHosts: ${file}}`)));
    });

    test('its host key has changed', async () => {
      const key = await readFile(`${await newKey(lab, 'former-host-key')}.pub`, 'utf8');
      const file = path.join(lab.dir, 'known_hosts.former');
      await writeFile(file, `${lab.hosts[3]?.address} ${key}`);
      await expectFailure('host-key-changed', await look(await otherSsh('host-key-changed', `{knownHosts: ${file}}`)));
    });

    test('the sudo password is wrong', async () => {
      const secret = path.join(lab.dir, 'wrong-password');
      await writeFile(secret, 'not-the-password\n', { mode: 0o600 });
      const inventory = await otherSsh('sudo-password', `{user: pw, sudo: {password: '\${file:${secret}}'}}`);
      const run = await look(inventory);
      await expectFailure('sudo-password', run);
      expect(`${run.stdout}${run.stderr}`).not.toContain('not-the-password');
    });

    test('the user is not in sudoers', async () => {
      await inside(
        lab,
        'k8s-worker3',
        `useradd --create-home --shell /bin/bash guest
echo 'guest:${sudoPassword}' | chpasswd
install -d -m 700 -o guest -g guest /home/guest/.ssh
install -m 600 -o guest -g guest /home/admin/.ssh/authorized_keys /home/guest/.ssh/authorized_keys`,
      );
      const secret = path.join(lab.dir, 'right-password');
      await writeFile(secret, sudoPassword, { mode: 0o600 });
      const inventory = await otherSsh('sudoers', `{user: guest, sudo: {password: '\${file:${secret}}'}}`);
      await expectFailure('sudoers', await look(inventory));
    });

    test('on a terminal it is said in the same words', async () => {
      const inventory = path.join(lab.dir, 'port.yaml');
      const run = await homelab(lab, ['plan', '--output', 'plain'], inventory);
      expect(run.code).toBe(4);
      expect(run.stderr).toMatch(
        /^✖ k8s-worker3 \(10\.77\.\d+\.13 port 2\) refused the connection {2}\[HL_SSH_CONNECT\]$/m,
      );
      expect(run.stdout).toBe('');
    });
  });

  describe('packages', () => {
    test('a repository without the version says what it has; two machines fail in two ways, both are told', async () => {
      await inside(lab, 'k8s-worker3', "echo 'deb file:/nowhere ./' >/etc/apt/sources.list.d/broken.list");
      const inventory = await changedInventory(lab, 'version', { 'version: 2.1.5': 'version: 2.1.9' });
      const only = ['--only', 'containerd/k8s-worker2', '--only', 'containerd/k8s-worker3'];
      const run = await homelab(lab, ['bootstrap', '--yes', ...only], inventory);
      await expectFailure('repository', run);
      expect(
        failuresOf(run)
          .map(failure => failure.host)
          .toSorted(),
      ).toEqual(['k8s-worker2', 'k8s-worker3']);
      expect(stepsWith(run, 'skipped').toSorted()).toEqual([
        'containerd/k8s-worker2/config',
        'containerd/k8s-worker2/service',
        'containerd/k8s-worker3/config',
        'containerd/k8s-worker3/service',
      ]);
      await inside(lab, 'k8s-worker3', 'rm /etc/apt/sources.list.d/broken.list');
    });

    test('a repository without the package says so', async () => {
      const inventory = await changedInventory(lab, 'package', { 'package: containerd\n': 'package: containerd.io\n' });
      const run = await homelab(lab, ['bootstrap', '--yes', '--only', 'containerd/k8s-worker1'], inventory);
      await expectFailure('package', run);
    });

    test('another apt at work is waited for', async () => {
      await holdLock(lab, 'k8s-worker1');
      const process = await begin('--only', 'host-base/k8s-worker1');
      const step = 'host-base/k8s-worker1/prerequisites';
      await process.event('step-started', ({ id }) => id === step);
      await untilInside(lab, 'k8s-worker1', 'pgrep -x apt-get', 'apt-get to wait for the lock');
      await pause(15_000);
      await releaseLock(lab, 'k8s-worker1');
      const run = await process.ended;
      expectOk(run);
      const waited = eventsOf(run, 'step-finished').find(({ id }) => id === step)?.durationMs;
      expect(waited).toBeGreaterThan(15_000);
    });

    test('another apt that does not end is named when the time is over', async () => {
      const resource = packages({ name: 'tool', title: 'Install iw', packages: [{ name: 'iw' }], lockSeconds: 5 });
      const action = resource.change(resource.blank, [])?.action;
      await holdLock(lab, 'k8s-worker1');
      const begun = performance.now();
      const { code, stderr } = await lab.exec('k8s-worker1', ['sh', '-c', `set -eu\n${action?.script}`]);
      expect(performance.now() - begun).toBeGreaterThan(5_000);
      expect(performance.now() - begun).toBeLessThan(60_000);
      await releaseLock(lab, 'k8s-worker1');
      expect(code).not.toBe(0);
      const known = action?.explain?.find(({ pattern }) => pattern.test(stderr));
      expect(known?.message, stderr).toBe('another apt or dpkg keeps its lock');
    });
  });

  describe('in the middle of a step', () => {
    test('the cable is pulled: the run ends, the next one goes on', async () => {
      const process = await begin('--until', 'host-base');
      await process.event('step-started', ({ id }) => id === 'host-base/k8s-worker2/prerequisites');
      await lab.cutLink('k8s-worker2');
      const run = await process.ended;
      await lab.restoreLink('k8s-worker2');
      await expectFailure('link-lost', run);
      // The others went on to the end of the phase.
      expect(stepsWith(run, 'done')).toContain('host-base/k8s-worker3/prerequisites');
      await lab.waitReachable('k8s-worker2');
      expectOk(await bootstrap('--until', 'host-base'));
    });

    test('Ctrl-C twice: it leaves at once, the next run goes on', async () => {
      const process = await begin('--until', 'containerd');
      await process.event('step-started', ({ id }) => id === 'containerd/k8s-worker1/package');
      process.signal('SIGINT');
      await process.event('note', ({ text }) => text.includes('press Ctrl-C again'));
      const begun = performance.now();
      process.signal('SIGINT');
      const run = await process.ended;
      expect(performance.now() - begun).toBeLessThan(10_000);
      expect(finished(run)).toMatchObject({ outcome: 'cancelled', exitCode: 130 });
      await expectFailure('interrupted-twice', run);
      expectOk(await bootstrap('--until', 'containerd'));
    });

    test('the machine reboots: the run ends, the next one goes on', async () => {
      const process = await begin('--until', 'kube-packages');
      await process.event('step-started', ({ id }) => id === 'kube-packages/k8s-worker3/packages');
      await untilInside(lab, 'k8s-worker3', 'pgrep -x dpkg', 'dpkg to be at work');
      await lab.reboot('k8s-worker3');
      const run = await process.ended;
      await expectFailure('rebooted', run);
      await lab.waitReachable('k8s-worker3');
      expectOk(await bootstrap('--until', 'kube-packages'));
    });
  });

  describe('kubeadm', () => {
    test('a port that is taken is named; once it is free the next run goes on', async () => {
      await inside(lab, 'k8s-cp', 'systemd-run --quiet --unit=squatter systemd-socket-activate --listen=6443 /bin/cat');
      // preflight would tell it first (preflight.test.ts)
      const run = await bootstrap('--skip', 'preflight', '--until', 'control-plane');
      await inside(lab, 'k8s-cp', 'systemctl stop squatter');
      await expectFailure('port-taken', run);
      expect(stepsWith(run, 'failed')).toEqual(['control-plane/k8s-cp/init']);
      expectOk(await bootstrap('--until', 'control-plane'));
    });

    test('a worker that cannot reach the API server is told apart; the others join, and no token is left', async () => {
      const [controlPlane] = lab.hosts;
      const rule = `OUTPUT --destination ${controlPlane?.address} --protocol tcp --dport 6443 --jump DROP`;
      await inside(lab, 'k8s-worker3', `iptables --wait --append ${rule}`);
      const run = await bootstrap('--skip', 'preflight');
      await inside(lab, 'k8s-worker3', `iptables --wait --delete ${rule}`);
      await expectFailure('api-unreachable', run);
      expect(stepsWith(run, 'failed')).toEqual(['workers/k8s-worker3/join']);
      expect(stepsWith(run, 'done')).toEqual(
        expect.arrayContaining([
          'workers/k8s-worker1/join',
          'workers/k8s-worker2/join',
          'workers/k8s-cp/join-token-gone',
        ]),
      );
      expect(await tokens(lab)).toBe('');
    });

    test('Ctrl-C once: what has begun is finished and the token deleted; the next run goes on to four Ready nodes', async () => {
      const process = await begin();
      await process.event('step-started', ({ id }) => id === 'workers/k8s-worker3/join');
      process.signal('SIGINT');
      const run = await process.ended;
      await expectFailure('interrupted', run);
      expect(finished(run)).toMatchObject({ outcome: 'cancelled', exitCode: 130 });
      expect(stepsWith(run, 'done')).toEqual(
        expect.arrayContaining(['workers/k8s-worker3/join', 'workers/k8s-cp/join-token-gone']),
      );
      expect(stepsWith(run, 'failed')).toEqual([]);
      expect(await tokens(lab)).toBe('');

      expectOk(await bootstrap());
      expect(await readyNodes(lab)).toEqual(lab.hosts.map(host => host.name));
      const after = await homelab(lab, ['plan', '--detailed-exitcode', '--bundle', bundle]);
      expect(after.code, story(after)).toBe(0);
      expect(plannedSteps(after)).toEqual([]);
    });
  });
});

/** Times, addresses, fingerprints and folders differ from run to run. */
function normalised(text: string, { dir }: Lab): string {
  return text
    .replaceAll(dir, 'LAB')
    .replace(/\b10\.77\.\d+\./g, '10.77.N.')
    .replace(/SHA256:[A-Za-z0-9+/]{43}/g, 'SHA256:FINGERPRINT')
    .replace(/\b\d+(\.\d+)? ?(ms|s)\b/g, 'N $2');
}

/** Each step says beforehand how long it may take; a machine that no longer answers is given up soon after. */
function expectInTime(run: HomelabRun): void {
  const deadlines = new Map(eventsOf(run, 'step-started').map(({ id, deadlineMs }) => [id, deadlineMs]));
  for (const { id, durationMs } of eventsOf(run, 'step-finished')) {
    expect(durationMs, id).toBeLessThan((deadlines.get(id) ?? 0) + 60_000);
  }
}

async function newKey(lab: Lab, name: string): Promise<string> {
  const file = path.join(lab.dir, name);
  await runHere(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  return file;
}

const holder = `import fcntl, pathlib, signal
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
pathlib.Path("/run/lock-is-held").touch()
signal.pause()`;

/** As another apt would: a lock of the kernel, held by a process. */
async function holdLock(lab: Lab, host: string): Promise<void> {
  await inside(lab, host, `systemd-run --quiet --collect --unit=lock-holder python3 -c '${holder}'`);
  await untilInside(lab, host, '[ -e /run/lock-is-held ]', 'the lock to be taken');
}

async function releaseLock(lab: Lab, host: string): Promise<void> {
  await inside(lab, host, 'systemctl stop lock-holder; rm /run/lock-is-held');
}

function tokens(lab: Lab): Promise<string> {
  return kubectl(lab, 'get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o name');
}
