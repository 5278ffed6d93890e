// Swap, modules, sysctls and routes: what the kernel has now and after the next boot.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../src/model/plan.ts';
import { sh } from '../../src/model/shell.ts';
import { modules } from '../../src/resources/modules.ts';
import { routes } from '../../src/resources/routes.ts';
import { noSwap } from '../../src/resources/swap.ts';
import { sysctls } from '../../src/resources/sysctl.ts';
import { apply, changeOf, observe, type RigOptions, scratch, standIns } from './rig.ts';

function second(resources: readonly Resource[]): Resource {
  const [, live] = resources;
  if (!live) throw new Error('a file and the live state');
  return live;
}

describe('swap', () => {
  const swap = noSwap();

  function machine(fstab: string, swaps: string, units = '') {
    const folder = scratch();
    const [fstabPath, swapsPath, unitsPath] = ['fstab', 'swaps', 'units'].map(name => join(folder, name));
    if (!fstabPath || !swapsPath || !unitsPath) throw new Error('three files');
    writeFileSync(fstabPath, fstab);
    writeFileSync(swapsPath, `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${swaps}`);
    writeFileSync(unitsPath, units);
    const bin = standIns(folder, {
      systemctl: `case $1 in
  list-unit-files) cat '${unitsPath}' ;;
  mask)
    shift
    for unit in "$@"; do
      [ ! -e "${folder}/$unit" ] || { echo "Failed to mask unit: File /etc/systemd/system/$unit already exists." >&2; exit 1; }
      sed -i "s/^$unit .*/$unit masked enabled/" '${unitsPath}'
    done ;;
  daemon-reload) ;;
  show) case $5 in fstab.swap) echo '${fstabPath}' ;; *) echo /etc/systemd/zram-generator.conf ;; esac ;;
  *) exit 99 ;;
esac`,
      swapoff: `[ "$1" = -a ] || exit 99; sed -i '2,$d' '${swapsPath}'`,
    });
    const moved = { '/etc/fstab': fstabPath, '/proc/swaps': swapsPath, '/etc/systemd/system': folder };
    const options: RigOptions = { bin, moved };
    return { options, folder, fstab: () => readFileSync(fstabPath, 'utf8') };
  }

  const uuid = 'UUID=0b3a-11 / ext4 errors=remount-ro 0 1\n';

  it.each([
    ['nothing', uuid, '', '', swap.desired],
    ['a swap file in use', uuid, '/swap.img file 2097148 0 -2\n', '', { active: ['/swap.img'], fstab: [], units: [] }],
    ['an fstab line', `${uuid}/swap.img none swap sw 0 0\n`, '', '', { active: [], fstab: ['/swap.img'], units: [] }],
    ['tabs and a UUID', `UUID=1-2\tnone\tswap\tsw\t0\t0\n`, '', '', { active: [], fstab: ['UUID=1-2'], units: [] }],
    ['a comment', '#/swap.img none swap sw 0 0\n# swap was here\n', '', '', swap.desired],
    ['a mount point called swap', '/dev/sdb1 /mnt/swap ext4 defaults 0 0\n', '', '', swap.desired],
    [
      'units',
      '',
      '',
      'dev-sdb2.swap enabled enabled\nold.swap masked enabled\nfstab.swap generated -\ndev-zram0.swap generated -\n',
      { active: [], fstab: [], units: ['dev-sdb2.swap', 'dev-zram0.swap'] },
    ],
  ])('is read: %s', (_, fstab, swaps, units, state) => {
    expect(observe(swap, machine(fstab, swaps, units).options)).toEqual(state);
  });

  it.each([
    ['a plain line', '/swap.img none swap sw 0 0\n', '# homelab: /swap.img none swap sw 0 0\n'],
    ['tabs', 'UUID=1-2\tnone\tswap\tsw\t0\t0\n', '# homelab: UUID=1-2\tnone\tswap\tsw\t0\t0\n'],
    ['three fields only', '/dev/sdb2 none swap\n', '# homelab: /dev/sdb2 none swap\n'],
    ['white space before it', '  /swap.img none swap sw 0 0\n', '# homelab:   /swap.img none swap sw 0 0\n'],
  ])('is commented out of fstab: %s', (_, line, commented) => {
    const there = machine(
      `${uuid}${line}# the end\n`,
      '/swap.img file 2097148 0 -2\n',
      'dev-sdb2.swap enabled enabled\ndev-zram0.swap generated -\n',
    );
    expect(apply(swap, there.options)).toMatchObject({ code: 0, stderr: '' });
    expect(there.fstab()).toBe(`${uuid}${commented}# the end\n`);
    expect(observe(swap, there.options)).toEqual(swap.desired);
  });

  it('has its unit masked where somebody wrote one, which is kept beside it', () => {
    const there = machine('', '', 'dev-zram0.swap enabled enabled\ndev-sdb2.swap enabled enabled\n');
    writeFileSync(join(there.folder, 'dev-zram0.swap'), '[Swap]\nWhat=/dev/zram0\n');
    expect(apply(swap, there.options)).toMatchObject({ code: 0, stderr: '' });
    expect(observe(swap, there.options)).toEqual(swap.desired);
    expect(readFileSync(join(there.folder, 'dev-zram0.swap.homelab'), 'utf8')).toContain('What=/dev/zram0');
  });

  it('in use disturbs what runs, for the next boot only it does not', () => {
    expect(swap.change({ active: ['/swap.img'], fstab: [], units: [] }, [])).toMatchObject({
      why: 'swap is on (/swap.img)',
      risk: 'disruptive',
    });
    expect(swap.change({ active: [], fstab: ['/swap.img'], units: ['x.swap'] }, [])).toMatchObject({
      why: '/etc/fstab switches /swap.img on at boot; x.swap switches swap on at boot',
      risk: 'safe',
    });
  });
});

