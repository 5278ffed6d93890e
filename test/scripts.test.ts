// Every script that homelab sends to a machine: readable by dash, and free of what shellcheck knows to be mistakes.
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { looks } from '../src/doctor/looks/index.ts';
import { apiFragment, apiNowFragment } from '../src/engine/api.ts';
import { describeFragments } from '../src/engine/describe.ts';
import { etcdFragment } from '../src/engine/etcd.ts';
import { clockFragment, factFragments } from '../src/engine/facts.ts';
import { fenceFragment } from '../src/engine/fence.ts';
import { fenceScript, guarded, waitScript, workScript } from '../src/engine/fence-script.ts';
import { sizeFragments } from '../src/engine/first-look.ts';
import { joinFragments } from '../src/engine/frames.ts';
import { intend } from '../src/engine/plan.ts';
import { recordProofs } from '../src/engine/proof-record.ts';
import { upgradeFragments } from '../src/engine/upgrade-facts.ts';
import { workloadsFragment } from '../src/engine/workloads.ts';
import { layers } from '../src/layers/index.ts';
import type { Json } from '../src/model/cluster.ts';
import type { FenceRequest } from '../src/model/fence.ts';
import type { Chart } from '../src/model/layers.ts';
import { powerDaemons, remedyNames } from '../src/model/nic.ts';
import type { Phase, RemoteAction, Resource, Want } from '../src/model/plan.ts';
import { printing } from '../src/model/shell.ts';
import type { Nic, World } from '../src/model/world.ts';
import { leavingPhases, phases } from '../src/phases/index.ts';
import { releaseOptions } from '../src/phases/layers.ts';
import { recoveryPhase } from '../src/phases/recovery.ts';
import { renewalPhases } from '../src/phases/renewal.ts';
import { uninstallPhase } from '../src/phases/uninstall.ts';
import { upgradeBegins, upgradeEnds, upgradePhases, upgradeWatched } from '../src/phases/upgrade.ts';
import { upgradeCheck } from '../src/phases/upgrade-check/index.ts';
import { readCertificates, renewed } from '../src/resources/certificates.ts';
import { noFile } from '../src/resources/file.ts';
import { bundleImages } from '../src/resources/images.ts';
import { packages } from '../src/resources/packages.ts';
import { diffScript } from '../src/resources/release-diff.ts';
import { listScript } from '../src/resources/release-list.ts';
import { noRecord } from '../src/resources/release-record.ts';
import { type ReleaseOptions, releaseScript } from '../src/resources/release-script.ts';
import { backupScript } from '../src/transitions/backup.ts';
import { awaitNotReady } from '../src/transitions/begun.ts';
import { emptying, uncordon } from '../src/transitions/drain.ts';
import { backup, beforeRestore, withBackups } from './backup-sample.ts';
import { layered } from './layers/rig.ts';
import { beforeJoin, beforeRemoval, beforeReset, living, threeControlPlanes, withPods } from './life-sample.ts';
import { machinesOf, testRun } from './run-context.ts';
import {
  afterInit,
  bareWorld,
  cluster,
  convergedWorld,
  everything,
  goal,
  host,
  sampleBundle,
  withFacts,
  withMembership,
} from './sample.ts';
import { upgradeWorld } from './upgrade-sample.ts';
import { podOn } from './workloads-sample.ts';

// shellcheck's objections that do not hold here, each with its reason.
const disabled = {
  SC1091: 'the facts source /etc/os-release, which is on the machine and not here',
  SC2015: '`restart && is-active || { journal; exit 1; }`: both failures are to end in the same place',
  SC2016: 'what stands in single quotes is for another shell, or for awk and kubectl',
  SC2317: 'a function that only some requests to the fence call',
  SC2043: 'a loop over a list that the inventory gives may have one turn',
} as const;

// One worker is like the other.
const two = { cluster: { ...cluster, hosts: [host('k8s-cp'), host('k8s-worker1')] }, bundle: undefined };

const outward = {
  proxy: { http: 'http://proxy.test:3128', https: undefined, no: [] },
  containerd: {
    ...cluster.containerd,
    registries: [
      { host: 'ghcr.io', mirrors: ['https://mirror.test:5000'], ca: undefined, credentials: undefined },
      {
        host: 'mirror.test:5000',
        mirrors: [],
        ca: 'PEM',
        credentials: { username: 'me', password: { kind: 'env', name: 'X' } },
      },
    ],
  },
} as const;
function adopted(world: World, name: string): World {
  return withFacts(world, name, { isPrepared: false, containerd: cluster.containerd.version });
}

