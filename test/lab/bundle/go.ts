// Builds the commands of one wrapper module, once: they are kept by the hash of what decides them.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { goEnvironment, goHint } from './go-environment.ts';
import { downloadModule } from './module-files.ts';
import { type GoModule, goModuleHash, type SourcePatch } from './recipe.ts';
import { run } from './run.ts';

export interface GoBuild {
  readonly module: GoModule;
  /** The module's folder with go.mod, go.sum and tools.go. */
  readonly source: string;
  /** Where finished commands are kept. */
  readonly parts: string;
  /** For Go's own two caches. */
  readonly caches: string;
  readonly signal: AbortSignal | undefined;
}

/** Is there nothing left to do for this module? */
export function isBuilt(parts: string, module: GoModule): boolean {
  return existsSync(partFolder(parts, module));
}

/** Binary name to its file. */
export async function buildGoModule(build: GoBuild): Promise<ReadonlyMap<string, string>> {
  const { module, parts } = build;
  const part = partFolder(parts, module);
  if (!existsSync(part)) {
    const unfinished = `${part}.unfinished`;
    await mkdir(path.join(build.caches, 'tmp'), { recursive: true });
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    await compile(build, unfinished);
    await dropOlder(parts, module);
    await rename(unfinished, part);
  }
  return new Map(Object.keys(module.commands).map(name => [name, path.join(part, name)]));
}

async function compile(build: GoBuild, target: string): Promise<void> {
  const { module, source, caches, signal } = build;
  const stamps = Object.entries(module.stamps).map(([variable, value]) => `-X '${variable}=${value}'`);
  const packages = Object.values(module.commands);
  const tags = module.tags === undefined ? [] : [`-tags=${module.tags.join(',')}`];
  const overlay = module.patch === undefined ? [] : [`-overlay=${await patched(module.patch, build)}`];
  const flags = ['-trimpath', ...tags, ...overlay, '-ldflags', ['-s', '-w', ...stamps].join(' ')];
  await run(['go', 'build', ...flags, '-o', `${target}/`, ...packages], {
    cwd: source,
    env: { ...goEnvironment(module.toolchain, caches), GOFLAGS: '-mod=readonly -modcacherw -buildvcs=false' },
    signal,
    hint: goHint,
  });
  for (const [name, packagePath] of Object.entries(module.commands)) {
    const made = defaultName(packagePath);
    if (made !== name) await rename(path.join(target, made), path.join(target, name));
  }
}

/** The overlay that tells `go build` to read our copy of one file. */
async function patched(patch: SourcePatch, { module, source, caches, signal }: GoBuild): Promise<string> {
  const folder = await downloadModule({
    module: patch.module,
    source,
    toolchain: module.toolchain,
    caches,
    signal,
  });
  const file = path.join(folder, patch.file);
  const text = await readFile(file, 'utf8');
  if (text.split(patch.from).length !== 2) throw new Error(`${file} has ${patch.from} not exactly once`);
  const copy = path.join(caches, 'patched.go');
  await writeFile(copy, text.replace(patch.from, patch.to));
  const overlay = path.join(caches, 'overlay.json');
  await writeFile(overlay, JSON.stringify({ Replace: { [file]: copy } }));
  return overlay;
}

/** The name that `go build` gives: the last part of the path that is not a major version. */
function defaultName(packagePath: string): string {
  const parts = packagePath.split('/').filter(part => !/^v\d+$/.test(part));
  return parts.at(-1) ?? packagePath;
}

/** What an older recipe built of this module; the newest is enough. */
async function dropOlder(parts: string, module: GoModule): Promise<void> {
  for (const name of await readdir(parts)) {
    const isOlder = name.startsWith(`${module.name}-`) && /^[0-9a-f]{16}$/.test(name.slice(module.name.length + 1));
    if (isOlder) await rm(path.join(parts, name), { recursive: true, force: true });
  }
}

function partFolder(parts: string, module: GoModule): string {
  return path.join(parts, `${module.name}-${goModuleHash(module)}`);
}
