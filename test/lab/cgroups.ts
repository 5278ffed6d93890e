// A control group of its own for each guest, in every hierarchy: whatever runs in there is the guest's, so that is also how it is ended.
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isMissing, readText } from './files.ts';
import { until } from './run.ts';

export interface Hierarchy {
  readonly mount: string;
  readonly version: 1 | 2;
  /** v1 controllers ('memory', 'name=systemd'); none for v2. */
  readonly names: readonly string[];
  /** Our own group in it. */
  readonly own: string;
}

/** The hierarchies of this machine, from the texts of /proc/self/mountinfo and /proc/self/cgroup. */
export function parseHierarchies(mountinfo: string, cgroup: string): readonly Hierarchy[] {
  const mounts = mountinfo.split('\n').flatMap(line => {
    const [before, after] = line.split(' - ');
    const mount = before?.split(' ')[4];
    const [type, , superOptions] = after?.split(' ') ?? [];
    if (mount === undefined || superOptions === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    return [{ mount, type, options: new Set(superOptions.split(',')) }];
  });
  return cgroup.split('\n').flatMap((line): Hierarchy[] => {
    const match = /^([0-9]+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const [, id, list = '', own = '/'] = match;
    const names = id === '0' ? [] : list.split(',');
    const found = mounts.find(({ type, options }) =>
      id === '0' ? type === 'cgroup2' : type === 'cgroup' && names.every(name => options.has(name)),
    );
    return found === undefined ? [] : [{ mount: found.mount, version: id === '0' ? 2 : 1, names, own }];
  });
}

export async function hierarchies(): Promise<readonly Hierarchy[]> {
  return parseHierarchies(await readFile('/proc/self/mountinfo', 'utf8'), await readFile('/proc/self/cgroup', 'utf8'));
}

/**
 * Where a guest's groups are to be. Below our own group, so that limits which this machine has set for us hold for the guests too.
 * Except where v2 is the only hierarchy: a group with processes in it cannot hand controllers down (cgroups(7), "no internal processes").
 */
export async function plannedGroups(lab: string, host: string): Promise<readonly string[]> {
  const all = await hierarchies();
  const onlyV2 = all.every(hierarchy => hierarchy.version === 2);
  return all.map(({ mount, own }) => path.join(mount, onlyV2 ? '/' : own, 'homelab-lab', lab, host));
}

/** Makes the guest's groups; those that exist stay as they are. */
export async function createGroups(groups: readonly string[]): Promise<void> {
  for (const group of groups) {
    const lab = path.dirname(group);
    for (const folder of [path.dirname(lab), lab, group]) {
      await mkdir(folder, { recursive: true });
      // A v1 cpuset takes no process before it has processors and memory nodes.
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        if ((await readText(path.join(folder, file)))?.trim() === '') {
          await writeFile(
            path.join(folder, file),
            (await readText(path.join(path.dirname(folder), file)))?.trim() ?? '',
          );
        }
      }
    }
    // Pure v2 only (written to the manual, not tried on such a machine): hand every controller down, one by one.
    for (const folder of [path.dirname(path.dirname(lab)), path.dirname(lab), lab]) {
      const controllers = (await readText(path.join(folder, 'cgroup.controllers')))?.trim() ?? '';
      for (const controller of controllers.split(' ').filter(name => name !== '')) {
        await writeFile(path.join(folder, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
      }
    }
  }
}

/** The groups that a process is in, as folders. */
export async function groupsOf(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8');
  return parseHierarchies(await readFile('/proc/self/mountinfo', 'utf8'), text).map(({ mount, own }) =>
    path.join(mount, own),
  );
}

/** Every process in these groups and below. */
export async function membersOf(groups: readonly string[]): Promise<readonly number[]> {
  const pids = new Set<number>();
  for (const group of groups) {
    for (const folder of await foldersBelow(group)) {
      const text = (await readText(path.join(folder, 'cgroup.procs'))) ?? '';
      for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
    }
  }
  return [...pids].filter(pid => pid > 0);
}

export async function isFrozen(groups: readonly string[]): Promise<boolean> {
  const freezer = await findFreezer(groups);
  const text = freezer === undefined ? undefined : await readText(freezer.state);
  return text !== undefined && freezer?.isFrozen(text) === true;
}

export async function setFrozen(groups: readonly string[], frozen: boolean): Promise<void> {
  const freezer = await findFreezer(groups);
  if (freezer === undefined) return;
  await writeFile(freezer.control, frozen ? freezer.freeze : freezer.thaw);
  await until(async () => (await isFrozen(groups)) === frozen, {
    timeoutMs: 10_000,
    what: `the guest to be ${frozen ? 'frozen' : 'thawed'}`,
    everyMs: 20,
  });
}

/** Removes the groups, all that was made in them, and the folders above that are empty now. */
export async function removeGroups(groups: readonly string[]): Promise<void> {
  for (const group of groups) {
    for (const folder of (await foldersBelow(group)).reverse()) await removeGroup(folder);
    const lab = path.dirname(group);
    for (const folder of [lab, path.dirname(lab)]) {
      if (path.basename(path.dirname(folder)) === 'homelab-lab' || path.basename(folder) === 'homelab-lab') {
        await rmdir(folder).catch(() => undefined);
      }
    }
  }
}

async function removeGroup(folder: string): Promise<void> {
  // EBUSY for a moment after the last process has ended.
  await until(
    async () => {
      try {
        await rmdir(folder);
        return true;
      } catch (error) {
        if (isMissing(error)) return true;
        if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return false;
        throw error;
      }
    },
    { timeoutMs: 10_000, what: `the control group ${folder} to become empty`, everyMs: 20 },
  );
}

/** The folder itself first, then everything below it. */
async function foldersBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const below: string[] = [folder];
    for (const entry of entries)
      if (entry.isDirectory()) below.push(...(await foldersBelow(path.join(folder, entry.name))));
    return below;
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

interface Freezer {
  readonly control: string;
  readonly state: string;
  readonly freeze: string;
  readonly thaw: string;
  readonly isFrozen: (text: string) => boolean;
}

async function findFreezer(groups: readonly string[]): Promise<Freezer | undefined> {
  for (const group of groups) {
    const state = path.join(group, 'freezer.state');
    if ((await readText(state)) !== undefined) {
      return { control: state, state, freeze: 'FROZEN', thaw: 'THAWED', isFrozen: text => text.trim() === 'FROZEN' };
    }
  }
  for (const group of groups) {
    const control = path.join(group, 'cgroup.freeze');
    if ((await readText(control)) !== undefined) {
      const state = path.join(group, 'cgroup.events');
      return { control, state, freeze: '1', thaw: '0', isFrozen: text => text.includes('frozen 1') };
    }
  }
  return undefined;
}
