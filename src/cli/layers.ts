// homelab layers: what stands on the cluster, told, compared, installed, proven, taken away. The engine's own runs, about some phases.
import { readFile } from 'node:fs/promises';
import { explanationOf } from '../engine/machine.ts';
import { apply, survey, verify } from '../engine/run.ts';
import { loadInventory } from '../inventory/load.ts';
import { layers } from '../layers/index.ts';
import type { Cluster } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { type LayerName, layerNames } from '../model/layers.ts';
import type { RemoteAction } from '../model/plan.ts';
import { controlPlaneOf } from '../model/world.ts';
import { releaseOptions } from '../phases/layers.ts';
import { phaseNames } from '../phases/names.ts';
import { outputMode } from '../render/choose.ts';
import { layersTable } from '../render/layers.ts';
import { diffScript, manifestsDiff } from '../resources/release-diff.ts';
import { listedLayers, listScript } from '../resources/release-list.ts';
import { explained } from '../resources/release-script.ts';
import { approvalOf, nothingApproved, requireAnswer } from './commands.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { asItIs, everything, type Target, uninstalling } from './target.ts';

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

export async function runLayersVerify(texts: readonly string[], options: RunOptions, io: Io): Promise<number> {
  const only = phasesOf(texts);
  return runSession('verify', { ...options, only }, io, nothingApproved, verify, aimAt(texts, { ...options, only }));
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
