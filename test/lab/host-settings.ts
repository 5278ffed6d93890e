// Kernel settings that guests share with this machine: what the first lab found is restored when the last one goes.
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { hostBootId, readText, stateRoot, writeWhole } from './files.ts';

/** What `up` needs. Minimums: a machine that has more keeps it. */
const minimums = {
  'net/ipv4/ip_forward': 1,
  // systemd, containerd and kubelet of each guest share one user's instances: 128 are too few for six guests.
  'fs/inotify/max_user_instances': 8192,
  'fs/inotify/max_user_watches': 524288,
} as const;

/** What runs in the guests changes these, and they are not the guests' own: kubelet does, kube-proxy may. */
const changedByGuests = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'vm/max_map_count',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/pid_max',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
  'net/netfilter/nf_conntrack_max',
] as const;

const savedSchema = z.object({ bootId: z.string(), values: z.record(z.string(), z.string()) });

const savedFile = (): string => path.join(stateRoot(), 'host.json');

/** Under the lock that all labs share. */
export async function raiseHostSettings(): Promise<void> {
  await mkdir(stateRoot(), { recursive: true });
  const bootId = await hostBootId();
  if ((await readSaved())?.bootId !== bootId) {
    const values: Record<string, string> = {};
    for (const name of [...Object.keys(minimums), ...changedByGuests]) {
      const value = await readText(`/proc/sys/${name}`);
      if (value !== undefined) values[name] = value.trim();
    }
    await writeWhole(savedFile(), `${JSON.stringify({ bootId, values }, null, 2)}\n`);
  }
  for (const [name, minimum] of Object.entries(minimums)) {
    const value = Number(await readText(`/proc/sys/${name}`));
    if (value < minimum) await writeFile(`/proc/sys/${name}`, String(minimum));
  }
}

/** Under the lock that all labs share, after the last lab. */
export async function restoreHostSettings(): Promise<void> {
  const saved = await readSaved();
  if (saved?.bootId === (await hostBootId())) {
    for (const [name, value] of Object.entries(saved.values)) {
      const now = await readText(`/proc/sys/${name}`);
      if (now !== undefined && now.trim() !== value) await writeFile(`/proc/sys/${name}`, value);
    }
  }
  await rm(savedFile(), { force: true });
  await rmdir(stateRoot()).catch(() => undefined);
}

async function readSaved(): Promise<z.infer<typeof savedSchema> | undefined> {
  const text = await readText(savedFile());
  return text === undefined ? undefined : savedSchema.parse(JSON.parse(text));
}
