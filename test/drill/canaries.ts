// Known secrets in every place that carries one; then a cluster is made under the eyes of strace, and they are looked for everywhere.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';
import type { Lab } from '../lab/machines.ts';
import { output } from '../lab/run.ts';
import { type HomelabRun, startHomelab } from '../lab/run-homelab.ts';
import { freshLab, homeOf, inside, inventoryOf } from '../lab/test-lab.ts';
import { type Finding, searchGuest, searchHere } from './canary-places.ts';
import { sample } from './canary-samples.ts';
import { type Canary, type Search, searchFor } from './canary-search.ts';
import { traceGuest } from './guest-trace.ts';

const labName = 'drill-canaries';
const roles = { 'k8s-cp': 'control-plane', 'k8s-worker1': 'control-plane', 'k8s-worker2': 'worker' } as const;

/** Exit code: 0 when each is only where it has to be. */
export async function canaries({ keep = false }: { readonly keep?: boolean | undefined }): Promise<number> {
  if ((await output(['sh', '-c', 'command -v strace'])).code !== 0) {
    console.error('strace is not installed here: apt-get install strace');
    return 2;
  }
  const lab = await freshLab(labName, 3);
  const evidence = path.join(lab.dir, 'canaries');
  const sudo = { name: 'sudo password', value: "canary-sudo/+%&$'9d4e1b" };
  const registry = { name: 'registry password', value: 'canary-registry/+%&$"5c27f0' };
  for (const { name } of lab.hosts) await lab.exec(name, ['chpasswd'], { stdin: `pw:${sudo.value}\n` });
  const inventory = await inventoryWith(lab, { sudo, registry });
  const overheard = path.join(lab.dir, 'overheard');
  await writeFile(overheard, '', { mode: 0o600 });
  process.env['HOMELAB_OVERHEARD'] = overheard;
  process.env['NODE_OPTIONS'] = `--import=${fileURLToPath(new URL('overheard.js', import.meta.url))}`;

  const traces = await Promise.all(
    lab.hosts.map(({ name }) => traceGuest(lab, name, path.join(lab.dir, `${name}.strace`))),
  );
  const sampling = await sample(lab);
  const begun = performance.now();
  const common = ['--bundle', lab.bundle ?? '', '-i', inventory, '--yes'];
  const runs: Record<string, HomelabRun> = {};
  try {
    const first = [...common, '--until', 'control-plane', '--record', path.join(evidence, 'first')];
    runs['bootstrap --until control-plane (json)'] = await run(lab, ['bootstrap', ...first]);
    const second = [...common, '--record', path.join(evidence, 'second'), '--output', 'plain'];
    // Under strace a machine may seem away for too long; the same command again goes on.
    for (const what of ['bootstrap (plain)', 'bootstrap (plain, again)', 'bootstrap (plain, a third time)']) {
      runs[what] = await run(lab, ['bootstrap', ...second]);
      if (runs[what].code === 0) break;
    }
    // Nothing is left to be done.
    const looking = [...common.slice(0, -1), '--detailed-exitcode', '--output', 'plain'];
    runs['plan (plain)'] = await run(lab, ['plan', ...looking]);
  } finally {
    delete process.env['NODE_OPTIONS'];
    for (const trace of traces) await trace.stop();
    await sampling.stop();
  }
  const seconds = Math.round((performance.now() - begun) / 1000);
  for (const [what, { code }] of Object.entries(runs)) console.log(`${what}: exit ${code}`);
  const { commandLines, passingFiles } = await sampling.stop();
  for (const { file } of traces)
    if (!(await readFile(file, 'latin1')).includes('kubeadm')) throw new Error(`${file} saw no kubeadm`);

  const all = [sudo, registry, ...(await drawn(overheard)), ...(await made(lab))];
  console.log(`${all.length} canaries: ${all.map(({ name }) => name).join(', ')}; ${seconds} s under strace`);
  const search = searchFor(all);
  const findings: Finding[] = [
    ...(await Promise.all(
      traces.map(({ file }) => searchHere(search, `strace ${path.basename(file, '.strace')}`, [file])),
    )),
    textsOf('command lines, while it runs', search, [...commandLines]),
    textsOf('passing files, while it runs', search, [...passingFiles]),
    ...Object.entries(runs).map(([what, { stdout, stderr }]) => textsOf(what, search, [stdout, stderr])),
    await searchHere(search, 'journals of homelab', await filesUnder(path.join(homeOf(lab), 'state'))),
    await searchHere(search, 'cassettes', await filesUnder(evidence)),
    ...(await Promise.all(lab.hosts.map(({ name }) => searchGuest(lab, name, search)))).flat(),
  ];
  console.log(tableOf(findings));
  const ok = runs['plan (plain)']?.code === 0 && findings.every(({ found }) => found.every(isAllowed));
  console.log(ok ? 'every canary is only where it has to be' : 'NOT as it has to be');
  if (!keep) {
    await rm(overheard);
    await lab.down();
  }
  return ok ? 0 : 1;
}

