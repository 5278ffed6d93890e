// The whole path on real machines, in the order in which a person goes it: look, make, look again, break, mend, reboot.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { secretShapes } from '../../src/model/secret-shapes.ts';
import { pauseImage } from '../../src/model/versions.ts';
import { parseJournal } from '../../src/report/journal.ts';
import { renderReport } from '../../src/report/page.ts';
import { runOf } from '../../src/report/run.ts';
import { bundlePath } from './bundle.ts';
import { sudoPassword } from './debian-root.ts';
import type { Lab } from './machines.ts';
import { output } from './run.ts';
import {
  eventsOf,
  failuresOf,
  finished,
  type HomelabRun,
  plannedSteps,
  startHomelab,
  stepsWith,
  story,
} from './run-homelab.ts';
import {
  bundleOf,
  changedInventory,
  freshLab,
  homelab,
  homeOf,
  inside,
  kubectl,
  onAll,
  readyNodes,
  untilInside,
  whyNoCluster,
} from './test-lab.ts';

const reason = await whyNoCluster();
const everybody = ['k8s-cp', 'k8s-worker1', 'k8s-worker2', 'k8s-worker3'];

describe.skipIf(reason !== undefined)(reason ?? 'a cluster on four machines', () => {
  let lab: Lab;
  let bundle = '';

  beforeAll(async () => {
    lab = await freshLab('test-cluster', 4);
    bundle = lab.bundle ?? '';
  });
  afterAll(async () => {
    await lab?.down();
  });

  /** Bootstraps again and expects nothing to be done, for at most three remote commands a machine. */
  const expectConverged = async (): Promise<HomelabRun> => {
    const again = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle]);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
    expect(finished(again)).toMatchObject({ outcome: 'ok', steps: 0, predictionErrors: 0 });
    for (const count of Object.values(finished(again).remoteCommands)) expect(count).toBeLessThanOrEqual(3);
    return again;
  };

  test('a plan for bare machines has steps for each of them and changes nothing', async () => {
    // sudo notes in a home that it was used for the first time.
    await onAll(lab, 'runuser -u admin -- sudo -n true');
    const before = await onAll(lab, whatIsThere);
    const shown = await homelab(lab, ['plan', '--bundle', bundle, '--output', 'plain']);
    expect(shown.code, story(shown)).toBe(0);
    expect(shown.stdout).toContain('Initialise the control plane');
    expect(shown.stdout).toMatch(/\d+ steps on 4 machines \(0 disruptive\), 0 refusals/);

    const file = path.join(lab.dir, 'plan.json');
    const saved = await homelab(lab, ['plan', '--bundle', bundle, '--detailed-exitcode', '--out', file]);
    expect(saved.code, story(saved)).toBe(8);
    for (const host of everybody) expect(plannedSteps(saved).some(id => id.includes(`/${host}/`))).toBe(true);
    expect(stepsWith(saved, 'done')).toEqual([]);

    const after = await onAll(lab, whatIsThere);
    for (const [index, host] of everybody.entries()) {
      expect(linesNotIn(before[index], after[index]), `new or changed on ${host}`).toEqual([]);
      expect(linesNotIn(after[index], before[index]), `gone from ${host}`).toEqual([]);
    }
  });

  test('the approved plan makes a cluster of four Ready nodes, as predicted and proven, and leaves no token', async () => {
    const file = path.join(lab.dir, 'plan.json');
    const process = await startHomelab(homeOf(lab), [
      ...['bootstrap', '--plan', file, '--bundle', bundle],
      ...['-i', lab.inventoryPath],
    ]);
    await process.event('step-finished', ({ id }) => id === 'workers/k8s-cp/join-token');
    // While it is there: exactly this text must be nowhere afterwards.
    const token = await joinToken(lab);
    expect(token).toMatch(/^[a-z0-9]{16}$/);
    const run = await process.ended;
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ outcome: 'ok', predictionErrors: 0, simulated: false });
    expect(stepsWith(run, 'done').toSorted()).toEqual(plannedSteps(run).toSorted());
    const evidence = eventsOf(run, 'evidence').map(event => event.evidence);
    expect(evidence.length).toBeGreaterThan(40);
    expect(evidence.filter(piece => !piece.ok)).toEqual([]);
    expect(await readyNodes(lab)).toEqual(everybody);

    const images = await inside(lab, 'k8s-cp', 'kubeadm config images list --kubernetes-version v1.31.1 2>/dev/null');
    expect(images.split('\n')).toContain(pauseImage('v1.31.1'));
    expect(await tokenSecrets(lab)).toBe('');
    const journals = await journalsOf(lab);
    expect(journals.length).toBeGreaterThanOrEqual(3);
    for (const journal of journals) {
      expect((await stat(journal)).mode & 0o777).toBe(0o600);
      const text = await readFile(journal, 'utf8');
      expect(text.includes(token), `the token is in ${journal}`).toBe(false);
      expect(secretShapes(text), `what looks like a secret is in ${journal}`).toEqual([]);
    }
    expect(`${run.stdout}${run.stderr}`.includes(token)).toBe(false);
    for (const trace of await onAll(lab, tracesOf(token))) expect(trace).toBe('');
  });

  test('it is handed over, shown on one screen, and a page of the run has every machine of it', async () => {
    const status = await homelab(lab, ['status', '--output', 'plain']);
    expect(status.code, story(status)).toBe(0);
    expect(status.stdout).toContain('4 of 4 nodes Ready');
    const texts = await Promise.all((await journalsOf(lab)).map(file => readFile(file, 'utf8')));
    const journals = texts.filter(text => text.includes('"type":"hand-over"'));
    expect(journals).toHaveLength(1);
    const journal = parseJournal(journals[0] ?? '', text => text);
    expect(journal.unread).toBe(0);
    const run = runOf(journal);
    if (run === undefined) throw new Error('it begins as a run does');
    const page = renderReport({ run, earlier: undefined });
    for (const [index, host] of everybody.entries())
      expect(page).toMatch(new RegExp(`data-m="${host}".*10\\.77\\.\\d+\\.${10 + index}</td>.*absent → 1\\.31\\.1`));
  });

  test('a second run has nothing to do and asks each machine at most three times', async () => {
    await expectConverged();
  });

  test('verify proves everything again, by doing', async () => {
    const run = await homelab(lab, ['verify', '--bundle', bundle]);
    expect(run.code, story(run)).toBe(0);
    const evidence = eventsOf(run, 'evidence').map(event => event.evidence);
    expect(evidence.every(piece => piece.ok)).toBe(true);
    for (const host of everybody) {
      const ids = evidence.filter(piece => piece.host === host).map(piece => piece.id);
      expect(ids).toEqual(
        expect.arrayContaining([`pods-from-${host}`, `service-from-${host}`, `dns-from-${host}`, 'clock', 'boot-id']),
      );
    }
    expect(await kubectl(lab, 'get namespace homelab-probe --ignore-not-found')).toBe('');
    for (const units of await onAll(lab, 'systemctl list-units --all --plain --no-legend homelab-probe-*'))
      expect(units).toBe('');
  });

  test('what a hand has changed is named by verify and mended by bootstrap, and nothing else is', async () => {
    await inside(
      lab,
      'k8s-worker2',
      `echo '# by hand' >>/etc/sysctl.d/90-homelab-network.conf
systemctl stop kubelet.service`,
    );
    const drifted = ['host-base/k8s-worker2/sysctl-network-file', 'workers/k8s-worker2/kubelet'];
    // Without the proofs that ask this very kubelet, or wait for a pod that it does not start.
    const skip = ['--skip', 'kubelet-certificates', '--skip', 'network'];
    const broken = await homelab(lab, ['verify', ...skip, '--bundle', bundle]);
    expect(broken.code, story(broken)).toBe(7);
    const details = failuresOf(broken).flatMap(failure => failure.details);
    for (const id of drifted) expect(details).toContainEqual(expect.stringContaining(id));
    expect(details).toHaveLength(drifted.length);

    const mended = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle]);
    expect(mended.code, story(mended)).toBe(0);
    expect(stepsWith(mended, 'done')).toEqual(drifted);
    expect(finished(mended).predictionErrors).toBe(0);

    const verified = await homelab(lab, ['verify', '--bundle', bundle]);
    expect(verified.code, story(verified)).toBe(0);
  });

  test('after a reboot of all machines the nodes are Ready and there is still nothing to do', async () => {
    const bootIds = await Promise.all(everybody.map(lab.bootId));
    await Promise.all(everybody.map(lab.reboot));
    await Promise.all(everybody.map(host => lab.waitReachable(host)));
    for (const id of await Promise.all(everybody.map(lab.bootId))) expect(bootIds).not.toContain(id);
    // By themselves: homelab has not looked yet. A kubelet that was there before containerd gives up and is started again.
    await Promise.all(everybody.map(host => untilInside(lab, host, hasSettled, `the services of ${host} to run`)));
    await expectConverged();
    expect(await readyNodes(lab)).toEqual(everybody);
  });

  test('a user whose sudo asks for a password sees the same cluster', async () => {
    const secret = path.join(lab.dir, 'sudo-password');
    await writeFile(secret, `${sudoPassword}\n`, { mode: 0o600 });
    const inventory = await changedInventory(lab, 'pw', {
      '  user: admin\n': `  user: pw\n  sudo:\n    password: \${file:${secret}}\n`,
    });
    const run = await homelab(lab, ['plan', '--detailed-exitcode', '--bundle', bundle], inventory);
    expect(run.code, story(run)).toBe(0);
    expect(plannedSteps(run)).toEqual([]);
    expect(`${run.stdout}${run.stderr}`).not.toContain(sudoPassword);
  });

  test('kubeconfig prints what kubectl on another computer needs', async () => {
    const run = await homelab(lab, ['kubeconfig', '--output', 'plain']);
    expect(run.code, story(run)).toBe(0);
    const file = path.join(lab.dir, 'kubeconfig');
    await writeFile(file, run.stdout, { mode: 0o600 });
    const address = lab.hosts[0]?.address ?? '';
    // The endpoint is a name that only the machines know.
    const argv = ['--kubeconfig', file, '--server', `https://${address}:6443`, 'get', 'nodes', '-o', 'name'] as const;
    const { code, stdout, stderr } = await output([path.join(bundlePath(), 'bin', 'kubectl'), ...argv], {
      env: { NO_PROXY: address, no_proxy: address },
      timeoutMs: 30_000,
    });
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n')).toEqual(everybody.map(host => `node/${host}`));
  });

  test('what was decided when the cluster was made is refused, with the way back', async () => {
    const address = lab.hosts[3]?.address ?? '';
    const other = address.replace(/\d+$/, '213');
    await inside(lab, 'k8s-worker3', `ip address add ${other}/24 dev host0`);
    const hostKeys = path.join(lab.dir, 'known_hosts');
    const known = await readFile(hostKeys, 'utf8');
    await writeFile(hostKeys, known + known.replaceAll(`${address} `, `${other} `).split('\n').slice(3).join('\n'));
    const cases: Readonly<Record<string, readonly [Readonly<Record<string, string>>, RegExp]>> = {
      version: [{ 'version: v1.31.1': 'version: v1.31.2' }, /runs Kubernetes v1\.31\.1, the inventory says v1\.31\.2/],
      'pod-subnet': [{ '10.244.0.0/16': '10.245.0.0/16' }, /podSubnet is 10\.244\.0\.0\/16/],
      'service-subnet': [{ '10.96.0.0/12': '10.112.0.0/12' }, /serviceSubnet is 10\.96\.0\.0\/12/],
      role: [
        {
          'k8s-cp\n    role: control-plane': 'k8s-cp\n    role: worker',
          'k8s-worker1\n    role: worker': 'k8s-worker1\n    role: control-plane',
        },
        /it is a worker of a cluster, and the inventory calls it a control plane/,
      ],
      address: [{ [`address: ${address}\n`]: `address: ${other}\n` }, /the running cluster knows it by the address/],
    };
    await Promise.all(
      Object.entries(cases).map(async ([name, [replacements, expected]]) => {
        const inventory = await changedInventory(lab, `changed-${name}`, replacements);
        const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
        expect(run.code, `${name}: ${story(run)}`).toBe(5);
        expect(stepsWith(run, 'done')).toEqual([]);
        const [failure] = failuresOf(run);
        expect(failure?.details.join('\n'), name).toMatch(expected);
        // Every refusal says what to do in a line of its own.
        for (const detail of failure?.details ?? []) expect(detail, name).toMatch(/\n {2}\S/);
      }),
    );
    await inside(lab, 'k8s-worker3', `ip address del ${other}/24 dev host0`);
  });

  test('an upgrade of the whole machine leaves held packages where they are', async () => {
    const held = ['containerd', 'kubeadm', 'kubectl', 'kubelet', 'kubernetes-cni'];
    for (const marked of await onAll(lab, 'apt-mark showhold')) expect(marked.trim().split('\n')).toEqual(held);
    const simulated = await inside(lab, 'k8s-worker1', newerOf([...held, 'ethtool']));
    // ethtool shows that the newer versions were there to be had.
    expect(simulated).toMatch(/^Inst ethtool \[\S+\] \(9:99\.0/m);
    for (const name of held) expect(simulated).not.toMatch(new RegExp(`^Inst ${name} `, 'm'));
  });
});

