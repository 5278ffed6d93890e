// What the tests on real machines share: a lab of their own, a bundle of their choice, inventories that differ in a line.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { parsePackages } from '../../src/bundle/apt-index.ts';
import { bundlePath, checkPrerequisites, ensureBundle } from './bundle.ts';
import { ensureLayers } from './layers-bundle.ts';
import { type Lab, labDown, labSupported, labUp } from './machines.ts';
import { type Log, run, until } from './run.ts';
import { type HomelabRun, runHomelab } from './run-homelab.ts';

const log: Log = line => console.error(line);

/** Why there can be no cluster here, for the names of skipped tests; undefined: there can. */
export async function whyNoCluster(): Promise<string | undefined> {
  const reason = await labSupported();
  if (reason !== undefined) return reason;
  const missing = await checkPrerequisites();
  return missing.length === 0 ? undefined : `no lab bundle here: ${missing.map(one => one.what).join(', ')}`;
}

/** New machines, whatever a killed test run has left of the old ones. With `cilium`: layers are in its bundle and inventory. */
export async function freshLab(name: string, machines: number, cilium = false): Promise<Lab> {
  const bundle = cilium ? await ensureLayers({ log }) : (await ensureBundle({ log })).dir;
  await labDown(name, { log });
  const lab = await labUp({ name, machines, log, bundle, cilium });
  await onAll(lab, "echo 'deb [trusted=yes] file:/srv/homelab-lab/apt bookworm main' >/etc/apt/sources.list");
  return lab;
}

/** A person's home for this lab. */
export const homeOf = (lab: Lab): string => path.join(lab.dir, 'home');

/** Runs homelab with this lab's own inventory, or the one given. */
export function homelab(lab: Lab, args: readonly string[], inventory = lab.inventoryPath): Promise<HomelabRun> {
  return runHomelab(homeOf(lab), [...args, '-i', inventory]);
}

/** The lab's inventory with these texts replaced, as a file beside it. */
export async function changedInventory(
  lab: Lab,
  name: string,
  replacements: Readonly<Record<string, string>>,
): Promise<string> {
  let text = await readFile(lab.inventoryPath, 'utf8');
  for (const [before, after] of Object.entries(replacements)) {
    if (!text.includes(before)) throw new Error(`the lab's inventory has no ${JSON.stringify(before)}:\n${text}`);
    text = text.replaceAll(before, after);
  }
  const file = path.join(lab.dir, `${name}.yaml`);
  await writeFile(file, text);
  return file;
}

/** The lab's inventory with these machines only, in these roles, as a file beside it. */
export async function inventoryOf(
  lab: Lab,
  name: string,
  roles: Readonly<Record<string, 'control-plane' | 'worker'>>,
): Promise<string> {
  const inventory = load(await readFile(lab.inventoryPath, 'utf8')) as { readonly hosts: readonly { name: string }[] };
  const hosts = Object.entries(roles).map(([host, role]) => ({
    ...inventory.hosts.find(each => each.name === host),
    role,
  }));
  const file = path.join(lab.dir, `${name}.yaml`);
  await writeFile(file, dump({ ...inventory, hosts }, { lineWidth: -1 }));
  return file;
}

/** stdout of sh in the machine, as root, over no network; throws unless it exits with 0. */
export async function inside(lab: Lab, host: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await lab.exec(host, ['sh', '-c', `set -eu\n${script}`]);
  if (code !== 0) throw new Error(`exit ${code} on ${host}: ${script}\n${stdout}${stderr}`);
  return stdout;
}

export async function onAll(lab: Lab, script: string): Promise<readonly string[]> {
  return Promise.all(lab.hosts.map(host => inside(lab, host.name, script)));
}

export function kubectl(lab: Lab, args: string, host = 'k8s-cp'): Promise<string> {
  return inside(lab, host, `kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s ${args}`);
}

/** Names of the nodes that are Ready, sorted. */
export async function readyNodes(lab: Lab, host = 'k8s-cp'): Promise<readonly string[]> {
  const path = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  const lines = (await kubectl(lab, `get nodes -o jsonpath='${path}'`, host)).split('\n');
  return lines.flatMap(line => (line.endsWith(' True') ? [line.slice(0, line.indexOf(' '))] : [])).sort();
}

/** Waits for something to hold in the machine: the script exits with 0. */
export async function untilInside(lab: Lab, host: string, script: string, what: string): Promise<void> {
  await until(async () => (await lab.exec(host, ['sh', '-c', script])).code === 0, { timeoutMs: 60_000, what });
}

/** A bundle of packages of the lab's repository, as hard links. */
export async function bundleOf(folder: string, packages: readonly string[]): Promise<string> {
  const repository = path.join(bundlePath(), 'apt');
  const index = parsePackages(await readFile(path.join(repository, 'Packages'), 'utf8'));
  const entries = packages.map(name => {
    const found = index.find(entry => entry.name === name);
    if (found === undefined) throw new Error(`the lab's repository has no ${name}`);
    const { version, arch, filename: file, sha256, bytes } = found;
    return { kind: 'deb', name, version, arch, file, sha256, bytes };
  });
  for (const { file } of entries) {
    const target = path.join(folder, file);
    await mkdir(path.dirname(target), { recursive: true });
    // Where the lab's state is on another filesystem than the cache, cp copies.
    await run(['cp', '--link', path.join(repository, file), target]).catch(() =>
      run(['cp', path.join(repository, file), target]),
    );
  }
  const content = { apiVersion: 'homelab/v1', kind: 'Bundle', entries };
  await writeFile(path.join(folder, 'bundle.json'), JSON.stringify(content));
  return folder;
}
