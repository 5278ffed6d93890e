// Ansible and pyinfra, pinned, in a folder of their own; and an inventory that asks of them what ours asks of homelab.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Survey } from '../../src/engine/run.ts';
import type { Host, Json } from '../../src/model/cluster.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { renderInit } from '../../src/transitions/kubeadm-config.ts';
import { labCache } from '../lab/bundle/places.ts';
import { withLock } from '../lab/lock.ts';
import { output } from '../lab/run.ts';
import type { BenchLab } from './lab.ts';
import { benchSources, type Timed, timed } from './timed.ts';

export interface Rival {
  readonly name: string;
  /** One run; throws unless it found everything in order and changed nothing. */
  run(): Promise<Timed>;
}

/** Why the rivals cannot be installed here. */
export async function rivalsMissing(): Promise<string | undefined> {
  const python = await output(['python3', '-m', 'venv', '--help']).catch(() => ({ code: 1 }));
  return python.code === 0 ? undefined : 'python3 with venv is not installed, so there is no Ansible to compare with';
}

/** The folder of the virtual environment with what requirements.txt pins; made once. */
export async function ensureRivals(log: (line: string) => void): Promise<string> {
  const requirements = path.join(benchSources(), 'requirements.txt');
  const sum = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const folder = path.join(labCache(), `rivals-${sum}`);
  if (existsSync(folder)) return folder;
  await mkdir(labCache(), { recursive: true });
  return withLock(folder, { log, signal: undefined }, async () => {
    if (existsSync(folder)) return folder;
    log(`installing Ansible and pyinfra (once): ${folder}`);
    const partial = `${folder}.partial`;
    await rm(partial, { recursive: true, force: true });
    await timed(['python3', '-m', 'venv', partial]);
    await timed([path.join(partial, 'bin/python3'), '-m', 'pip', '--quiet', 'install', '-r', requirements]);
    await rename(partial, folder);
    return folder;
  });
}

/** Both rivals, with inventories in the lab's folder. */
export async function rivalsOf(bench: BenchLab, found: Survey, log: (line: string) => void): Promise<readonly Rival[]> {
  const environment = await ensureRivals(log);
  const python = path.join(environment, 'bin/python3');
  const inventory = path.join(bench.folder, 'inventory.json');
  const hosts = path.join(bench.folder, 'inventory.py');
  const vars = new Map(found.world.cluster.hosts.map(host => [host.name, varsOf(host, found)]));
  await writeFile(inventory, JSON.stringify(ansibleInventory(bench, found, vars), null, 1));
  await writeFile(hosts, pyinfraInventory(bench, found, vars));
  const sources = benchSources();
  return [
    {
      name: 'Ansible',
      // As modules: the scripts in bin/ name the folder they were installed in.
      run: async () => {
        const result = await timed([python, '-m', 'ansible', 'playbook', '-i', inventory, 'ansible/site.yml'], {
          cwd: sources,
          env: { ANSIBLE_CONFIG: 'ansible/ansible.cfg', ANSIBLE_SSH_CONTROL_PATH_DIR: path.join(bench.folder, 'cp') },
        });
        // PLAY RECAP: one line a machine, 'k8s-cp : ok=41 changed=0 …'.
        const changed = result.stdout.match(/^\S+ +: ok=.* changed=[1-9].*$/gm) ?? [];
        if (!/ changed=0 /.test(result.stdout) || changed.length > 0) throw notConverged('Ansible', changed.join('; '));
        return result;
      },
    },
    {
      name: 'pyinfra',
      run: async () => {
        const result = await timed(
          [python, '-c', 'from pyinfra_cli.main import main; main()', '--yes', hosts, 'pyinfra/deploy.py'],
          {
            cwd: sources,
          },
        );
        // Its last line: hosts times operations, successes, errors, without change.
        const [, all, unchanged] = /Grand total\s+(\d+)\s+-\s+-\s+(\d+)/.exec(result.stderr) ?? [];
        if (all === undefined || all !== unchanged) throw notConverged('pyinfra', result.stderr.slice(-500));
        return result;
      },
    },
  ];
}

