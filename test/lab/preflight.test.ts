// Everything that can be wrong with machines before a cluster, on real ones and all at once: each is named with its value and what to type.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab } from './machines.ts';
import { eventsOf, failuresOf, finished, type HomelabRun, story } from './run-homelab.ts';
import { changedInventory, freshLab, homelab, inside, onAll, whyNoCluster } from './test-lab.ts';

const reason = await whyNoCluster();
const cp = 'k8s-cp';
const [one, two] = ['k8s-worker1', 'k8s-worker2'];

describe.skipIf(reason !== undefined)(reason ?? 'preflight', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await freshLab('test-preflight', 3);
    // For the rules of one of the tests below.
    await inside(lab, two, 'apt-get -qq update; apt-get -qq install --no-install-recommends iptables >/dev/null 2>&1');
  });
  afterAll(async () => {
    await lab?.down();
  });

  const look = (inventory?: string): Promise<HomelabRun> =>
    homelab(lab, ['validate', '--machines', '--bundle', lab.bundle ?? ''], inventory);
  const said = (run: HomelabRun): string =>
    failuresOf(run)
      .flatMap(({ code, message, details }) => [`${message}  [${code}]`, ...details])
      .join('\n')
      .replaceAll(lab.dir, 'LAB')
      .replace(/\b10\.77\.\d+\./g, '10.77.N.')
      .replace(/pid \d+|status \d+/g, text => text.replace(/\d+/, 'N'))
      .replace(/\b[0-9a-f]{32}\b/g, 'MACHINE-ID');
  const evidenceOf = (run: HomelabRun) => eventsOf(run, 'evidence').map(({ evidence }) => evidence);

  test('bare machines pass every check; nothing on them is changed, and no listener is left', async () => {
    const traces = () =>
      onAll(
        lab,
        `find /etc /usr /root /tmp -xdev -type f -newer /run/before; systemctl list-units --plain --no-legend 'homelab-*'; ss -Hltn`,
      );
    await onAll(lab, 'touch /run/before; sleep 0.1');
    const before = await traces();
    const run = await look();
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ outcome: 'ok', steps: 0 });
    expect(evidenceOf(run).filter(({ ok }) => !ok)).toEqual([]);
    expect(evidenceOf(run).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['ports', 'disk', 'images', 'reach-from-k8s-worker2']),
    );
    expect(await traces()).toEqual(before);
    // survey, states, evidence; and for the listeners: start, send, stop
    for (const commands of Object.values(finished(run).remoteCommands)) expect(commands).toBeLessThanOrEqual(6);
  });

  test('all that is wrong on all machines is told at once, and bootstrap stops before it changes anything', async () => {
    await inside(
      lab,
      cp,
      `cp /etc/resolv.conf /run/resolv.conf.before
echo 'nameserver 127.0.0.53' >/etc/resolv.conf
ip link add overlap type bridge; ip link set overlap up; ip route add 10.244.9.0/24 dev overlap
systemd-run --quiet --unit=squatter systemd-socket-activate --listen=6443 --listen=2379 /bin/cat
mkdir -p /var/lib/etcd/lost+found`,
    );
    await inside(
      lab,
      one,
      `mkdir -p /var/lib/containerd /etc/kubernetes/manifests /etc/cni/net.d
mount -t tmpfs -o size=64m,nr_inodes=100 tmpfs /var/lib/containerd
touch /etc/kubernetes/manifests/kube-scheduler.yaml /etc/cni/net.d/05-cilium.conflist /etc/cni/net.d/87-podman-bridge.conflist
ip link add cni0 type bridge
systemd-run --quiet --unit=k3s sleep infinity
mkdir -p /run/broken/DEBIAN
printf 'Package: broken\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: x\\n' >/run/broken/DEBIAN/control
printf '#!/bin/sh\\nexit 1\\n' | tee /run/broken/DEBIAN/preinst >/run/broken/DEBIAN/postrm
chmod 755 /run/broken/DEBIAN/p*
dpkg-deb --build /run/broken /run/broken.deb >/dev/null
! dpkg --install /run/broken.deb >/dev/null 2>&1`,
    );
    await inside(
      lab,
      two,
      `cp /etc/machine-id /run/machine-id.before; cp /proc/sys/kernel/hostname /run/hostname.before
echo ${(await inside(lab, one, 'cat /etc/machine-id')).trim()} >/etc/machine-id
hostname ${one}
echo 'deb nonsense' >/etc/apt/sources.list.d/broken.list
iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -P INPUT DROP; iptables -P FORWARD DROP`,
    );
    const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? '']);
    expect(run.code, story(run)).toBe(5);
    expect(eventsOf(run, 'step-started')).toEqual([]);
    await expect(`${said(run)}\n`).toMatchFileSnapshot('../golden/preflight/all-at-once.txt');
    expect(said(await look())).toBe(said(run));
  });

  test('once it is mended as it says, the machines pass', async () => {
    await inside(
      lab,
      cp,
      `cp /run/resolv.conf.before /etc/resolv.conf; ip link delete overlap; systemctl stop squatter; rmdir /var/lib/etcd/lost+found`,
    );
    await inside(
      lab,
      one,
      `umount /var/lib/containerd; systemctl stop k3s; ip link delete cni0
mkdir -p /root/before-homelab && mv /etc/kubernetes/manifests/kube-scheduler.yaml /etc/cni/net.d/05-cilium.conflist /root/before-homelab/
rm -f /var/lib/dpkg/info/broken.*; dpkg --remove --force-remove-reinstreq broken >/dev/null 2>&1`,
    );
    await inside(
      lab,
      two,
      `cp /run/machine-id.before /etc/machine-id; hostname "$(cat /run/hostname.before)"
rm /etc/apt/sources.list.d/broken.list; iptables -P INPUT ACCEPT; iptables -P FORWARD ACCEPT; iptables -F`,
    );
    const run = await look();
    expect(run.code, story(run)).toBe(0);
  });

  test('packets of full size that get lost, and a source that is not there, are told', async () => {
    const rule = 'INPUT -p tcp --dport 10250 -m length --length 1400:65535 -j DROP';
    await inside(lab, two, `iptables -A ${rule}`);
    const inventory = await changedInventory(lab, 'nowhere', { 'file:/srv/homelab-lab/apt': 'file:/srv/nowhere' });
    const run = await homelab(lab, ['validate', '--machines'], inventory);
    await inside(lab, two, `iptables -D ${rule}`);
    expect(run.code, story(run)).toBe(5);
    await expect(`${said(run)}\n`).toMatchFileSnapshot('../golden/preflight/lost-and-nowhere.txt');
  });

  test('a clock that is ten minutes off (by a date that says so) is told, and nothing is begun', async () => {
    const date = '/usr/local/sbin/date';
    await inside(
      lab,
      two,
      `printf '#!/bin/sh\\nexec /usr/bin/date -d "+10 minutes" "$@"\\n' >${date}; chmod 755 ${date}`,
    );
    const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? '']);
    await inside(lab, two, `rm ${date}`);
    expect(run.code, story(run)).toBe(5);
    expect(eventsOf(run, 'step-started')).toEqual([]);
    const wrong = evidenceOf(run).filter(({ ok }) => !ok);
    expect(wrong.map(({ id, host }) => [id, host])).toEqual([['clock', two]]);
    expect(wrong[0]?.observed).toMatch(/^(599|600|601)\d{3} ms$/);
    expect(wrong[0]?.hint).toBe("set its host's clock");
  });
});
