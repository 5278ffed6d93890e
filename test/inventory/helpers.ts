// What the inventory's tests share: a parser with fixed places, and valid inventories to start from.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Issue } from '../../src/inventory/issue.ts';
import { type InventoryContext, type Parsed, parseInventory } from '../../src/inventory/parse.ts';
import type { Cluster } from '../../src/model/cluster.ts';

export const fixturesDir = join(import.meta.dirname, '..', 'fixtures', 'inventories');
export const exampleFile = join(import.meta.dirname, '..', '..', 'inventory', 'homelab.yaml');

export const minimal = `apiVersion: homelab/v1
kind: Cluster
name: homelab
profile: "1.31"
hosts:
  - {name: k8s-cp, role: control-plane, address: 192.168.0.10}
  - {name: k8s-worker1, role: worker, address: 192.168.0.11}
`;

/** Parses as if the inventory lay in /inventory; only the fixtures' key files exist there. */
export function parse(input: string | Uint8Array, context: Partial<InventoryContext> = {}): Parsed {
  return parseInventory(typeof input === 'string' ? Buffer.from(input) : input, {
    file: 'homelab.yaml',
    dir: '/inventory',
    home: '/home/me',
    readText: path => readFileSync(path.replace(/^\/inventory\//, `${fixturesDir}/`), 'utf8'),
    ...context,
  });
}

export function clusterOf(input: string): Cluster {
  const parsed = parse(input);
  if (!parsed.ok) throw new Error(`unexpected issues: ${JSON.stringify(parsed.issues, null, 2)}`);
  return parsed.cluster;
}

export function issuesOf(input: string | Uint8Array): readonly Issue[] {
  const parsed = parse(input);
  return parsed.ok ? [] : parsed.issues;
}
