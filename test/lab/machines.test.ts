import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, labDown, labOpen, labSupported, labUp } from './machines.ts';
import { output, run } from './run.ts';

const log = (): void => undefined;
const unsupported = await labSupported();

/** sh: in every hierarchy. Links are other names of the same. */
const makesGroups = `for group in /sys/fs/cgroup/*/; do
  [ -h "\${group%/}" ] || { mkdir "$group/probe"; rmdir "$group/probe"; }
done`;

/** What a lab makes on this machine, as lines that name the lab or its number. Other labs may come and go meanwhile. */
async function traces(names: readonly string[], indexes: readonly number[]): Promise<readonly string[]> {
  const folders = names.map(name => `homelab-lab/${name}`);
  const numbered = indexes.flatMap(index => [`hlab${index}`, `homelab_lab_${index}`]);
  const named = (text: string): boolean =>
    [...folders, ...numbered].some(part => new RegExp(`${part}(?![0-9a-z])`).test(text));
  const lines = [
    ...(await readFile('/proc/self/mountinfo', 'utf8')).split('\n'),
    ...(await run(['ip', '-oneline', 'link', 'show'])).split('\n'),
    ...(await run(['nft', 'list', 'tables'])).split('\n'),
    ...(
      await run(['find', '/sys/fs/cgroup', '/var/lib/homelab-lab', '/run/systemd/nspawn', '-maxdepth', '6']).catch(
        () => '',
      )
    ).split('\n'),
    ...(await output(['find', '/run/systemd/nspawn', '-name', 'hlab*'])).stdout.split('\n'),
    ...(await commandLines()),
  ];
  return lines.filter(named);
}

async function commandLines(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    // A zombie has neither, and is the host's process 1's to bury.
    if (text === '') continue;
    const groups = await readFile(`/proc/${name}/cgroup`, 'utf8').catch(() => '');
    found.push(`${name} ${text.replaceAll('\0', ' ')}`, ...groups.split('\n').map(group => `${name} ${group}`));
  }
  return found;
}

const settings = ['net/ipv4/ip_forward', 'fs/inotify/max_user_instances', 'vm/overcommit_memory', 'kernel/panic'];

function readSettings(): Promise<readonly string[]> {
  return Promise.all(settings.map(name => readFile(`/proc/sys/${name}`, 'utf8')));
}

async function onMachine(lab: Lab, host: string, ...argv: readonly [string, ...string[]]): Promise<string> {
  const { code, stdout, stderr } = await lab.exec(host, argv);
  if (code !== 0) throw new Error(`${argv.join(' ')} on ${host} exited with ${code}: ${stderr}`);
  return stdout.trim();
}

async function ssh(lab: Lab, host: string, user: 'admin' | 'pw', ...command: readonly string[]) {
  const [file, ...args] = lab.sshArgv(host, user);
  return output([file, ...args, ...command], { timeoutMs: 20_000 });
}

