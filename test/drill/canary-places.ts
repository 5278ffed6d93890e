// Where canaries are looked for: files here, and in a machine everything that is written down. And where each has to be.
import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { isMissing } from '../lab/files.ts';
import type { Lab } from '../lab/machines.ts';
import { inside } from '../lab/test-lab.ts';
import type { Search } from './canary-search.ts';

export interface Finding {
  readonly place: string;
  readonly files: number;
  readonly bytes: number;
  /** 'has to: …' where it is meant to be. */
  readonly found: readonly string[];
}

/** The files that need it, each readable by root alone. */
const needed: readonly (readonly [RegExp, RegExp])[] = [
  [/^registry password/, /^\/etc\/containerd\/certs\.d\/registry\.home\.arpa:5000\/hosts\.toml$/],
  [/^encryption key/, /^\/etc\/kubernetes\/homelab\/encryption\.yaml$/],
  [/^[a-z/-]+\.key/, /^\/etc\/kubernetes\/pki\/(etcd\/)?[a-z-]+\.key$/],
  [/^admin\.conf's key/, /^\/etc\/kubernetes\/admin\.conf$/],
  // What a reset saves of a machine.
  [/^(encryption key|[a-z/-]+\.key|admin\.conf's key)/, /^\/var\/log\/homelab\/reset-\w+\/kubernetes\.tar$/],
];

/** Folders of a machine, as rows of the table. /proc is sampled and traced; images and packages are the bundle's. */
const folders = ['/etc', '/home', '/opt', '/root', '/run', '/srv', '/tmp', '/usr/local', '/var'];
const skipped =
  /^\/(srv\/homelab-lab|var\/lib\/(containerd|dpkg|apt)|var\/cache\/apt|run\/containerd)(\/|$)|\/proc(\/|$)|\/rootfs(\/|$)/;

export async function searchHere(search: Search, place: string, files: readonly string[]): Promise<Finding> {
  const texts = await Promise.all(files.map(file => readFile(file, 'latin1')));
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  return { place, files: files.length, bytes, found: [...new Set(texts.flatMap(text => search(text)))] };
}

export async function searchGuest(lab: Lab, host: string, search: Search): Promise<readonly Finding[]> {
  const root = `/proc/${await lab.init(host)}/root`;
  const findings: Finding[] = [];
  for (const folder of folders) {
    let [files, bytes] = [0, 0];
    const found: string[] = [];
    await walk(root, folder, async (file, size, mode) => {
      const text = await readFile(path.join(root, file), 'latin1').catch(() => '');
      [files, bytes] = [files + 1, bytes + size];
      found.push(...search(text).map(each => verdict(each, file, mode)));
    });
    findings.push({ place: `${host} ${folder}`, files, bytes, found });
  }
  // What the journal's own files may hold compressed.
  const journal = await inside(lab, host, 'journalctl --no-pager --all --output=json');
  return [...findings, { place: `${host} journald`, files: 1, bytes: journal.length, found: search(journal) }];
}

function verdict(what: string, file: string, mode: number): string {
  const isNeeded = needed.some(([canary, place]) => canary.test(what) && place.test(file));
  const modes = (mode & 0o777).toString(8);
  return isNeeded && modes === '600' ? `has to: ${what} in ${file}` : `${what} in ${file} (${modes})`;
}

type Visit = (file: string, size: number, mode: number) => Promise<void>;

async function walk(root: string, file: string, visit: Visit): Promise<void> {
  if (skipped.test(file)) return;
  const stat = await lstat(path.join(root, file)).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (stat?.isDirectory()) {
    const names = (await readdir(path.join(root, file)).catch(() => [])).sort();
    for (const name of names) await walk(root, path.join(file, name), visit);
  } else if (stat?.isFile()) await visit(file, stat.size, stat.mode);
}
