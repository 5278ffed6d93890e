// Four machines of the benchmark's own, with what it takes for all contestants to work on them.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { HomelabError } from '../../src/model/errors.ts';
import { bundlePath, checkPrerequisites, ensureBundle } from '../lab/bundle.ts';
import { type Lab, labOpen, labSupported, labUp } from '../lab/machines.ts';
import { homelab, node, type Timed, timed } from './timed.ts';

export interface BenchLab {
  readonly lab: Lab;
  readonly bundle: string;
  /** For inventories and journals; goes away with the lab. */
  readonly folder: string;
  /** `homelab bootstrap` from the bundle or from the machines' repositories; json events on stdout. */
  bootstrap(source: 'bundle' | 'repositories'): Promise<Timed>;
  down(): Promise<void>;
}

export interface BenchLabOptions {
  /** A lab that is there already: used, and left as it is. */
  readonly existing: string | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Why no lab can be made here, in one line. */
export async function labMissing(): Promise<string | undefined> {
  const machines = await labSupported();
  if (machines !== undefined) return machines;
  if (existsSync(bundlePath())) return undefined;
  const building = await checkPrerequisites();
  return building.length === 0
    ? undefined
    : `no bundle, and none can be built: ${building.map(one => one.what).join(', ')}`;
}

export async function openBenchLab({ existing, log, signal }: BenchLabOptions): Promise<BenchLab> {
  const { dir: bundle } = await ensureBundle({ log, signal });
  const folder = await mkdtemp(path.join(tmpdir(), 'homelab-bench-'));
  const lab =
    existing === undefined ? await labUp({ name: `bench-${process.pid}`, bundle, log, signal }) : await find(existing);
  try {
    if (existing === undefined) await Promise.all(lab.hosts.map(host => prepare(lab, host.name)));
  } catch (error) {
    await lab.down();
    throw error;
  }
  return {
    lab,
    bundle,
    folder,
    bootstrap(source) {
      const options = source === 'bundle' ? ['--bundle', bundle] : [];
      const argv = [
        node,
        homelab,
        'bootstrap',
        '--yes',
        '--output',
        'json',
        '-i',
        lab.inventoryPath,
        ...options,
      ] as const;
      return timed([...argv], { env: { XDG_STATE_HOME: folder }, signal });
    },
    async down() {
      await rm(folder, { recursive: true, force: true });
      if (existing === undefined) await lab.down();
    },
  };
}

async function find(name: string): Promise<Lab> {
  const lab = await labOpen(name);
  if (lab) return lab;
  throw new HomelabError('HL_USAGE', `There is no lab ${name}`, { hint: `npm run lab -- up --name ${name}` });
}

// A bare machine has its distribution's repository; here the bundle stands in for it. Ansible needs Python's whole library.
async function prepare(lab: Lab, host: string): Promise<void> {
  const source = 'deb [trusted=yes] file:/srv/homelab-lab/apt bookworm main';
  const script = `set -e
echo '${source}' > /etc/apt/sources.list
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends python3 > /dev/null`;
  const { code, stderr } = await lab.exec(host, ['sh', '-c', script], { timeoutMs: 300_000 });
  if (code === 0) return;
  throw new HomelabError('HL_STEP_FAILED', `${host} could not be prepared for the benchmark`, {
    context: { host, stderr },
  });
}