describe.skipIf(unsupported !== undefined)(`machines${unsupported === undefined ? '' : ` (${unsupported})`}`, () => {
  const names = ['test-a', 'test-b'];
  let lab: Lab;
  let settingsBefore: readonly string[];
  let alone: boolean;

  beforeAll(async () => {
    for (const name of names) await labDown(name, { log });
    alone = (await readdir('/var/lib/homelab-lab').catch(() => [])).length === 0;
    settingsBefore = await readSettings();
    lab = await labUp({ name: 'test-a', machines: 2, log });
  });

  afterAll(async () => {
    for (const name of names) await labDown(name, { log });
  });

  it('answers over ssh with the pinned host key, and with no other', async () => {
    const good = await ssh(lab, 'k8s-cp', 'admin', 'hostname');
    expect(good).toMatchObject({ code: 0, stdout: 'k8s-cp\n' });
    const keys = await readFile(path.join(lab.dir, 'known_hosts'), 'utf8');
    const [cp, worker] = lab.hosts.map(host => host.address);
    const [file, ...args] = lab.sshArgv('k8s-cp');
    const other = args.map(arg => (arg.startsWith('UserKnownHostsFile=') ? 'UserKnownHostsFile=/dev/null' : arg));
    expect(keys.split('\n').map(line => line.split(' ')[0])).toEqual([cp, worker, '']);
    expect((await output([file, ...other, 'true'])).stderr).toContain('Host key verification failed');
  });

  it('gives admin sudo without a password, pw with one, and root and passwords no login', async () => {
    expect(await ssh(lab, 'k8s-cp', 'admin', 'sudo -n id -u')).toMatchObject({ code: 0, stdout: '0\n' });
    expect((await ssh(lab, 'k8s-cp', 'pw', 'sudo -n id -u')).code).not.toBe(0);
    const withPassword = await ssh(lab, 'k8s-cp', 'pw', "echo lab-sudo-password | sudo -S -p '' id -u");
    expect(withPassword).toMatchObject({ code: 0, stdout: '0\n' });
    const effective = await onMachine(lab, 'k8s-cp', 'sshd', '-T');
    expect(effective).toContain('passwordauthentication no');
    expect(effective).toContain('kbdinteractiveauthentication no');
  });

  it('tells its machines apart: name, machine-id, boot id, address', async () => {
    const seen = await Promise.all(
      lab.hosts.map(async ({ name, address }) => [
        await onMachine(lab, name, 'hostname'),
        await onMachine(lab, name, 'cat', '/etc/machine-id'),
        await lab.bootId(name),
        (await onMachine(lab, name, 'ip', '-4', '-oneline', 'address', 'show', 'host0')).includes(` ${address}/24 `),
      ]),
    );
    expect(seen.map(one => one[0])).toEqual(['k8s-cp', 'k8s-worker1']);
    expect(new Set(seen.flatMap(one => [one[1], one[2]])).size).toBe(4);
    expect(seen.map(one => one[3])).toEqual([true, true]);
  });

  it('is fit for containers: writable groups of its own, real disks, own network settings', async () => {
    const script = `set -eu
      ${makesGroups}
      for folder in containerd kubelet etcd; do findmnt -n -o FSTYPE "/var/lib/$folder"; done
      sysctl -q -w net.ipv4.ip_forward=1
      dmesg >/dev/null
      findmnt -n -o PROPAGATION /
      findmnt -n -o FSTYPE /sys/fs/bpf`;
    const lines = (await onMachine(lab, 'k8s-worker1', 'sh', '-c', script)).split('\n');
    expect(lines.slice(0, 3)).not.toContain('overlay');
    expect(lines.slice(3)).toEqual(['shared', 'bpf']);
    expect(await onMachine(lab, 'k8s-cp', 'cat', '/proc/sys/net/ipv4/ip_forward')).toBe('0');
    expect(await onMachine(lab, 'k8s-cp', 'systemctl', 'is-system-running')).toBe('running');
  });

  it('passes packets between machines, pod addresses too, and lets none to pods or services leave', async () => {
    const [cp, worker] = lab.hosts.map(host => host.address);
    await onMachine(lab, 'k8s-cp', 'ip', 'address', 'add', '10.244.0.1/32', 'dev', 'lo');
    await onMachine(lab, 'k8s-worker1', 'ip', 'address', 'add', '10.244.1.1/32', 'dev', 'lo');
    await onMachine(lab, 'k8s-cp', 'ip', 'route', 'add', '10.244.1.0/24', 'via', worker ?? '');
    await onMachine(lab, 'k8s-worker1', 'ip', 'route', 'add', '10.244.0.0/24', 'via', cp ?? '');
    await onMachine(lab, 'k8s-cp', 'ping', '-c1', '-W2', '-I', '10.244.0.1', '10.244.1.1');
    const stray = await lab.exec('k8s-cp', ['ping', '-c1', '-W2', '10.96.0.1']);
    expect(stray.code).not.toBe(0);
    expect(stray.stdout).toContain('Packet filtered');
  });

  it('comes back from a reboot in another boot, groups still writable', async () => {
    const before = await lab.bootId('k8s-worker1');
    await onMachine(lab, 'k8s-worker1', 'mkdir', '/sys/fs/cgroup/memory/left-behind').catch(() => '');
    await lab.reboot('k8s-worker1');
    await lab.waitReachable('k8s-worker1');
    expect(await lab.bootId('k8s-worker1')).not.toBe(before);
    const groups = await onMachine(lab, 'k8s-worker1', 'find', '/sys/fs/cgroup', '-name', 'left-behind');
    expect(groups).toBe('');
    await onMachine(lab, 'k8s-worker1', 'sh', '-euc', makesGroups);
  });

  it('is unreachable while its cable is out, keeps its address, and is back with it', async () => {
    await lab.cutLink('k8s-worker1');
    expect(await lab.isReachable('k8s-worker1')).toBe(false);
    expect(await onMachine(lab, 'k8s-worker1', 'cat', '/sys/class/net/host0/carrier')).toBe('0');
    expect(await onMachine(lab, 'k8s-worker1', 'ip', '-4', 'address', 'show', 'host0')).toContain('inet 10.77.');
    await lab.restoreLink('k8s-worker1');
    await lab.waitReachable('k8s-worker1');
  });

  it('keeps its disk through a power cut and stays off until it is switched on', async () => {
    await onMachine(lab, 'k8s-worker1', 'sh', '-c', 'echo kept >/root/note');
    const before = await lab.bootId('k8s-worker1');
    await lab.powerCut('k8s-worker1');
    expect((await lab.status()).map(one => one.running)).toEqual([true, false]);
    await expect(lab.exec('k8s-worker1', ['true'])).rejects.toThrow('k8s-worker1 is off');
    await lab.powerOn('k8s-worker1');
    await lab.waitReachable('k8s-worker1');
    expect(await lab.bootId('k8s-worker1')).not.toBe(before);
    expect(await onMachine(lab, 'k8s-worker1', 'cat', '/root/note')).toBe('kept');
  });

  it('stands still while it is frozen and goes on in the same boot', async () => {
    const before = await lab.bootId('k8s-worker1');
    await lab.freeze('k8s-worker1');
    expect(await lab.isReachable('k8s-worker1')).toBe(false);
    expect((await lab.status())[1]).toMatchObject({ running: true, frozen: true, ssh: false });
    await lab.thaw('k8s-worker1');
    await lab.waitReachable('k8s-worker1');
    expect(await lab.bootId('k8s-worker1')).toBe(before);
  });

  it('has sshd again after every ssh process was killed', async () => {
    await lab.killSsh('k8s-worker1');
    await lab.waitReachable('k8s-worker1');
  });

  it('ends a command in the machine that takes too long', async () => {
    await expect(lab.exec('k8s-cp', ['sleep', '4711'], { timeoutMs: 500 })).rejects.toThrow('took longer');
    expect((await lab.exec('k8s-cp', ['pgrep', '-f', 'sleep 4711'])).code).toBe(1);
  });

  it('is found again by name, and completed by a second up that restarts nothing', async () => {
    const boots = (await lab.status()).map(one => one.bootId);
    const again = await labUp({ name: 'test-a', log });
    expect((await again.status()).map(one => one.bootId)).toEqual(boots);
    expect((await labOpen('test-a'))?.hosts).toEqual(lab.hosts);
    await expect(labUp({ name: 'test-a', machines: 3, log })).rejects.toThrow('has 2 machines, not 3');
  });

  it('stands beside another lab that it cannot reach, and leaves nothing behind', async () => {
    const other = await labUp({ name: 'test-b', machines: 1, log });
    const indexes = [lab, other].map(one => Number(one.hosts[0]?.address.split('.')[2]));
    const address = other.hosts[0]?.address ?? '';
    expect(new Set(indexes).size).toBe(2);
    expect((await lab.exec('k8s-cp', ['ping', '-c1', '-W2', address])).code).not.toBe(0);
    expect((await traces(names, indexes)).length).toBeGreaterThan(20);

    await other.freeze('k8s-cp');
    await other.down();
    expect(await traces(['test-b'], indexes.slice(1))).toEqual([]);
    expect(await lab.isReachable('k8s-cp')).toBe(true);

    await lab.down();
    expect(await traces(names, indexes)).toEqual([]);
    if (alone) expect(await readSettings()).toEqual(settingsBefore);
    expect(await labDown('test-a', { log })).toBe(false);
  });
});