describe.skipIf(reason !== undefined)(reason ?? 'one machine and a bundle with packages', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await freshLab('test-debs', 1);
  });
  afterAll(async () => {
    await lab?.down();
  });

  test('they are installed from the bundle, no repository is added', async () => {
    const packages = ['containerd', 'kubeadm', 'kubelet', 'kubectl', 'kubernetes-cni'];
    const bundle = await bundleOf(path.join(lab.dir, 'bundle'), packages);
    const repository = /repository:\n(?: {4}.*\n)+/.exec(await readFile(lab.inventoryPath, 'utf8'))?.[0] ?? '';
    const inventory = await changedInventory(lab, 'no-repository', {
      // It stands there twice.
      [`  ${repository}`]: '',
    });
    const run = await homelab(
      lab,
      ['bootstrap', '--yes', '--skip', 'preflight', '--until', 'kube-packages', '--bundle', bundle],
      inventory,
    );
    expect(run.code, story(run)).toBe(0);
    const evidence = eventsOf(run, 'evidence').map(event => event.evidence);
    expect(evidence.filter(piece => !piece.ok)).toEqual([]);
    expect(evidence.find(piece => piece.id === 'kubelet')?.observed).toBe('v1.31.1');
    const left = await inside(lab, 'k8s-cp', 'ls /etc/apt/sources.list.d /etc/apt/keyrings /var/cache/homelab');
    expect(left).not.toMatch(/homelab-|\.deb/);
    expect((await inside(lab, 'k8s-cp', 'apt-mark showhold')).trim().split('\n')).toEqual(packages.toSorted());
  });
});