describe('kernel modules', () => {
  const [stored, loaded] = modules('kubernetes', ['overlay', 'br_netfilter']);

  it('stand in a file for the next boot', () => {
    expect(stored).toMatchObject({
      key: 'file:/etc/modules-load.d/homelab-kubernetes.conf',
      desired: { content: 'overlay\nbr_netfilter\n' },
    });
  });

  it('are loaded, or built in, or not there', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'module', 'overlay'), { recursive: true });
    mkdirSync(join(folder, 'modules', '6.1'), { recursive: true });
    const bin = standIns(folder, { uname: 'echo 6.1' });
    const options = { bin, moved: { '/sys/module': join(folder, 'module'), '/lib/modules': join(folder, 'modules') } };
    if (!loaded) throw new Error('two resources');
    expect(observe(loaded, options)).toEqual({ overlay: true, br_netfilter: false });
    writeFileSync(join(folder, 'modules', '6.1', 'modules.builtin'), 'kernel/net/bridge/br_netfilter.ko\n');
    expect(observe(loaded, options)).toEqual(loaded.desired);
  });

  it('are loaded by name, only those that are missing', () => {
    if (!loaded) throw new Error('two resources');
    expect(changeOf(loaded, { overlay: true, br_netfilter: false })).toMatchObject({
      why: 'br_netfilter is not loaded',
      action: { script: 'modprobe -a br_netfilter\n' },
    });
    expect(loaded.change(loaded.desired, [])).toBeUndefined();
  });

  it('that the kernel does not have are explained', () => {
    if (!loaded) throw new Error('two resources');
    const stderr = 'modprobe: WARNING: Module br_netfilter not found in directory /lib/modules/6.1.0';
    const { explain } = changeOf(loaded, loaded.blank).action;
    expect(explain?.find(each => each.pattern.test(stderr))?.message).toBe('the running kernel has no such module');
  });
});

