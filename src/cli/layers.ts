// homelab layers: what stands on the cluster, told, compared, installed, proven, taken away. The engine's own runs, about some phases.
import { readFile } from 'node:fs/promises';
import { explanationOf } from '../engine/machine.ts';
import { apply, proveByName, survey, verify } from '../engine/run.ts';
import { loadInventory } from '../inventory/load.ts';
import { layers } from '../layers/index.ts';
import type { Cluster } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { type LayerName, layerNames } from '../model/layers.ts';
import type { Phase, RemoteAction } from '../model/plan.ts';
import { controlPlaneOf } from '../model/world.ts';
import { releaseOptions } from '../phases/layers.ts';
import { phaseNames, recoveryName } from '../phases/names.ts';
import { recoveryPhase } from '../phases/recovery.ts';
import { outputMode } from '../render/choose.ts';
import { layersTable } from '../render/layers.ts';
import { diffScript, manifestsDiff } from '../resources/release-diff.ts';
import { listedLayers, listScript } from '../resources/release-list.ts';
import { explained } from '../resources/release-script.ts';
import { askPerson } from './asking.ts';
import { approvalOf, nothingApproved, requireAnswer } from './commands.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { asItIs, everything, named, type Target, uninstalling } from './target.ts';

export async function runLayersList(options: RunOptions, io: Io): Promise<number> {
  return onControlPlane(options, io, async (session, ask) => {
    const { cluster } = session.goal;
    const known = layerNames.map(name => {
      const { [name]: layer } = layers;
      const wanted = cluster.layers[name] && releaseOptions(layer, cluster.layers[name].version, session.goal);
      return { name, release: layer.release, namespace: layer.namespace, wanted };
    });
    const listed = listedLayers(known, await ask(listScript));
    session.bus.emit({ type: 'layers', layers: listed });
    if (outputMode({ ...io, output: options.output }) !== 'json') io.stdout.write(session.redact(layersTable(listed)));
  });
}

export async function runLayersDiff(text: string, options: RunOptions, io: Io): Promise<number> {
  const name = nameOf(text);
  // The answer has what is in Secrets, and a recording keeps answers.
  if (options.record !== undefined) {
    throw new HomelabError('HL_USAGE', '--record would keep what is in Secrets', { hint: 'leave it out' });
  }
  return onControlPlane(options, io, async (session, ask) => {
    const release = releaseOptions(layers[name], wantedOf(session.goal.cluster, name).version, session.goal);
    const archive = release.file && (await readFile(release.file.path));
    const said = await ask(diffScript(release, archive), [...release.remedies, ...explained(release)]);
    io.stdout.write(session.redact(session.rehearsal ? 'simulated machines have no manifests\n' : manifestsDiff(said)));
  });
}

export async function runLayersInstall(texts: readonly string[], options: RunOptions, io: Io): Promise<number> {
  requireAnswer('layers install', options, io, `add --yes: homelab layers install ${texts.join(' ')} --yes`);
  // What layers need of the machines, and Helm itself, comes with them where it is not there yet.
  const only = [phaseNames.hostBase.id, phaseNames.kubePackages.id, ...phasesOf(texts)];
  return runSession(
    'change',
    { ...options, only },
    io,
    session => approvalOf(session, undefined),
    apply,
    aimAt(texts, { ...options, only }),
  );
}

export interface LayersVerifyOptions extends RunOptions {
  /** A worker whose power goes. */
  readonly powerOff?: string;
}

export async function runLayersVerify(texts: readonly string[], options: LayersVerifyOptions, io: Io): Promise<number> {
  const { powerOff } = options;
  const only = phasesOf(texts);
  const aim = aimAt(texts, { ...options, only });
  if (powerOff === undefined) return runSession('verify', { ...options, only }, io, nothingApproved, verify, aim);
  const phase = recoveryOf(texts, powerOff);
  requireAnswer(
    'layers verify --power-off',
    options,
    io,
    `add --yes: homelab layers verify ${texts.join(' ')} --power-off ${powerOff} --yes`,
  );
  return runSession(
    'verify',
    { ...options, only },
    io,
    session => ({ approve: () => approvePowerOff(powerOff, session), isApproved: () => false }),
    async session => {
      await proveByName(phase, session);
      session.bus.emit({ type: 'note', host: powerOff, text: lastWords(session, powerOff, texts) });
    },
    async path => {
      const target = await aim(path);
      named(target.cluster, powerOff);
      return {
        ...target,
        phases: [...target.phases, recoveryName],
        isChosen: (each, host) => each.id === phase.id || target.isChosen(each, host),
      };
    },
  );
}

