// Known secrets in every place that carries one; then a cluster is made under the eyes of strace, and they are looked for everywhere.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { output } from '../lab/run.ts';
import { freshLab, homeOf } from '../lab/test-lab.ts';
import { drawn, plant } from './canary-cluster.ts';
import { type Finding, searchGuest, searchHere } from './canary-places.ts';
import { runAll } from './canary-runs.ts';
import { sample } from './canary-samples.ts';
import { type Search, searchFor } from './canary-search.ts';
import { traceGuest } from './guest-trace.ts';

const labName = 'drill-canaries';

/** Exit code: 0 when each is only where it has to be. */
export async function canaries({ keep = false }: { readonly keep?: boolean | undefined }): Promise<number> {
  if ((await output(['sh', '-c', 'command -v strace'])).code !== 0) {
    console.error('strace is not installed here: apt-get install strace');
    return 2;
  }
  const lab = await freshLab(labName, 3);
  const evidence = path.join(lab.dir, 'canaries');
  const { inventory, canaries: planted } = await plant(lab);
  const overheard = path.join(lab.dir, 'overheard');
  await writeFile(overheard, '', { mode: 0o600 });
  process.env['HOMELAB_OVERHEARD'] = overheard;
  process.env['NODE_OPTIONS'] = `--import=${fileURLToPath(new URL('overheard.js', import.meta.url))}`;

  const traces = await Promise.all(
    lab.hosts.map(({ name }) => traceGuest(lab, name, path.join(lab.dir, `${name}.strace`))),
  );
  const sampling = await sample(lab);
  const begun = performance.now();
  const ran = await runAll(lab, inventory, evidence).finally(async () => {
    delete process.env['NODE_OPTIONS'];
    for (const trace of traces) await trace.stop();
    await sampling.stop();
  });
  const seconds = Math.round((performance.now() - begun) / 1000);
  const { commandLines, passingFiles } = await sampling.stop();
  for (const { file } of traces)
    if (!(await readFile(file, 'latin1')).includes('kubeadm')) throw new Error(`${file} saw no kubeadm`);

  const all = [...planted, ...(await drawn(overheard)), ...ran.canaries];
  console.log(`${all.length} canaries: ${all.map(({ name }) => name).join(', ')}; ${seconds} s under strace`);
  const search = searchFor(all);
  const findings: Finding[] = [
    ...(await Promise.all(
      traces.map(({ file }) => searchHere(search, `strace ${path.basename(file, '.strace')}`, [file])),
    )),
    textsOf('command lines, while it runs', search, [...commandLines]),
    textsOf('passing files, while it runs', search, [...passingFiles]),
    ...Object.entries(ran.runs).map(([what, { stdout, stderr }]) => textsOf(what, search, [stdout, stderr])),
    await searchHere(search, 'journals and backups of homelab', await filesUnder(path.join(homeOf(lab), 'state'))),
    await searchHere(search, 'cassettes', await filesUnder(evidence)),
    ...(await Promise.all(lab.hosts.map(({ name }) => searchGuest(lab, name, search)))).flat(),
  ];
  console.log(tableOf(findings));
  const ok = ran.ok && findings.every(({ found }) => found.every(isAllowed));
  console.log(ok ? 'every canary is only where it has to be' : 'NOT as it has to be');
  if (!keep) {
    await rm(overheard);
    await lab.down();
  }
  return ok ? 0 : 1;
}

const isAllowed = (found: string): boolean => found.startsWith('has to: ');

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