/** Every file with its change time, every package: what a command that only looks must leave alone. */
const whatIsThere = `find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /srv -o -path /var/log -o -path /var/lib/systemd \\) -prune -o -printf '%p %y %m %U:%G %s %T@\\n' | sort
find /tmp /var/tmp /run -xdev -name '*homelab*'
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Want} \${db:Status-Status}\\n'
cat /proc/sys/net/ipv4/ip_forward
`;

/** Whether what a node is made of runs: kubelet itself is asked, systemd would call one active that is about to give up. */
const hasSettled = `systemctl is-active kubelet containerd homelab-network &&
bash -c 'exec 3<>/dev/tcp/127.0.0.1/10248 && printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" >&3 && grep -q "^ok" <&3'`;

function linesNotIn(known: string | undefined, text: string | undefined): readonly string[] {
  const lines = new Set(known?.split('\n'));
  return (text ?? '').split('\n').filter(line => !lines.has(line));
}

const tokenSelector = '-n kube-system --field-selector type=bootstrap.kubernetes.io/token';

function tokenSecrets(lab: Lab): Promise<string> {
  return kubectl(lab, `get secrets ${tokenSelector} -o name`);
}

/** The secret half of the join token that is in use now. */
async function joinToken(lab: Lab): Promise<string> {
  const encoded = await kubectl(lab, `get secrets ${tokenSelector} -o jsonpath='{.items[*].data.token-secret}'`);
  return Buffer.from(encoded, 'base64').toString('utf8');
}