function recoveryOf(texts: readonly string[], lost: string): Phase {
  const [layer, ...others] = texts.map(nameOf).map(name => layers[name]);
  if (layer?.recovery && others.length === 0) return recoveryPhase(layer, lost);
  const able = layerNames.filter(name => layers[name].recovery !== undefined);
  throw new HomelabError('HL_USAGE', `--power-off proves one layer whose data outlives a machine: ${able.join(', ')}`, {
    hint: `homelab layers verify ${able[0]} --power-off ${lost}`,
  });
}

async function approvePowerOff(name: string, { options, rehearsal }: Session): Promise<void> {
  if (options.yes || rehearsal) return;
  const question = `${name} loses its power, as if somebody pulled the plug: its pods are away for about six minutes, and somebody has to switch it on again. Go on?`;
  if (await askPerson.confirm(question)) return;
  throw new HomelabError('HL_CANCELLED', 'not approved; nothing was changed');
}

function lastWords({ rehearsal }: Session, name: string, texts: readonly string[]): string {
  return rehearsal
    ? `this was a rehearsal: ${name} would be off now`
    : `it is off: switch it on again, and when it is Ready: homelab layers verify ${texts.join(' ')}`;
}

export async function runLayersUninstall(text: string, options: RunOptions, io: Io): Promise<number> {
  const name = nameOf(text);
  requireAnswer('layers uninstall', options, io, `add --yes: homelab layers uninstall ${name} --yes`);
  const aim = uninstalling(name);
  return runSession(
    'change',
    options,
    io,
    session => approvalOf(session, undefined, name),
    apply,
    async path => aim(await loadInventory(path)),
  );
}

function aimAt(texts: readonly string[], options: RunOptions): (inventory: string) => Promise<Target> {
  return async inventory => {
    const cluster = await loadInventory(inventory);
    for (const text of texts) wantedOf(cluster, nameOf(text));
    return everything(options)(inventory);
  };
}

function wantedOf({ layers: wanted }: Cluster, name: LayerName) {
  const found = wanted[name];
  if (found) return found;
  throw new HomelabError('HL_USAGE', `the inventory does not want the layer ${name}`, {
    hint: name === 'cilium' ? 'write network: {provider: cilium} into it' : `write layers: {${name}: {}} into it`,
  });
}

function phasesOf(texts: readonly string[]): readonly string[] {
  return texts.map(nameOf).map(name => (name === 'cilium' ? 'network' : name));
}

// The command line has checked it already.
function nameOf(text: string): LayerName {
  const name = layerNames.find(each => each === text);
  if (name === undefined) throw new Error(`no layer is called ${text}`);
  return name;
}

type Ask = (script: string, explain?: RemoteAction['explain']) => Promise<string>;

/** A look that changes nothing, asked of the machine where Helm's records are read. */
function onControlPlane(options: RunOptions, io: Io, work: (session: Session, ask: Ask) => Promise<void>) {
  return runSession(
    'look',
    options,
    io,
    nothingApproved,
    async session => {
      const { world } = await survey({ ...session, phases: [] }, false);
      const host = controlPlaneOf(world).name;
      await work(session, async (script, explain) => {
        const result = await session.machines.get(host)?.exec(`set -eu\n${script}`, 300_000, session.stop);
        if (result?.code === 0) return result.stdout;
        const known = explanationOf(explain, result?.stderr ?? '');
        throw new HomelabError('HL_OBSERVE', known?.message ?? `${host} does not say what stands on the cluster`, {
          context: { host, exitStatus: result?.code ?? -1, stderr: result?.stderr ?? '' },
          hint: known?.hint ?? `see what ${host} says above, then run the same command again`,
        });
      });
    },
    async path => asItIs(await loadInventory(path)),
  );
}
