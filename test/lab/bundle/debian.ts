// Fetches Debian's own packages with everything they depend on, with the host's apt but none of the host's state.
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../../src/model/errors.ts';
import { architecture, versions } from './recipe.ts';
import { run } from './run.ts';

/** Debian's own signatures; package debian-archive-keyring. */
export const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** One `deb` line's address and suite. */
export interface DebianSource {
  readonly uri: string;
  readonly suite: string;
}

/**
 * Where this host itself gets Debian 12 from (its updates included), or HOMELAB_LAB_MIRROR where the host is something else.
 * Empty when neither is there.
 */
export async function debianSources(): Promise<readonly DebianSource[]> {
  const mirror = process.env['HOMELAB_LAB_MIRROR'];
  if (mirror) return [versions.debian, `${versions.debian}-updates`].map(suite => ({ uri: mirror, suite }));
  const format = '$(CREATED_BY)\t$(ORIGIN)\t$(RELEASE)\t$(COMPONENT)\t$(REPO_URI)';
  return parseIndexTargets(await run(['apt-get', 'indextargets', '--format', format]));
}

/** The lines of Debian's own Debian 12, main: other publishers use the same suite names. */
export function parseIndexTargets(output: string): readonly DebianSource[] {
  const suites: readonly string[] = [versions.debian, `${versions.debian}-updates`, `${versions.debian}-security`];
  const found = output.split('\n').flatMap(line => {
    const [createdBy, origin, suite = '', component, uri = ''] = line.split('\t');
    const isDebian = origin === 'Debian' || origin === '' || origin === '$(ORIGIN)';
    const wanted = createdBy === 'Packages' && isDebian && component === 'main' && suites.includes(suite);
    return wanted ? [{ uri, suite }] : [];
  });
  const unique = found.filter(
    (one, index) => found.findIndex(({ uri, suite }) => uri === one.uri && suite === one.suite) === index,
  );
  return unique.some(({ suite }) => suite === versions.debian) ? unique : [];
}

/** Puts the .debs into the pool, named as on Debian's mirrors (no epoch in the name). */
export async function downloadDebian(options: {
  readonly scratch: string;
  readonly pool: string;
  /** Resolved one by one. */
  readonly groups: readonly (readonly string[])[];
  readonly signal: AbortSignal | undefined;
}): Promise<void> {
  const { scratch, pool, groups, signal } = options;
  const sources = await debianSources();
  if (sources.length === 0) {
    throw new HomelabError('HL_BUNDLE', `No source of Debian ${versions.debian} is configured here`, {
      hint: 'apt-get update, or on another distribution: export HOMELAB_LAB_MIRROR=ADDRESS-OF-A-DEBIAN-MIRROR',
    });
  }
  await rm(scratch, { recursive: true, force: true });
  await mkdir(path.join(scratch, 'state/lists/partial'), { recursive: true });
  await mkdir(path.join(scratch, 'cache/archives/partial'), { recursive: true });
  await mkdir(path.join(scratch, 'etc'), { recursive: true });
  // No package is installed: whatever is asked for comes with all it needs.
  await writeFile(path.join(scratch, 'state/status'), '');
  await writeFile(
    path.join(scratch, 'etc/sources.list'),
    sources.map(({ uri, suite }) => `deb [signed-by=${debianKeyring}] ${uri} ${suite} main\n`).join(''),
  );

  const settings = aptSettings(scratch).flatMap(setting => ['-o', setting]);
  const hint = 'look at the network and at apt: apt-get update';
  await run(['apt-get', ...settings, 'update'], { signal, hint });
  for (const group of groups) {
    await run(['apt-get', ...settings, '--yes', '--download-only', 'install', ...group], { signal, hint });
  }
  const archives = path.join(scratch, 'cache/archives');
  for (const name of await readdir(archives)) {
    if (name.endsWith('.deb')) await copyFile(path.join(archives, name), path.join(pool, withoutEpoch(name)));
  }
  await rm(scratch, { recursive: true });
}

/** apt says libfoo_1%3a2.3-4_amd64.deb where mirrors say libfoo_2.3-4_amd64.deb. */
export function withoutEpoch(name: string): string {
  return name.replace(/_\d+%3a/, '_');
}

function aptSettings(scratch: string): readonly string[] {
  return [
    `Dir::State=${scratch}/state`,
    `Dir::State::status=${scratch}/state/status`,
    `Dir::Cache=${scratch}/cache`,
    `Dir::Etc::sourcelist=${scratch}/etc/sources.list`,
    `Dir::Etc::sourceparts=${scratch}/etc/none`,
    `Dir::Etc::preferences=${scratch}/etc/none`,
    `Dir::Etc::preferencesparts=${scratch}/etc/none`,
    `APT::Architecture=${architecture()}`,
    `APT::Architectures::=${architecture()}`,
    'APT::Sandbox::User=root',
    'APT::Install-Recommends=false',
    'APT::Default-Release=',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
  ];
}
