// Files that come with a Go module and are not compiled: charts, programs for the kernel, scripts. Kept by what decides them.
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { goEnvironment, goHint } from './go-environment.ts';
import { hash, recentGo } from './recipe.ts';
import { run } from './run.ts';

export interface ModuleFiles {
  /** Also the name in messages. */
  readonly name: string;
  readonly module: string;
  readonly version: string;
  /** As go.sum has it. */
  readonly sum: string;
  /** Name here to path in the module: a file or a folder. */
  readonly paths: Readonly<Record<string, string>>;
  /** Names here, below folders, that are left out. */
  readonly without?: readonly string[];
}

export interface FilesSite {
  readonly parts: string;
  readonly caches: string;
  readonly signal: AbortSignal | undefined;
}

const downloadSchema = z.object({ Dir: z.string(), Sum: z.string() });

export function filesFolder(parts: string, files: ModuleFiles): string {
  return path.join(parts, `${files.name}-files-${hash(files)}`);
}

/** The folder with these files. */
export async function takeModuleFiles(files: ModuleFiles, site: FilesSite): Promise<string> {
  const part = filesFolder(site.parts, files);
  if (existsSync(part)) return part;
  const { module, version, sum } = files;
  const from = await downloadModule({ ...site, module: `${module}@${version}`, sum, toolchain: recentGo });
  const unfinished = `${part}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  for (const [name, source] of Object.entries(files.paths)) {
    await cp(path.join(from, source), path.join(unfinished, name), { recursive: true });
  }
  for (const name of files.without ?? []) await rm(path.join(unfinished, name), { recursive: true });
  await rename(unfinished, part);
  return part;
}

interface Download {
  readonly module: string;
  readonly sum?: string;
  /** The wrapper module that names it. */
  readonly source?: string;
  readonly toolchain: string;
  readonly caches: string;
  readonly signal: AbortSignal | undefined;
}

/** Downloads a module (`path@version`, or a path that `source`'s go.mod has); Go proves it by go.sum or the sum database. */
export async function downloadModule(wanted: Download): Promise<string> {
  const { module, sum, source, toolchain, caches, signal } = wanted;
  await mkdir(path.join(caches, 'tmp'), { recursive: true });
  const output = await run(['go', 'mod', 'download', '-json', module], {
    cwd: source ?? caches,
    env: goEnvironment(toolchain, caches),
    signal,
    hint: goHint,
  });
  const { Dir, Sum } = downloadSchema.parse(JSON.parse(output));
  if (sum !== undefined && sum !== Sum) throw new Error(`${module} has the sum ${Sum}, not ${sum}`);
  return Dir;
}
