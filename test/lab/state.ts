// What a lab has made, written down before it is made: `down` finds everything by this file alone.
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HomelabError } from '../../src/model/errors.ts';
import { readText, stateRoot, writeWhole } from './files.ts';

const guestSchema = z.object({
  name: z.string(),
  role: z.enum(['control-plane', 'worker']),
  address: z.string(),
  /** nspawn's name for it, and its links' names: no other lab has the same. */
  machine: z.string(),
  /** Folders of its control groups. */
  groups: z.array(z.string()),
});

const stateSchema = z.object({
  name: z.string(),
  /** The N of 10.77.N.0/24, of the bridge and of the firewall's table. */
  index: z.number(),
  /** The host's: in another boot nothing of the lab is running and no pid means anything. */
  bootId: z.string(),
  base: z.string(),
  /** The bundle's folder; null: /srv/homelab-lab is empty. */
  bundle: z.string().nullable(),
  /** QEMU machines instead of containers. */
  qemu: z.boolean().default(false),
  /** Its network and what stands on it are layers, and the inventory names them. */
  cilium: z.boolean().default(false),
  /** All machines see one folder as /srv/shared, as they would a file server. */
  shared: z.boolean().default(false),
  guests: z.array(guestSchema),
});

export type GuestState = Readonly<z.infer<typeof guestSchema>>;
export type LabState = Readonly<z.infer<typeof stateSchema>>;

export function checkName(name: string): string {
  if (/^[a-z][a-z0-9-]{0,19}$/.test(name)) return name;
  throw new HomelabError('HL_USAGE', `'${name}' cannot be a lab's name`, {
    hint: 'use a to z, 0 to 9 and -, a letter first, 20 characters at most',
  });
}

export function labFolder(name: string): string {
  return path.join(stateRoot(), checkName(name));
}

/** A file or folder of one guest. */
export function guestPath(lab: string, guest: string, ...rest: readonly string[]): string {
  return path.join(labFolder(lab), 'machines', guest, ...rest);
}

export async function readState(name: string): Promise<LabState | undefined> {
  const text = await readText(path.join(labFolder(name), 'lab.json'));
  return text === undefined ? undefined : stateSchema.parse(JSON.parse(text));
}

export async function writeState(state: LabState): Promise<void> {
  await mkdir(labFolder(state.name), { recursive: true });
  await writeWhole(path.join(labFolder(state.name), 'lab.json'), `${JSON.stringify(state, null, 2)}\n`);
}

/** The labs of this machine, whole or partial. */
export async function labNames(): Promise<readonly string[]> {
  const entries = await readdir(stateRoot(), { withFileTypes: true }).catch(() => []);
  return entries.filter(entry => entry.isDirectory()).map(entry => entry.name);
}
