// Builds the commands of one wrapper module, once: they are kept by the hash of what decides them.
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { architecture, type GoModule, goModuleHash } from './recipe.ts';
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
  const stamps = Object.entries(module.stamps).map(([variable, value]) => `-X ${variable}=${value}`);
  const packages = Object.values(module.commands);
  await run(
    ['go', 'build', '-trimpath', '-ldflags', ['-s', '-w', ...stamps].join(' '), '-o', `${target}/`, ...packages],
    {
      cwd: source,
      env: {
        CGO_ENABLED: '0',
        GOOS: 'linux',
        GOARCH: architecture(),
        GOAMD64: 'v1',
        GOFLAGS: '-mod=readonly -modcacherw -buildvcs=false',
        GOWORK: 'off',
        GOTOOLCHAIN: module.toolchain,
        GOMODCACHE: path.join(caches, 'mod'),
        GOCACHE: path.join(caches, 'build'),
        // /tmp may be small, and whatever a killed build leaves is swept with the caches.
        GOTMPDIR: path.join(caches, 'tmp'),
      },
      signal,
      hint: `if it could not download: look at 'go env GOPROXY' and the network, then run it again (built commands are kept)`,
    },
  );
  for (const [name, packagePath] of Object.entries(module.commands)) {
    const made = defaultName(packagePath);
    if (made !== name) await rename(path.join(target, made), path.join(target, name));
  }
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
