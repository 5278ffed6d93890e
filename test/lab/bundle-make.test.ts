// From a mirror to a cluster of one machine that reaches no repository and no registry: bundle make, then bootstrap --bundle.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePackages } from '../../src/bundle/apt-index.ts';
import { type Mirror, startMirror } from '../bundle/mirror.ts';
import { bundlePath } from './bundle.ts';
import { serveLabImages } from './lab-images.ts';
import type { Lab } from './machines.ts';
import { run } from './run.ts';
import { finished, plannedSteps, stepsWith, story } from './run-homelab.ts';
import { changedInventory, freshLab, homelab, inside, kubectl, readyNodes, whyNoCluster } from './test-lab.ts';

const reason = await whyNoCluster();
const program = fileURLToPath(new URL('../../dist/bin/homelab.js', import.meta.url));
const password = 'a-password-of-the-lab';

describe.skipIf(reason !== undefined)(reason ?? 'one machine and a bundle that was made', () => {
  let lab: Lab;
  let mirror: Mirror;
  let work = '';
  let bundle = '';
  let inventory = '';
  let debs: readonly string[] = [];

  beforeAll(async () => {
    lab = await freshLab('bnd', 1);
    work = path.join(lab.dir, 'mirror');
    bundle = path.join(lab.dir, 'made');
    await mkdir(work, { recursive: true });
    const address = `${lab.hosts[0]?.address.split('.').slice(0, 3).join('.')}.1`;
    const images = await serveLabImages(bundlePath(), work);
    mirror = await startMirror({
      apt: path.join(bundlePath(), 'apt'),
      ...images,
      address,
      token: { login: `lab:${password}`, uses: 5 },
    });
    process.env['HOMELAB_TEST_REGISTRY'] = password;
    const host = new URL(mirror.url).host;
    const registries = {
      'registry.k8s.io': { mirrors: [mirror.url] },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
      [host]: { credentials: { username: 'lab', password: '${env:HOMELAB_TEST_REGISTRY}' } },
    };
    inventory = await changedInventory(lab, 'outward', {
      'package: containerd\n': `package: containerd\n  registries: ${JSON.stringify(registries)}\n`,
      'network:\n': `proxy: {http: "http://proxy.invalid:3128", no: ["${address}"]}\nnetwork:\n`,
      'file:/srv/homelab-lab/apt': `${mirror.url}/apt`,
    });
    // What only a mirror of Debian would have: the base system's packages and what they depend on.
    const wanted = 'conntrack ethtool iptables socat ca-certificates ebtables runc';
    const plan = await inside(
      lab,
      'k8s-cp',
      `apt-get -qq update; apt-get -s install --no-install-recommends ${wanted}`,
    );
    const names = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name);
    const index = parsePackages(await readFile(path.join(bundlePath(), 'apt', 'Packages'), 'utf8'));
    debs = index
      .filter(({ name }) => names.includes(name))
      .map(({ filename }) => path.join(bundlePath(), 'apt', filename));
    await inside(lab, 'k8s-cp', 'rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*');
  });
  afterAll(async () => {
    await mirror?.close();
    delete process.env['HOMELAB_TEST_REGISTRY'];
    if (work) await rm(work, { recursive: true, force: true });
    await lab?.down();
  });

  const command = (...args: readonly string[]) => run([process.execPath, program, 'bundle', ...args]);

  test('make fetches all that kubeadm wants, and a second time nothing', async () => {
    const make = ['make', '--out', bundle, '-i', inventory];
    expect(await command(...make)).toMatch(/: 12 entries, 12 fetched\n$/);
    expect(await command('verify', bundle)).toContain('12 files');
    mirror.seen.length = 0;
    expect(await command(...make)).toContain('nothing had to be fetched');
    expect(mirror.seen).toEqual([]);
  });

  test('add takes what the base system lacks', async () => {
    expect(debs.length).toBeGreaterThan(5);
    await command('add', bundle, ...debs);
    expect(await command('verify', bundle)).toContain(`${12 + debs.length} files`);
  });

  test('bootstrap needs nothing but the bundle', async () => {
    mirror.seen.length = 0;
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
    expect(made.code, story(made)).toBe(0);
    expect(finished(made)).toMatchObject({ outcome: 'ok', predictionErrors: 0 });
    expect(await readyNodes(lab)).toEqual(['k8s-cp']);
    // The mirror was within reach: nobody asked it.
    expect(mirror.seen).toEqual([]);
    expect(await inside(lab, 'k8s-cp', 'ls /etc/apt/sources.list.d')).toBe('');
    expect(JSON.stringify(made.events)).not.toContain(password);
  });

  test('a second run has nothing to do', async () => {
    const again = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
    expect(again.code, story(again)).toBe(0);
    expect(plannedSteps(again)).toEqual([]);
  });

  test('a machine alone runs ordinary pods', async () => {
    expect(await kubectl(lab, "get node k8s-cp -o jsonpath='{.spec.taints}'")).toBe('');
  });

  test('containerd logs in to the mirror with what only it and root can read', async () => {
    const file = `/etc/containerd/certs.d/registry.k8s.io/hosts.toml`;
    expect(await inside(lab, 'k8s-cp', `stat -c '%a %U' ${file}`)).toBe('600 root\n');
    mirror.seen.length = 0;
    const image = 'registry.k8s.io/pause:3.10';
    await inside(
      lab,
      'k8s-cp',
      `ctr -n pulled images pull --hosts-dir /etc/containerd/certs.d ${image} >/dev/null; ctr -n pulled images rm ${image} >/dev/null`,
    );
    expect(
      mirror.seen.some(({ path: at, authorization }) => at.startsWith('/token') && authorization?.startsWith('Basic ')),
    ).toBe(true);
  });

  test('a login that was changed on the machine is put back, and never read out', async () => {
    await inside(lab, 'k8s-cp', 'printf changed >/etc/containerd/certs.d/registry.k8s.io/hosts.toml');
    const mended = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
    expect(mended.code, story(mended)).toBe(0);
    expect(stepsWith(mended, 'done')).toEqual(['containerd/k8s-cp/registry-registry.k8s.io']);
    expect(JSON.stringify(mended.events)).not.toContain(password);
  });

  test('a registry that left the inventory leaves the machine, and somebody else’s stays', async () => {
    const certs = '/etc/containerd/certs.d';
    await inside(
      lab,
      'k8s-cp',
      `mkdir ${certs}/theirs.test; echo 'server = "https://theirs.test"' >${certs}/theirs.test/hosts.toml`,
    );
    const text = await readFile(inventory, 'utf8');
    const without = path.join(lab.dir, 'without.yaml');
    await writeFile(without, text.replace(/^ *registries: .*\n/m, ''));
    const run = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], without);
    expect(run.code, story(run)).toBe(0);
    expect(finished(run)).toMatchObject({ predictionErrors: 0 });
    expect(stepsWith(run, 'done')).toEqual(['containerd/k8s-cp/old-registries']);
    expect(await inside(lab, 'k8s-cp', `ls ${certs}`)).toBe('theirs.test\n');
  });

  test('the services have the proxy, and the cluster goes past it', async () => {
    for (const unit of ['containerd', 'kubelet']) {
      const environment = await inside(
        lab,
        'k8s-cp',
        `tr '\\0' '\\n' </proc/$(systemctl show -P MainPID ${unit})/environ`,
      );
      expect(environment).toContain('HTTP_PROXY=http://proxy.invalid:3128\n');
      expect(environment).toMatch(/^NO_PROXY=.*10\.96\.0\.0\/12,\.svc,\.cluster\.local/m);
    }
  });
});
