// A resource's own scripts, run by dash as machines run them, with stand-ins for the tools that would change this one.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Json } from '../../src/model/cluster.ts';
import type { Change, Resource } from '../../src/model/plan.ts';
import { type DashOptions, dash, type Said } from '../dash.ts';

export const isRoot = process.getuid?.() === 0;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'homelab-resource-'));
  // A service's files stand in folders that everybody may enter.
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

/** A folder for PATH: every name a small sh script. */
export function standIns(folder: string, scripts: Readonly<Record<string, string>>): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return bin;
}

export interface RigOptions extends DashOptions {
  /** Paths of the machine that stand elsewhere here. */
  readonly moved?: Readonly<Record<string, string>>;
  /** Runs before the script. */
  readonly first?: string;
}

export function observe(resource: Resource, options: RigOptions = {}): Json {
  const said = dash(ready(resource.read, options), options);
  if (said.code !== 0) throw new Error(`reading ${resource.key} failed: ${said.stderr}`);
  return resource.parse(said.stdout);
}

export function changeOf(resource: Resource, observed: Json, stale: readonly string[] = []): Change {
  const change = resource.change(observed, stale);
  if (!change) throw new Error(`${resource.key} is in order`);
  return change;
}

/** Looks and does what the difference asks for. */
export function apply(resource: Resource, options: RigOptions = {}): Said {
  return dash(ready(changeOf(resource, observe(resource, options)).action.script, options), options);
}

function ready(script: string, { moved = {}, first = '' }: RigOptions): string {
  const there = Object.entries(moved).reduce((text, [from, to]) => text.replaceAll(from, to), script);
  return `${first}set -eu\n${there}`;
}