describe('sysctls', () => {
  const values = { 'net.ipv4.ip_forward': '1', 'net.ipv4.ping_group_range': '0 65535' };
  const live = second(sysctls('network', values));

  function machine(before: Readonly<Record<string, string>>) {
    const folder = scratch();
    for (const [key, value] of Object.entries(before)) writeFileSync(join(folder, key), `${value}\n`);
    const bin = standIns(folder, {
      sysctl: `case $1 in
  -n) cat "${folder}/$2" ;;
  -q) [ "$2" = -w ] || exit 99; printf '%s\\n' "\${3#*=}" > "${folder}/\${3%%=*}" ;;
esac`,
    });
    return { bin };
  }

  it('are read, tabs as blanks, absent ones as absent', () => {
    expect(observe(live, machine({ 'net.ipv4.ping_group_range': '0\t65535' }))).toEqual({
      'net.ipv4.ip_forward': 'absent',
      'net.ipv4.ping_group_range': '0 65535',
    });
  });

  it('are set, only those that differ, and settle', () => {
    const there = machine({ 'net.ipv4.ip_forward': '0', 'net.ipv4.ping_group_range': '1 0' });
    expect(apply(live, there)).toMatchObject({ code: 0, stderr: '' });
    expect(observe(live, there)).toEqual(live.desired);
    expect(changeOf(live, { ...values, 'net.ipv4.ip_forward': '0' })).toMatchObject({
      why: 'net.ipv4.ip_forward is 0, not 1',
      diff: '- net.ipv4.ip_forward = 0\n+ net.ipv4.ip_forward = 1',
      action: { script: 'sysctl -q -w net.ipv4.ip_forward=1\n' },
    });
  });
});

describe('routes', () => {
  const subnet = '10.244.0.0/16';
  const resource = routes(
    [
      { subnet: '10.244.1.0/24', via: '192.168.0.11' },
      { subnet: '10.244.2.0/24', via: '192.168.0.12' },
    ],
    subnet,
    'homelab-network.service',
  );
  const printing = (...lines: readonly string[]) =>
    standIns(scratch(), { ip: `case $* in *'root 10.244.0.0/16') printf '%s\\n' ${lines.map(sh).join(' ')} ;; esac` });

  it('are read as ip prints them', () => {
    const bin = printing(
      '10.244.1.0/24 via 192.168.0.11 dev eno1 proto static',
      '10.244.2.0/24 via 192.168.0.99 dev eno1 ',
    );
    const observed = observe(resource, { bin });
    expect(observed).toEqual({ '10.244.1.0/24': '192.168.0.11', '10.244.2.0/24': '192.168.0.99' });
    expect(changeOf(resource, observed)).toMatchObject({
      why: '10.244.2.0/24 goes by 192.168.0.99, not by 192.168.0.12',
      action: { script: 'systemctl restart homelab-network.service\n' },
    });
  });

  it('that are missing, or directly connected, are no route by that way', () => {
    const bin = printing('10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 ');
    expect(observe(resource, { bin })).toEqual(resource.blank);
  });

  it('to a machine that left are deleted', () => {
    const bin = printing(
      '10.244.1.0/24 via 192.168.0.11 dev eno1 ',
      '10.244.2.0/24 via 192.168.0.12 dev eno1 ',
      '10.244.3.0/24 via 192.168.0.13 dev eno1 ',
    );
    expect(changeOf(resource, observe(resource, { bin }))).toMatchObject({
      why: '10.244.3.0/24 goes by 192.168.0.13, which is no machine of this cluster',
      diff: '- 10.244.3.0/24 via 192.168.0.13',
      action: { script: 'ip -4 route delete 10.244.3.0/24\nsystemctl restart homelab-network.service\n' },
    });
  });

  it('of a cluster of one are none', () => {
    const alone = routes([], subnet, 'homelab-network.service');
    expect(observe(alone, { bin: printing() })).toEqual(alone.desired);
    expect(alone.change(alone.blank, [])).toBeUndefined();
  });
});