/** sh: prints where the token still is. */
function tracesOf(token: string): string {
  return `for secret in ${token} ${Buffer.from(token).toString('base64').replace(/=+$/, '')}; do
  find /tmp /var/tmp /run /var/log /root /home -xdev -type f -exec grep -la -- "$secret" {} + || :
  journalctl --no-pager --output=cat | grep -a -- "$secret" || :
done`;
}

async function journalsOf(lab: Lab): Promise<readonly string[]> {
  const folder = path.join(homeOf(lab), 'state', 'homelab', lab.name, 'runs');
  return (await readdir(folder)).map(name => path.join(folder, name));
}

/** sh: an upgrade as apt would do it, where a repository has newer versions of these packages. */
function newerOf(packages: readonly string[]): string {
  const index = packages
    .map(name => `Package: ${name}\nArchitecture: amd64\nVersion: 9:99.0\nFilename: ./${name}.deb\nSize: 1\n`)
    .join('\n');
  return `new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/lists/partial"
chmod -R a+rX "$new"
cat >"$new/Packages" <<'INDEX'
${index}
INDEX
echo "deb [trusted=yes] file:$new ./" >"$new/sources.list"
newer() { apt-get -qq -o Dir::Etc::SourceList="$new/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$new/lists" "$@"; }
newer update >&2
newer --simulate dist-upgrade`;
}