const isAllowed = (found: string): boolean => found.startsWith('has to: ');

async function run(lab: Lab, args: readonly string[]): Promise<HomelabRun> {
  const found = await (await startHomelab(homeOf(lab), args)).ended;
  if (found.code !== 0) console.log(found.stderr.slice(-3_000), found.stdout.slice(-3_000));
  return found;
}

/** The user whose sudo asks, a registry that asks, three machines of which two are control planes. */
async function inventoryWith(
  lab: Lab,
  { sudo, registry }: Readonly<Record<'sudo' | 'registry', Canary>>,
): Promise<string> {
  const file = await inventoryOf(lab, 'canaries', roles);
  const inventory = load(await readFile(file, 'utf8')) as Record<'ssh' | 'containerd', object>;
  const secrets = { sudo: path.join(lab.dir, 'sudo-password'), registry: path.join(lab.dir, 'registry-password') };
  await writeFile(secrets.sudo, `${sudo.value}\n`, { mode: 0o600 });
  await writeFile(secrets.registry, `${registry.value}\n`, { mode: 0o600 });
  const credentials = { username: 'somebody', password: `\${file:${secrets.registry}}` };
  const changed = {
    ...inventory,
    ssh: { ...inventory.ssh, user: 'pw', sudo: { password: `\${file:${secrets.sudo}}` } },
    containerd: { ...inventory.containerd, registries: { 'registry.home.arpa:5000': { credentials } } },
  };
  await writeFile(file, dump(changed, { lineWidth: -1 }));
  return file;
}

/** What homelab's vault drew: join tokens, certificate keys. */
async function drawn(file: string): Promise<readonly Canary[]> {
  const text = await readFile(file, 'utf8');
  const tokens = (text.match(/[a-z0-9]+/g) ?? [])
    .filter(word => word.length % 22 === 0)
    .flatMap(word => word.match(/.{22}/g) ?? []);
  const keys = text.match(/(?<= )[0-9a-f]{64}(?= )/g) ?? [];
  if (tokens.length === 0 || keys.length === 0) throw new Error('no join token or no certificate key was overheard');
  return [
    // The id before the dot is a name, not a secret.
    ...tokens.map((token, index) => ({ name: `join token ${index + 1}`, value: token.slice(6) })),
    ...keys.map((value, index) => ({ name: `certificate key ${index + 1}`, value })),
  ];
}

/** What was made on the machines: the key that Secrets are encrypted with, and a line of each private key. */
async function made(lab: Lab): Promise<readonly Canary[]> {
  const read = (script: string) => inside(lab, 'k8s-cp', script).then(text => text.trim());
  const keys = ['ca.key', 'sa.key', 'front-proxy-ca.key', 'etcd/ca.key'];
  return [
    { name: 'encryption key', value: await read("sed -n 's/^ *secret: //p' /etc/kubernetes/homelab/encryption.yaml") },
    ...(await Promise.all(
      keys.map(async key => ({ name: key, value: await read(`sed -n 5p /etc/kubernetes/pki/${key}`) })),
    )),
    {
      name: "admin.conf's key",
      value: await read("sed -n 's/^ *client-key-data: //p' /etc/kubernetes/admin.conf | base64 -d | sed -n 5p"),
    },
  ];
}

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath, entry.name));
}

function textsOf(place: string, search: Search, texts: readonly string[]): Finding {
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  return { place, files: texts.length, bytes, found: [...new Set(texts.flatMap(text => search(text)))] };
}

function tableOf(findings: readonly Finding[]): string {
  return findings
    .map(({ place, files, bytes, found }) => {
      const size = `${files} texts, ${Math.ceil(bytes / 1024)} KiB`;
      const wrong = found.filter(each => !isAllowed(each));
      const said = found.length === 0 ? 'nothing' : found.join('\n      ');
      return `${wrong.length === 0 ? '✔' : '✖'} ${place.padEnd(40)} ${size.padStart(22)}  ${said}`;
    })
    .join('\n');
}
