// upgrade and plan upgrade: look which versions run, find the way, and walk it.
import semver from 'semver';
import { together } from '../engine/lanes.ts';
import { apply, checkedPlan, survey } from '../engine/run.ts';
import { chartClash, containerdClash } from '../inventory/compatibility.ts';
import { setVersion } from '../inventory/edit.ts';
import { editInventory, loadInventory } from '../inventory/load.ts';
import type { Cluster } from '../model/cluster.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import { layerNames } from '../model/layers.ts';
import {
  isBeginning,
  type UpgradePhase,
  upgradeBegins,
  upgradeEnds,
  upgradePhases,
  upgradeWatched,
} from '../phases/upgrade.ts';
import { upgradeCheck } from '../phases/upgrade-check/index.ts';
import { layerImages, layersBefore } from '../phases/upgrade-layers.ts';
import { type Running, upgradePath } from '../upgrade/path.ts';
import { bundledVersions, runningVersions } from '../upgrade/running.ts';
import { backupsOf, bringBackup } from './backup.ts';
import { approvalOf, nothingApproved, type PlanOptions, readPlan, requireAnswer, showPlan } from './commands.ts';
import { write } from './membership.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { atVersion, type Target, upgrading } from './target.ts';
import { type Stage, tellingTimeLeft } from './time-left.ts';

export interface UpgradeOptions extends RunOptions {
  readonly to: string;
  readonly parallel: number;
  readonly drainTimeout: number;
  /** A file with the plan that is approved. */
  readonly plan?: string;
}

/** Every machine to the version, one after the other; then the inventory. */
export async function runUpgrade(options: UpgradeOptions, io: Io): Promise<number> {
  const to = versionOf(options);
  if (options.plan === undefined) {
    requireAnswer(
      'upgrade',
      options,
      io,
      `look with homelab plan upgrade --to ${to}, then: homelab upgrade --to ${to} --yes`,
    );
  }
  const text = options.plan === undefined ? undefined : await readPlan(options.plan);
  return runSession(
    'change',
    options,
    io,
    session => {
      const approval = approvalOf(session, text);
      return {
        ...approval,
        async approve(found) {
          await approval.approve(found);
          // Here, and not only on the machine that is about to be changed. A run that goes on has one of how it was before: more would push it
          // out of those that are kept.
          if (session.goal.cluster.backup && isBeginning(found))
            await bringBackup(session, await backupsOf(session.goal.cluster, io));
        },
      };
    },
    async session => {
      const phases = await phasesOf(session, to, options.parallel);
      await apply({ ...session, phases, bus: tellingTimeLeft(session.bus, stagesOf(phases)) });
      const edited = await editInventory(options.inventory, (before, context) => setVersion(before, to, context));
      await write(edited, session, 'write yourself into its kubernetes section');
    },
    path => aimAt(path, options, to),
  );
}

/** All of it before anything moves. */
export async function runPlanUpgrade(options: UpgradeOptions & PlanOptions, io: Io): Promise<number> {
  const to = versionOf(options);
  let steps = 0;
  const code = await runSession(
    'look',
    options,
    io,
    nothingApproved,
    async session => {
      const phases = await phasesOf(session, to, options.parallel);
      const { plan, failures } = await checkedPlan({ ...session, phases });
      steps = plan.steps.length;
      await showPlan(plan, session, options);
      if (failures.length > 0) throw together(failures);
    },
    path => aimAt(path, options, to),
  );
  return code === 0 && steps > 0 && options.detailedExitcode ? exitCodes.pending : code;
}

async function aimAt(path: string, { parallel, drainTimeout }: UpgradeOptions, to: string): Promise<Target> {
  const cluster = await loadInventory(path);
  const clashes = clashesOf(cluster, to);
  if (clashes.length > 0) {
    throw new HomelabError('HL_REFUSED', `what the inventory has does not go with Kubernetes ${to}`, {
      context: { details: clashes },
      hint: `write other versions into it first, then homelab bootstrap, then homelab upgrade --to ${to}`,
    });
  }
  return upgrading(to, { parallel, drainSeconds: drainTimeout })(cluster);
}

/** The inventory would not be valid in the end: told before anything moves. */
function clashesOf({ layers, containerd }: Cluster, to: string): readonly string[] {
  const charts = layerNames.flatMap(name => {
    const version = layers[name]?.version;
    const clash = version === undefined ? undefined : chartClash(name, version, to);
    return clash ? [`chart ${name} ${version} wants ${clash.wants} (${clash.source})`] : [];
  });
  const clash = containerdClash(containerd.version, to);
  return clash ? [...charts, `containerd ${containerd.version}: it takes ${clash.wants} (${clash.source})`] : charts;
}

function versionOf({ to: text, rehearse }: UpgradeOptions): string {
  if (rehearse) {
    throw new HomelabError('HL_USAGE', 'an upgrade is not rehearsed: what runs now is its beginning', {
      hint: `homelab plan upgrade --to ${text} looks at the machines and changes nothing`,
    });
  }
  const version = semver.valid(text);
  if (version !== null && semver.prerelease(version) === null) return `v${version}`;
  throw new HomelabError('HL_USAGE', `--to: ${JSON.stringify(text)} is not a version of Kubernetes`, {
    hint: 'for example --to v1.32.3',
  });
}

async function phasesOf(session: Session, to: string, parallel: number): Promise<readonly UpgradePhase[]> {
  const { goal, bus } = session;
  const { world } = await survey({ ...session, phases: [] });
  const now = runningVersions(world);
  const path = upgradePath({ now, to, available: bundledVersions(goal.bundle) });
  if (path.refuse) throw new HomelabError('HL_REFUSED', path.refuse.reason, { hint: path.refuse.hint });
  // Where every machine runs it, something of it may be left to do: a cordon, another containerd.
  const versions = path.hops.length > 0 ? path.hops : [to];
  if (versions.at(-1) !== to) throw new Error(`the way to ${to} ends elsewhere`);
  bus.emit({
    type: 'note',
    text:
      path.hops.length === 0
        ? `every machine runs ${to}`
        : `the way: ${[`v${oldestOf(now)}`, ...path.hops].join(' → ')}`,
  });
  const { phases } = await import('../phases/index.ts');
  const [connect, ...others] = phases.filter(({ id }) => id !== 'preflight');
  if (!connect) throw new Error('there is no first phase');
  const hops = versions.map(version => ({ version, cluster: atVersion(goal.cluster, version) }));
  return [
    connect,
    upgradeCheck(versions),
    layerImages,
    layersBefore,
    upgradeBegins(hops, to),
    ...upgradePhases(hops, parallel),
    ...others,
    upgradeWatched,
    upgradeEnds,
  ];
}

function stagesOf(phases: readonly UpgradePhase[]): readonly Stage[] {
  return phases.flatMap(({ id, of }) => (of === undefined ? [] : [{ id, kind: of }]));
}

function oldestOf({ apiServers, kubelets }: Running): string {
  const versions = [...Object.values(apiServers), ...Object.values(kubelets)];
  return semver.sort(versions.flatMap(each => semver.valid(each) ?? []))[0] ?? '?';
}