function notConverged(rival: string, what: string): HomelabError {
  return new HomelabError('HL_VERIFY', `${rival} changed something on machines that homelab calls converged: ${what}`, {
    hint: 'its inventory or playbook does not ask for the same end state any more; bring them together',
  });
}

type Vars = Readonly<Record<string, Json>>;

// What homelab wants of this machine, in the rivals' words: same files, same values.
function varsOf(host: Host, { world, intents }: Survey): Vars {
  const { cluster } = world;
  const wants = (phase: string) =>
    intents
      .filter(intent => intent.host.name === host.name && intent.phase.id === phase)
      .flatMap(intent => intent.wants)
      .flatMap(want => (want.kind === 'resource' ? [want] : []));
  const filesOf = (phase: string): readonly Json[] =>
    wants(phase)
      .filter(({ key, desired }) => key.startsWith('file:') && typeof desired === 'object')
      .map(({ key, desired }) => {
        const { content, mode } = desired as { readonly content: string; readonly mode: string };
        return { path: key.slice('file:'.length), content, mode: `0${mode}` };
      });
  const objectsOf = (phase: string, prefix: string) =>
    wants(phase)
      .filter(({ key }) => key.startsWith(prefix))
      .flatMap(({ desired }) => Object.entries(desired as Record<string, Json>));
  return {
    base_files: [...filesOf('host-base'), ...filesOf('control-plane')],
    prerequisites: objectsOf('host-base', 'packages:').map(([name]) => name),
    sysctls: objectsOf('host-base', 'sysctl:').map(([key, value]) => ({ key, value })),
    hosts_block: String(wants('host-base').find(({ key }) => key.startsWith('block:'))?.desired ?? '').trimEnd(),
    containerd_files: filesOf('containerd'),
    containerd_package: cluster.containerd.package,
    containerd_version: cluster.containerd.version,
    kubernetes_version: cluster.kubernetes.version.replace(/^v/, ''),
    images_of_role: host.role === 'control-plane' ? '.' : '/(kube-proxy|pause|coredns):',
    kubeadm_config: host.role === 'control-plane' ? renderInit(world, host) : '',
    pod_subnet: cluster.kubernetes.podSubnet,
    service_subnet: cluster.kubernetes.serviceSubnet,
    network_files: filesOf('network'),
    pod_routes: objectsOf('network', 'routes:').map(([subnet, via]) => `${subnet} via ${String(via)}`),
    all_nodes: cluster.hosts.map(({ name }) => name),
  };
}

function ansibleInventory(bench: BenchLab, { world }: Survey, vars: ReadonlyMap<string, Vars>): Json {
  const group = (role: Host['role']): Json => ({
    hosts: Object.fromEntries(
      world.cluster.hosts
        .filter(host => host.role === role)
        .map(({ name, address }) => [name, { ...vars.get(name), ansible_host: address }]),
    ),
  });
  return {
    all: {
      vars: {
        ansible_user: 'admin',
        ansible_ssh_private_key_file: path.join(bench.lab.dir, 'id_ed25519'),
        ansible_ssh_common_args: `-F /dev/null -o UserKnownHostsFile=${path.join(bench.lab.dir, 'known_hosts')}`,
      },
      children: { control_plane: group('control-plane'), workers: group('worker') },
    },
  };
}

function pyinfraInventory(bench: BenchLab, { world }: Survey, vars: ReadonlyMap<string, Vars>): string {
  const group = (role: Host['role']) =>
    world.cluster.hosts
      .filter(host => host.role === role)
      .map(({ name, address }) => [name, { ...vars.get(name), ssh_hostname: address }]);
  const shared = {
    ssh_user: 'admin',
    ssh_key: path.join(bench.lab.dir, 'id_ed25519'),
    ssh_known_hosts_file: path.join(bench.lab.dir, 'known_hosts'),
    ssh_strict_host_key_checking: 'yes',
    _sudo: true,
  };
  const read = (value: unknown) => `json.loads(${JSON.stringify(JSON.stringify(value))})`;
  return `import json
control_plane = [(name, data) for name, data in ${read(group('control-plane'))}]
workers = [(name, data) for name, data in ${read(group('worker'))}]
for _, data in control_plane + workers:
    data.update(json.loads(${JSON.stringify(JSON.stringify(shared))}))
    data["_sudo"] = True
del data, _
`;
}