const worlds: readonly (readonly [string, World])[] = [
  ['bare', bareWorld(two)],
  ['bare with a bundle', bareWorld({ ...two, bundle: sampleBundle() })],
  [
    'bare, alone, without an endpoint',
    bareWorld({ cluster: { ...cluster, hosts: [host('k8s-cp')] }, bundle: undefined }),
  ],
  ['bare behind a proxy, with registries', bareWorld({ ...two, cluster: { ...two.cluster, ...outward } })],
  ['after init', afterInit(two)],
  ['converged', convergedWorld(two)],
  ['adopted', ['k8s-cp', 'k8s-worker1'].reduce(adopted, convergedWorld(two))],
  ['a second control plane joins', beforeJoin('k8s-worker1', threeControlPlanes)],
  ['a worker leaves', withPods(beforeRemoval('k8s-worker3'), podOn('k8s-worker3', 'default/web-1'))],
  ['a control plane leaves', beforeRemoval('k8s-cp', threeControlPlanes)],
  ['a machine is reset', beforeReset(['k8s-worker3'])],
  ['every adapter, bare', everyAdapter(bareWorld(two))],
  ['every adapter, of members', everyAdapter(convergedWorld(two))],
  ['every layer', convergedWorld({ ...two, cluster: { ...layered.cluster, hosts: two.cluster.hosts } })],
  ['an upgrade', upgradeWorld('v1.32.0')],
  ['backups by schedule', convergedWorld({ ...two, cluster: { ...two.cluster, backup } })],
  [
    'a restore',
    withMembership(
      beforeRestore({ ...withBackups, hosts: [...two.cluster.hosts, host('k8s-worker2')] }),
      'k8s-worker2',
      { state: 'absent' },
    ),
  ],
];

// Every knob of power saving, and every service that would work against it.
function everyAdapter(world: World): World {
  const at = (name: string, of: Nic['class'], driver: string): Nic => ({
    ...{ name, mac: '', mtu: 1500, addresses: [], class: of, driver },
    linkFile: '/usr/lib/systemd/network/99-default.link',
  });
  const nics = [
    at('enp1s0', 'wired', 'e1000e'),
    at('enp2s0', 'wired', 'r8169'),
    at('enx00', 'usb', 'cdc_ether'),
    at('wlan0', 'wifi', 'iwlwifi'),
    at('ens3', 'paravirtual', 'vmxnet3'),
  ];
  const power = { systemd: 258, vendor: '', product: '', daemons: powerDaemons };
  const hosts = world.cluster.hosts.map(each => ({
    ...each,
    nicPower: { level: 2 as const, remedies: remedyNames },
  }));
  const seen = withFacts(world, 'k8s-cp', { nics, power, virtualization: 'vmware' });
  return { ...seen, cluster: { ...seen.cluster, hosts } };
}

/** Observations that lead to other actions than those of a bare machine. */
const halfWay: Readonly<Record<string, readonly Json[]>> = {
  'block:kube-proxy/etc/hosts': [''],
  'images:kubeadm': [{ missing: ['registry.k8s.io/pause:3.10', 'registry.k8s.io/etcd:3.5.15-0'] }],
  'node:k8s-cp': [{ 'taint node-role.kubernetes.io/control-plane:NoSchedule': '' }],
  'hold:kubeadm,kubelet,kubectl,kubernetes-cni': [['kubelet', 'kubectl']],
  'no-timer:homelab-backup.timer': [true],
  'not-at-boot:powertop.service': [true],
  'old-registries': [['old.test:5000']],
  'routes:pods': [{ '10.244.9.0/24': '192.168.0.99' }],
  'tuned-profile': ['powersave'],
  swap: [{ active: ['/swap.img'], fstab: ['/swap.img'], units: ['dev-sdb2.swap'] }],
};

