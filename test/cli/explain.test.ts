// Everything that a plan, a refusal, an error or doctor names can be explained; a new name without words fails here.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explainable } from '../../src/cli/explain.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import { intend } from '../../src/engine/plan.ts';
import { errorMeanings, exitMeaning } from '../../src/model/error-meanings.ts';
import { exitCodes } from '../../src/model/errors.ts';
import type { Phase } from '../../src/model/plan.ts';
import { legible, printing } from '../../src/model/shell.ts';
import type { World } from '../../src/model/world.ts';
import { explainedCheck, explainedStep } from '../../src/phases/explained/find.ts';
import { leavingPhases, phases } from '../../src/phases/index.ts';
import { leavingNames, phaseNames } from '../../src/phases/names.ts';
import { renewalPhases } from '../../src/phases/renewal.ts';
import { upgradeBegins, upgradeEnds, upgradePhases } from '../../src/phases/upgrade.ts';
import { upgradeCheck } from '../../src/phases/upgrade-check/index.ts';
import { backup, beforeRestore, withBackups } from '../backup-sample.ts';
import { dash } from '../dash.ts';
import { beforeJoin, beforeRemoval, beforeReset, living, threeControlPlanes } from '../life-sample.ts';
import {
  bareWorld,
  cluster,
  convergedWorld,
  everything,
  inventoryPath,
  root,
  sampleBundle,
  withFacts,
} from '../sample.ts';
import { upgradeWorld } from '../upgrade-sample.ts';
import { runCli } from './run-cli.ts';

const adopted = (world: World, name: string) =>
  withFacts(world, name, { isPrepared: false, containerd: cluster.containerd.version });
const hops = [{ version: 'v1.32.0', cluster }];
const outward = {
  ...cluster,
  containerd: {
    ...cluster.containerd,
    registries: [{ host: 'ghcr.io', mirrors: [], ca: 'PEM', credentials: undefined }],
  },
};
const lives: readonly (readonly [World, readonly Phase[]])[] = [
  [bareWorld(), phases],
  [bareWorld({ cluster, bundle: sampleBundle() }), phases],
  [bareWorld({ cluster: outward, bundle: undefined }), phases],
  [convergedWorld(), phases],
  [convergedWorld({ cluster: { ...cluster, backup }, bundle: undefined }), phases],
  [['k8s-cp', 'k8s-worker1'].reduce(adopted, convergedWorld()), phases],
  [beforeJoin('k8s-worker1', threeControlPlanes), phases],
  [beforeRemoval('k8s-cp', threeControlPlanes), leavingPhases],
  [beforeReset(['k8s-worker3']), leavingPhases],
  [beforeRestore(withBackups), phases],
  [living(cluster), renewalPhases(living(cluster), undefined)],
  [
    upgradeWorld('v1.32.0'),
    [upgradeCheck(['v1.32.0']), upgradeBegins(hops, 'v1.32.0'), ...upgradePhases(hops, 1), upgradeEnds],
  ],
];

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();

