// The command line of `homelab layers`: options and help; the work is loaded when a command runs.
import { Argument, type Command } from 'commander';
import { layerNames } from '../model/layers.ts';
import type { LayersVerifyOptions } from './layers.ts';
import { withMachines } from './options.ts';
import type { Io, RunOptions } from './session.ts';

export function addLayers(program: Command, io: Io, done: (exitCode: number) => void): void {
  const load = () => import('./layers.ts');
  const one = () => new Argument('<LAYER>', 'which').choices(layerNames);
  const several = () => new Argument('<LAYER...>', 'which').choices(layerNames);
  const layers = program
    .command('layers')
    .description('what stands on the cluster: Helm releases that bootstrap makes, one by one')
    .addHelpText(
      'after',
      `
Layers: ${layerNames.join(', ')}. The inventory says which are wanted, in which version and with which values.

Examples:
  homelab layers list
  homelab layers diff longhorn
  homelab layers install metrics-server sealed-secrets
  homelab layers verify cilium
  homelab layers uninstall longhorn`,
    );
  withMachines(layers.command('list'))
    .description('each layer: the version that is wanted, and what runs; releases of others too; changes nothing')
    .addHelpText('after', '\nExamples:\n  homelab layers list\n  homelab layers list --output json')
    .action(async (options: RunOptions) => done(await (await load()).runLayersList(options, io)));
  withMachines(layers.command('diff'))
    .addArgument(one())
    .description('what runs against what the inventory would make of it, object by object; changes nothing')
    .addHelpText(
      'after',
      `
The chart is rendered on a control plane, against its API server. Of Secrets only the length is shown, and whether it is the same: some
charts make certificates anew each time.

Examples:
  homelab layers diff cilium
  homelab layers diff longhorn --bundle ./bundle`,
    )
    .action(async (name: string, options: RunOptions) => done(await (await load()).runLayersDiff(name, options, io)));
  withMachines(layers.command('install'))
    .addArgument(several())
    .description('what bootstrap does for these layers, and nothing else')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
The inventory must want them. Cilium is a part of the phase network: that is what is done then.

Examples:
  homelab layers install metrics-server
  homelab layers install local-path longhorn --yes --bundle ./bundle`,
    )
    .action(async (names: readonly string[], options: RunOptions) =>
      done(await (await load()).runLayersInstall(names, options, io)),
    );
  withMachines(layers.command('verify'))
    .addArgument(several())
    .description('their evidence alone (exit 7 when not)')
    .option(
      '--power-off <WORKER>',
      'then cut the power of this machine: what was written there must be read on another; says after how many seconds',
    )
    .option('--yes', 'do not ask before the power goes')
    .addHelpText(
      'after',
      `
Changes nothing, unless --power-off is there: then the machine stays off until somebody switches it on, and its pods are away for about six
minutes. It is done to one worker, for one layer whose data outlives a machine (longhorn), and only when all other evidence of it holds.

Examples:
  homelab layers verify cilium
  homelab layers verify metrics-server longhorn
  homelab layers verify longhorn --power-off k8s-worker2`,
    )
    .action(async (names: readonly string[], options: LayersVerifyOptions) =>
      done(await (await load()).runLayersVerify(names, options, io)),
    );
  withMachines(layers.command('uninstall'))
    .addArgument(one())
    .description('one layer less: never while a volume of it holds data, and never the network')
    .option('--yes', 'do not ask for its name')
    .addHelpText(
      'after',
      `
Kinds (CRDs) stay where Helm leaves them, with everything of them. A namespace of its own goes when nothing of others is in it. Take the
layer out of the inventory too, or the next bootstrap installs it again.

Examples:
  homelab layers uninstall metrics-server
  homelab layers uninstall longhorn --rehearse`,
    )
    .action(async (name: string, options: RunOptions) =>
      done(await (await load()).runLayersUninstall(name, options, io)),
    );
}