async function allScripts(): Promise<ReadonlyMap<string, string>> {
  const scripts = new Map<string, string>();
  const add = (name: string, script: string) => scripts.set(script, name);
  const variables = (secrets: RemoteAction['secrets'] = {}) =>
    Object.keys(secrets)
      .map(secret => `${secret}=$(cat /secret)\n`)
      .join('');
  const act = (name: string, { script, secrets }: RemoteAction) => add(name, `set -eu\n${variables(secrets)}${script}`);
  const asked = [
    apiFragment(),
    apiNowFragment,
    apiFragment(['192.168.0.11', '192.168.0.12']),
    etcdFragment,
    workloadsFragment,
    ...upgradeFragments(host('k8s-cp')),
  ];
  const asker = { who: "it's me", bootId: 'a-b' };
  const requests: readonly FenceRequest[] = [
    { kind: 'claim', run: 'r', serial: 1, seq: 0, steal: false },
    { kind: 'claim', run: 'r', serial: 1, seq: 0, steal: true },
    { kind: 'renew', run: 'r' },
    { kind: 'release', run: 'r' },
  ];
  for (const request of requests) add(`fence ${request.kind}`, fenceScript(request, asker));
  add('a guarded probe', guarded('true\n', 'r', asker));
  add('a work', workScript({ step: 'a/b/c', seq: 1, script: 'true', timeoutMs: 1000 }, 'r', asker));
  add('waiting for a work', waitScript('homelab-a-b-c'));
  for (const { id, script } of [
    ...factFragments,
    fenceFragment,
    ...asked,
    clockFragment,
    ...describeFragments,
    ...sizeFragments,
  ])
    add(`fact ${id}`, `set -eu\n${script}\n`);
  const about = {
    endpoint: 'k8s-api.test:6443',
    peers: cluster.hosts.map(({ name, address, role }) => ({ name: `${name}'s`, address, role })),
  };
  for (const { id, script } of looks) add(`look ${id}`, `set -eu\n${script(about)}`);
  const withLayers = convergedWorld(layered);
  add('every release', `set -eu\n${listScript}`);
  const inRegistry = ([name, options]: readonly [string, ReleaseOptions]) => {
    const chart: Chart = { ...options.chart, source: { kind: 'oci', url: 'oci://registry.home.arpa:5000/charts' } };
    return [`${name} in a registry`, { ...options, chart }] as const;
  };
  const releases = Object.values(layers).map(
    layer => [layer.name, releaseOptions(layer, '1.12.1', withLayers)] as const,
  );
  for (const [name, options] of [...releases, ...releases.slice(0, 1).map(inRegistry)]) {
    const { chart } = options;
    add(`diff of ${name}`, `set -eu\n${diffScript(options, undefined)}`);
    add(`diff of a bundled ${name}`, `set -eu\n${diffScript(options, Buffer.from('chart'))}`);
    act(
      `upgrade of ${name}`,
      releaseScript(
        options,
        { chart: chart.name, values: '', kubernetes: '' },
        { ...noRecord, status: 'deployed', chart: 'older' },
      ),
    );
  }
  const ofResource = (name: string, resource: Resource) => {
    add(`${name} read`, `set -eu\n${variables(resource.secrets)}${resource.read}`);
    for (const observed of [resource.blank, ...(halfWay[resource.key] ?? [])]) {
      const change = resource.change(observed, []);
      if (change) act(`${name} apply`, change.action);
    }
  };
  const uninstalls = Object.values(layers).map(uninstallPhase);
  for (const [title, world] of worlds) {
    const isLeaving = world.about !== undefined && world.about.kind !== 'join';
    const list = world.upgrade
      ? [upgradeCheck([world.cluster.kubernetes.version]), ...wholeUpgrade(world)]
      : isLeaving
        ? leavingPhases
        : phases;
    const intents = intend(world, [...list, ...(title === 'every layer' ? uninstalls : [])], everything);
    for (const { phase, host: at, wants } of intents) {
      for (const want of wants) {
        const name = `${title}: ${phase.id}/${at.name}/${nameOf(want)}`;
        if (want.kind === 'resource') ofResource(name, want);
        const { content } = want.kind === 'resource' ? Object(want.desired) : { content: undefined };
        // It runs at boot, as every script of ours.
        if (typeof content === 'string' && content.startsWith('#!/bin/sh\n'))
          add(`${name} content`, content.replace(/^(#.*\n)+/, ''));
        if (want.kind === 'transition' && want.change && !('refuse' in want.change)) act(name, want.change.action);
      }
    }
    const recovery = recoveryPhase(layers.longhorn, 'k8s-cp');
    for (const phase of [...list, ...(title === 'every layer' ? [recovery] : [])]) {
      for (const probe of phase.probes(world)) {
        const name = `${title}: ${phase.id} proves ${probe.id}`;
        if (probe.kind === 'read') add(name, `set -eu\n${probe.script}\n`);
        if (probe.kind === 'active')
          await recordActive(
            script => add(name, `set -eu\n${script}`),
            exec => probe.run({ signal: new AbortController().signal, exec }),
          );
      }
    }
  }
  add('a join is gone on with', `set -eu\n${awaitNotReady('k8s-worker1')}`);
  ofResource('a package on hold', packages({ name: 'x', title: 'x', packages: [{ name: 'socat' }] }));
  ofResource(
    'images of a bundle',
    bundleImages([
      { kind: 'image', name: 'ghcr.io/me/app:1', version: '1', arch: 'amd64', path: '/a', sha256: 'a', bytes: 1 },
    ]),
  );
  act('a hold taken away', changeWithHold());
  add('certs', `set -eu\n${readCertificates}`);
  const old = renewed(60).change(['apiserver 2026-12-01', 'etcd-server 2026-12-01'], []);
  if (old) act('certs renew', old.action);
  for (const phase of renewalPhases(living(cluster), undefined)) {
    for (const want of phase.wants(living(cluster), host('k8s-cp'))) {
      if (want.kind !== 'resource') continue;
      add(`${want.key} read`, `set -eu\n${want.read}`);
      const change = want.key.startsWith('process:')
        ? want.change('it does not run', [])
        : want.key === 'certificates:kubelet'
          ? want.change('ended', [])
          : undefined;
      if (change) act(`${want.key} apply`, change.action);
    }
    for (const probe of phase.probes(living(cluster)))
      if (probe.kind === 'read') add(`${phase.id} proves ${probe.id}`, `set -eu\n${probe.script}\n`);
  }
  const upgrading: World = { ...living(cluster), upgrade: { parallel: 1, drainSeconds: 300 } };
  const ours = upgrading.nodes === 'unknown' ? [] : upgrading.nodes.map(node => ({ ...node, cordonedByUs: true }));
  for (const want of [
    ...emptying(upgrading, host('k8s-worker1')),
    uncordon({ ...upgrading, nodes: ours }, host('k8s-worker1')),
  ]) {
    if (want.kind === 'transition' && want.change && !('refuse' in want.change)) act(want.title, want.change.action);
  }
  add(
    'a backup now',
    `set -eu\n${backupScript({ cluster: 'homelab', host: host('k8s-cp'), backup, printRecipient: printing(backup.recipient), printInventory: printing(backup.inventory) })}`,
  );
  const gone = noFile({ path: '/etc/x y', name: 'x' }).change(true, []);
  if (gone) act('a file taken away', gone.action);
  const [cp] = [...testRun(goal).machines.values()];
  if (!cp) throw new Error('there is a control plane');
  const recorder = {
    ...cp,
    exec: async (script: string) => {
      add('the record of proofs', `set -eu\n${script}`);
      return { code: 0, stdout: '', stderr: '', durationMs: 0 };
    },
  };
  const world = convergedWorld();
  await recordProofs(
    phases,
    world,
    intend(world, phases, everything),
    machinesOf([recorder]),
    new AbortController().signal,
  );
  return scripts;
}

// To the version that the world's inventory has.
function wholeUpgrade({ cluster }: World): readonly Phase[] {
  const hops = [{ version: cluster.kubernetes.version, cluster }];
  return [upgradeBegins(hops, cluster.kubernetes.version), ...upgradePhases(hops, 1), upgradeWatched, upgradeEnds];
}

function changeWithHold(): RemoteAction {
  const change = packages({ name: 'x', title: 'x', packages: [{ name: 'socat' }] }).change(
    { socat: { version: 'installed', held: true } },
    [],
  );
  if (!change) throw new Error('a hold that nobody wants is a difference');
  return change.action;
}

function nameOf(want: Want): string {
  return want.kind === 'note' || want.kind === 'refusal' ? want.kind : want.name;
}

type Exec = (
  host: string,
  script: string,
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;

/** Where a controller gives a certificate. */
const sealingKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
  type: 'spki',
  format: 'pem',
});

/** The scripts of an active probe whose pods come up. */
async function recordActive(see: (script: string) => void, run: (exec: Exec) => Promise<unknown>): Promise<void> {
  const pods = cluster.hosts
    .map(({ name }, index) => `pod probe-${name} ${name} 10.244.${index}.2 0-${index}\n`)
    .join('');
  const said = `${pods}service 10.96.0.5\ndns 10.96.0.10\napi 10.96.0.1\nvolume pvc-1 /opt/pvc-1\nsum 0\n`;
  await run(async (_, script) => {
    see(script);
    const stdout = script.includes('cert.pem')
      ? `${sealingKey}`
      : script.includes('longhorn.io')
        ? '{"items":[]}'
        : said;
    return { code: 0, stderr: '', stdout };
  });
}

const scripts = await allScripts();
const named = [...scripts].map(([script, name]) => ({ name, script }));

function withFiles<T>(work: (files: ReadonlyMap<string, string>, dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-scripts-'));
  try {
    const files = new Map(
      named.map(({ name, script }, index) => {
        const path = join(dir, `${index}.sh`);
        writeFileSync(path, script);
        return [path, name] as const;
      }),
    );
    return work(files, dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('every script that we send', () => {
  it('is gathered', () => {
    expect(named.length).toBeGreaterThan(100);
    const kinds = [
      'fact ',
      'look ',
      ' read',
      ' apply',
      '/init',
      '/join',
      '/join-token',
      ' proves readyz',
      ' proves pod-network',
      ' proves flows',
      ' proves autoscaler',
      ' proves sealing',
      ' proves local-volume',
      ' proves longhorn-volume',
      '/drain-',
      '/etcd-without-',
      '/reset',
      '/forget-',
      '/certificates',
      '/certificates-gone',
      '/kube-proxy-hosts apply',
      '/routes apply',
      'fact workloads',
      'Let k8s-worker1 take pods again',
      'Cordon k8s-worker1 and move its pods away',
      'fact etcd',
      'record of proofs',
      '/restore',
      'a backup now',
    ];
    expect(kinds.filter(kind => !named.some(({ name }) => name.includes(kind)))).toEqual([]);
  });

  it('can be read by dash', { timeout: 120_000 }, () => {
    withFiles(files => {
      const bad = [...files].flatMap(([path, name]) => {
        const { status, stderr } = spawnSync('dash', ['-n', path], { encoding: 'utf8' });
        return status === 0 ? [] : [`${name}: ${stderr}`];
      });
      expect(bad).toEqual([]);
    });
  });

  it('can be read by dash as one script', () => {
    const joined = joinFragments(
      named.map(({ name, script }) => ({ id: name, script })),
      '@mark',
    );
    const { status, stderr } = spawnSync('dash', ['-n', '-s'], { input: joined, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('runs nothing before `set -eu` and never switches it off', () => {
    expect(
      named
        .filter(({ script }) => !script.startsWith('set -eu\n') || /\bset \+[eu]/.test(script))
        .map(({ name }) => name),
    ).toEqual([]);
  });

  const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;
  it.skipIf(!hasShellcheck)(
    'passes shellcheck, and needs every exception that is made here',
    { timeout: 120_000 },
    () => {
      withFiles(files => {
        const { stdout, stderr } = spawnSync('shellcheck', ['-s', 'sh', '-f', 'gcc', ...files.keys()], {
          encoding: 'utf8',
          maxBuffer: 16 * 1024 * 1024,
        });
        expect(stderr).toBe('');
        const found = stdout
          .split('\n')
          .filter(Boolean)
          .map(line => {
            const path = line.slice(0, line.indexOf(':'));
            return { code: /\[(SC\d+)\]$/.exec(line)?.[1] ?? '', line: line.replace(path, files.get(path) ?? path) };
          });
        expect(found.filter(({ code }) => !Object.hasOwn(disabled, code)).map(({ line }) => line)).toEqual([]);
        expect(Object.keys(disabled).filter(code => !found.some(each => each.code === code))).toEqual([]);
      });
    },
  );
});
