// homelab access: one ordered list of who has something to offer. A layer with a URL or a password is one more entry.
import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { load } from 'js-yaml';
import { z } from 'zod';
import { loadInventory } from '../inventory/load.ts';
import { ipv4Of } from '../io/find-machines.ts';
import { stateDir } from '../io/journal.ts';
import type { AccessRow } from '../model/access.ts';
import type { Cluster } from '../model/cluster.ts';
import { exitCodes } from '../model/errors.ts';
import { command } from '../model/shell.ts';
import { controlPlanesOf, endpointOf } from '../model/world.ts';
import { accessLines } from '../render/access.ts';
import { paletteFor } from '../render/color.ts';
import { kubeconfigPath } from './kubeconfig.ts';
import type { Io, RunOptions } from './session.ts';

export type AccessOptions = Pick<RunOptions, 'inventory'> & { readonly output?: 'plain' | 'json' };

/** What this computer has and knows. */
export interface Here {
  readonly env: Io['env'];
  readonly inventory: string;
  /** The kubeconfig that kubectl reads, and whether it has a context of the cluster's name. */
  readonly kubeconfig: string;
  readonly hasContext: boolean;
  /** What the endpoint's name means here; undefined where nobody knows it. */
  readonly endpointAddress: string | undefined;
}

type Source = (cluster: Cluster, here: Here) => readonly AccessRow[];

export async function runAccess({ inventory, output }: AccessOptions, io: Io): Promise<number> {
  const cluster = await loadInventory(inventory);
  const rows = await accessRows(cluster, inventory, io.env);
  io.stdout.write(
    output === 'json'
      ? `${JSON.stringify({ cluster: cluster.name, access: rows })}\n`
      : accessLines(rows, await paletteFor(io.stdout, io.env))
          .join('\n')
          .concat('\n'),
  );
  return exitCodes.ok;
}

export async function accessRows(cluster: Cluster, inventory: string, env: Io['env']): Promise<readonly AccessRow[]> {
  const kubeconfig = kubeconfigPath(env);
  const { endpoint } = cluster.kubernetes;
  const here: Here = {
    env,
    inventory,
    kubeconfig,
    hasContext: await hasContext(kubeconfig, cluster.name),
    endpointAddress: endpoint === undefined || isIPv4(endpoint) ? endpoint : await ipv4Of(endpoint),
  };
  return sources.flatMap(source => source(cluster, here));
}

const kubectl: Source = ({ name }, { kubeconfig, hasContext: has, inventory }) => [
  has
    ? {
        what: 'kubectl',
        where: `${kubeconfig}, context ${name}`,
        type: command('kubectl', '--context', name, 'get', 'nodes'),
      }
    : {
        what: 'kubectl',
        where: `${kubeconfig} has no context ${name} yet`,
        type: withInventory('homelab kubeconfig --merge --use', inventory),
      },
];

const apiServer: Source = (cluster, { endpointAddress, inventory }) => {
  const where = `https://${endpointOf({ cluster, bundle: undefined })}`;
  const { endpoint } = cluster.kubernetes;
  const [first] = controlPlanesOf({ cluster, bundle: undefined });
  const isKnown = controlPlanesOf({ cluster, bundle: undefined }).some(({ address }) => address === endpointAddress);
  if (endpoint === undefined || !first || isKnown || isIPv4(endpoint)) return [{ what: 'API server', where }];
  const means =
    endpointAddress === undefined
      ? 'this computer does not know the name'
      : `here it means ${endpointAddress}, which may be a load balancer of yours`;
  return [
    {
      what: 'API server',
      where: `${where} (${means})`,
      type: `echo '${first.address} ${endpoint}' | sudo tee -a /etc/hosts`,
    },
    {
      what: '',
      where: 'or past the name',
      type: withInventory(`homelab kubeconfig --merge --server ${first.address}`, inventory),
    },
  ];
};

const machines: Source = cluster =>
  controlPlanesOf({ cluster, bundle: undefined })
    .slice(0, 1)
    .map(({ name, address, ssh }) => ({
      what: 'machines',
      where: `SSH; root's kubectl is on ${name}`,
      type: command(
        'ssh',
        ...(ssh.identityFile === undefined ? [] : ['-i', ssh.identityFile]),
        ...(ssh.port === undefined ? [] : ['-p', String(ssh.port)]),
        ssh.user === undefined ? address : `${ssh.user}@${address}`,
      ),
    }));

const backups: Source = ({ name, backup }, { env, inventory }) => {
  if (!backup)
    return [{ what: 'backups', where: 'none: the inventory has no backup section', type: 'homelab backup --help' }];
  const { key } = backup;
  const opens =
    key === undefined
      ? 'its key is not in the inventory: you have it'
      : `opened by ${key.kind === 'file' ? key.path : `the variable ${key.name}`}`;
  return [
    {
      what: 'backups',
      where: `${stateDir(env)}/${name}/backups; ${opens}`,
      type: withInventory('homelab backup --fetch', inventory),
    },
  ];
};

/** Passwords are printed by commands, and stand in no row; nothing that homelab installs today has one. */
const sources: readonly Source[] = [kubectl, apiServer, machines, backups];

function withInventory(line: string, inventory: string): string {
  return inventory === 'inventory/homelab.yaml' ? line : `${line} ${command('-i', inventory)}`;
}

const contexts = z.object({ contexts: z.array(z.looseObject({ name: z.string() })).nullish() });

async function hasContext(file: string, name: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => '');
  try {
    return contexts.parse(load(text)).contexts?.some(each => each.name === name) ?? false;
  } catch {
    return false;
  }
}
