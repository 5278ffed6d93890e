// What layers leave on a lab: the machines' files, the API's objects by name, and of each Helm release what its newest record says. Charts that
// make certificates render otherwise each time, so contents are not compared.
import type { JsonObject } from '../../src/model/cluster.ts';
import { leftOut, objectName } from './api-objects.ts';
import type { Items } from './snapshot.ts';

/** Kinds whose names are drawn by lot, or numbers. */
const byLot = [
  'Pod',
  'PodMetrics',
  'ReplicaSet',
  'ControllerRevision',
  'CertificateSigningRequest',
  'CiliumIdentity',
  'CiliumEndpoint',
];

export function layerObjects(
  objects: readonly JsonObject[],
  words: (text: string) => string,
): Readonly<Record<string, Items>> {
  const places: Record<string, Record<string, string>> = { releases: releases(objects) };
  for (const object of objects) {
    const kind = String(object['kind']);
    if (byLot.includes(kind) || Object.hasOwn(leftOut, kind) || recordOf(object) !== undefined) continue;
    const place = `api ${kind}`;
    places[place] = { ...places[place], [objectName(object, words)]: 'there' };
  }
  return places;
}

interface Revision {
  readonly name: string;
  readonly revision: number;
  readonly says: string;
}

function releases(objects: readonly JsonObject[]): Readonly<Record<string, string>> {
  const records = objects.flatMap(object => recordOf(object) ?? []).toSorted((a, b) => a.revision - b.revision);
  // The last one of a name stays.
  return Object.fromEntries(records.map(({ name, says }) => [name, says]));
}

/** Of the Secret that Helm keeps of a revision. */
function recordOf(object: JsonObject): Revision | undefined {
  if (object['type'] !== 'helm.sh/release.v1') return undefined;
  const metadata = (object['metadata'] ?? {}) as { readonly labels?: Readonly<Record<string, string>> };
  const { name = '', version = '', status = '', ...labels } = metadata.labels ?? {};
  const ours = ['homelab-chart', 'homelab-values', 'homelab-kubernetes'].map(key => labels[key] ?? '-');
  return { name, revision: Number(version), says: [status, ...ours].join(' ') };
}