describe('every name has its words:', () => {
  it('steps, of every life of a cluster', () => {
    const steps = lives.flatMap(([world, list]) =>
      intend(world, list, everything).flatMap(({ phase, wants }) =>
        wants.flatMap(want =>
          want.kind === 'resource' || want.kind === 'transition' ? [`${phase.id}/${want.name}`] : [],
        ),
      ),
    );
    const golden = readFileSync(join(root, 'test/golden/plans/bare.txt'), 'utf8').trim().split('\n');
    const all = unique([...steps, ...golden.map(id => id.replace(/\/[^/]+\//, '/'))]);
    expect(all.length).toBeGreaterThan(80);
    expect(all.filter(id => !explainedStep(id.split('/')[1] ?? '', id.split('/')[0]))).toEqual([]);
  });

  it('steps that are called by their adapter, and nothing else by them', () => {
    expect(explainedStep('eno1', 'nic-power')?.why).toContain('sleeps');
    expect(explainedStep('boot-unit', 'nic-power')).not.toEqual(explainedStep('boot-eno1', 'nic-power'));
    expect(explainedStep('eno1')).toBeUndefined();
    expect(explainedStep('eno1', 'network')).toBeUndefined();
  });

  it('checks before a change', () => {
    const ids = lives.flatMap(([world, list]) =>
      list.filter(phase => phase.gate).flatMap(phase => phase.probes(world).map(({ id }) => `${phase.id}/${id}`)),
    );
    expect(unique(ids).length).toBeGreaterThan(35);
    expect(unique(ids).filter(id => !explainedCheck(id.split('/')[1] ?? '', id.split('/')[0]))).toEqual([]);
  });

  it('refusals, as the source has them', () => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.ts'),
    );
    const literal = sources.flatMap(name => {
      const text = readFileSync(join(root, 'src', name), 'utf8');
      return [...text.matchAll(/kind: 'refusal'(?: as const)?,\s+id: '([^']+)'/g)].map(match => match[1] ?? '');
    });
    expect(unique(literal)).toContain('node-address');
    const made = [
      'podSubnet',
      'serviceSubnet',
      'endpoint',
      'version',
      'csr-x7',
      'ca.crt',
      'etcd-ca.crt',
      'bare-demo-web',
      'budget-never-demo-web',
    ];
    expect([...unique(literal), ...made].filter(id => !explainedCheck(id) && !explainedStep(id))).toEqual([]);
  });

  it('phases, errors, exit codes and rules', async () => {
    const { stdout } = await runCli(['explain', 'connect', '-i', inventoryPath]);
    expect(stdout).toContain(phaseNames.connect.summary);
    expect(explainable()).toEqual(expect.arrayContaining(rules.map(({ id }) => id)));
    for (const { id } of [...Object.values(phaseNames), ...Object.values(leavingNames)])
      expect(explainable()).toContain(id);
    for (const code of Object.values(exitCodes)) expect(exitMeaning(code)?.means).toMatch(/\.$/);
    expect(Object.keys(errorMeanings)).toContain('HL_BUG');
  });
});

describe('homelab explain', () => {
  const explain = (what: string, ...more: readonly string[]) => runCli(['explain', what, '-i', inventoryPath, ...more]);

  it('shows the commands of a step as the plan would run them, for the machine that was named', async () => {
    const { code, stdout } = await explain('host-base/k8s-worker2/sysctl-network');
    expect(code).toBe(0);
    expect(stdout).toContain('host-base/k8s-worker2/sysctl-network  (step)');
    expect(stdout).toMatch(/by hand, as root on k8s-worker2, under set -eu:\n {4}\S/);
    expect(stdout).toContain('net.ipv4.ip_forward');
  });

  it('shows what a step would do that a bare machine has no need of', async () => {
    expect((await explain('swap-off')).stdout).toContain('swapoff -a');
  });

  it('takes example machines for what the inventory has none of, and says so', async () => {
    const { stdout } = await explain('control-plane-join/join');
    expect(stdout).toContain('an example machine');
    expect(stdout).toContain('kubeadm join');
  });

  it('explains without an inventory', async () => {
    const { code, stdout } = await runCli(['explain', 'init', '-i', '/nowhere.yaml']);
    expect(code).toBe(0);
    expect(stdout).toContain('kubeadm init');
  });

  it.each([
    ['a check, with how to look again', 'dns-loop', 'cat /etc/resolv.conf'],
    ['a refusal that has a pod in its id', 'budget-never-demo-web', 'disruption budget'],
    ['a refusal that has a machine in its id', 'connect/k8s-cp/node-address', 'Certificates'],
    ['an error', 'hl_fence', 'Another run'],
    ['an exit code', 'exit 5', 'Nothing was changed'],
    ['a rule of doctor', 'kubelet-stopped', 'Start it, and enable it at boot.'],
    ['what removing a machine does', 'forget', 'Delete the node object'],
  ])('explains %s', async (_, what, said) => {
    const { code, stdout } = await explain(what);
    expect(code).toBe(0);
    expect(stdout).toContain(said);
  });

  it('tells programs the same', async () => {
    const [step] = JSON.parse((await explain('sysctl-network', '--output', 'json')).stdout);
    expect(step).toMatchObject({
      kind: 'step',
      name: 'host-base/k8s-cp/sysctl-network',
      script: { text: expect.any(String) },
    });
  });

  it.each([
    ['swapof', 'did you mean swap-off?'],
    ['kubelet-stoped', 'did you mean kubelet-stopped?'],
    ['netwrok', 'did you mean network?'],
    ['exit 77', 'One of:'],
  ])('exits 2 at %s, and names what there is', async (what, said) => {
    const { code, stdout, stderr } = await explain(what);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.toLowerCase()).toContain(said.toLowerCase());
  });
});

describe('a script for eyes', () => {
  it('does what the one for machines does', () => {
    for (const text of ['a\n', 'it\'s $HOME `x` \\ "q"\n', '\n', 'HOMELAB\n', 'no end', 'ä\n', 'a\n\nb\n']) {
      const script = `${printing(text)}echo done\n`;
      expect(dash(legible(script)).stdout).toBe(dash(script).stdout);
    }
    expect(legible(`${printing('plain\n')}`)).toContain('\nplain\n');
  });
});
