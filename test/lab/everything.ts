// `npm run lab` without a verb: from nothing to a cluster that the product itself has built and proven.

import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { HomelabError } from '../../src/model/errors.ts';
import { checkPrerequisites, ensureBundle } from './bundle.ts';
import { checkLayerPrerequisites, ensureLayers } from './layers-bundle.ts';
import { labUp } from './machines.ts';
import { requireAll } from './prerequisites.ts';
import type { Log } from './run.ts';
import { checkName, readState } from './state.ts';

export interface EverythingOptions {
  readonly name: string;
  readonly machines?: number | undefined;
  readonly cilium?: boolean | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Exit code of the bootstrap. */
export async function everything({ name, machines, cilium, log, signal }: EverythingOptions): Promise<number> {
  // Before ten minutes of building, not after them.
  const layered = cilium ?? (await readState(checkName(name)))?.cilium ?? false;
  const missing = layered ? await checkLayerPrerequisites() : await checkPrerequisites();
  await requireAll({ machines: machines ?? 4, images: true }, missing);
  const bundle = layered ? await ensureLayers({ log, signal }) : (await ensureBundle({ log, signal })).dir;
  const lab = await labUp({ name, log, signal, bundle, cilium, ...(machines === undefined ? {} : { machines }) });
  if (lab.bundle === undefined) {
    throw new HomelabError('HL_REFUSED', `The machines of lab ${name} were made without a bundle`, {
      hint: `npm run lab -- down --name ${name}, then again`,
    });
  }
  log(`machines are up: ${lab.hosts.map(host => `${host.name} ${host.address}`).join(', ')}`);
  const homelab = fileURLToPath(new URL('../../bin/homelab.js', import.meta.url));
  const args = ['bootstrap', '--yes', '--bundle', lab.bundle, '-i', lab.inventoryPath];
  // It hears Ctrl-C itself and ends tidily: we only wait for it.
  const { exitCode } = await execa(process.execPath, [homelab, ...args], { stdio: 'inherit', reject: false });
  if (exitCode === undefined)
    throw new HomelabError('HL_CANCELLED', 'homelab bootstrap was ended', { hint: 'npm run lab' });
  if (exitCode === 0) log(next(`--bundle ${lab.bundle} -i ${lab.inventoryPath}`, name));
  return exitCode;
}

/** Without the bundle, homelab would want the machines to install from the inventory's repositories: two different wishes. */
function next(same: string, name: string): string {
  const lab = name === 'lab' ? '' : ` --name ${name}`;
  const commands = [
    [`npx homelab bootstrap ${same}`, 'a second run plans nothing'],
    [
      `npm run lab -- ssh k8s-cp${lab} -- sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes`,
      'look inside',
    ],
    [`npm run lab -- fault power-cut k8s-worker1${lab}`, 'break something'],
    [`npx homelab verify ${same}`, 'does it all still work?'],
    [`npm run lab -- down${lab}`, 'take everything away again'],
  ];
  return [
    '',
    'A cluster is up. What to try next:',
    ...commands.map(([command, why]) => `  ${command}   # ${why}`),
  ].join('\n');
}
