// API objects without what the API server and its controllers draw by lot or by the clock.
import type { Json } from '../../src/model/cluster.ts';
import { reduced } from './content.ts';
import type { Items } from './snapshot.ts';

type JsonObject = { readonly [key: string]: Json };
type Words = (text: string) => string;

/** Kinds that are left out, each with why. */
export const leftOut: Readonly<Record<string, string>> = {
  Event: 'a diary, forgotten after an hour',
  Lease: 'the clock, and an API server’s random name',
  ComponentStatus: 'not an object: asked at this moment',
  Endpoints: 'addresses of pods, dealt out in order of arrival',
  EndpointSlice: 'the same',
};

/** Fields that are left out wherever they are, each with why. */
const fields: Readonly<Record<string, string>> = {
  uid: 'drawn by lot',
  resourceVersion: 'counts writes of the whole cluster',
  generation: 'counts writes',
  managedFields: 'who wrote when',
  podIP: 'dealt out in order of arrival',
  podIPs: 'the same',
  containerID: 'drawn by lot',
  restartCount: 'counts what a probe or a power cut did on the way',
  lastState: 'the same',
  bootID: 'the machine’s own',
  machineID: 'the machine’s own',
  systemUUID: 'the machine’s own',
  // Of a static pod: a digest of its manifest, which has addresses in it; the manifest is compared as a file.
  'kubernetes.io/config.hash': 'a digest of addresses',
  'kubernetes.io/config.mirror': 'the same',
};

const time = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?$/;

export function apiObjects(list: readonly JsonObject[], words: Words): Readonly<Record<string, Items>> {
  const places: Record<string, Record<string, Json>> = {};
  const kept = list.filter(object => !Object.hasOwn(leftOut, String(object['kind'])) && !isDecided(object));
  for (const object of kept) {
    const place = `api ${object['kind']}`;
    const items = places[place] ?? {};
    places[place] = items;
    const cleaned = clean(forKind(object), words);
    const name = objectName(object, words);
    // Pods of one owner in the order of what they are, not of their random names.
    const key = [name, ...Array.from({ length: 200 }, (_, index) => `${name} (${index + 2})`)].find(
      each => !Object.hasOwn(items, each),
    );
    items[key ?? name] = cleaned;
  }
  return places;
}

/** What asks for a certificate is forgotten an hour after the answer; one without an answer is somebody's to see. */
function isDecided(object: JsonObject): boolean {
  return object['kind'] === 'CertificateSigningRequest' &&
    isObject(object['status'] ?? null) &&
    object['status'] !== null
    ? JSON.stringify(object['status']).includes('"conditions"')
    : false;
}

/** NAMESPACE/NAME, without what is drawn by lot. */
export function objectName(object: JsonObject, words: Words): string {
  const metadata = asObject(object['metadata']);
  const given = metadata['generateName'];
  const name = typeof given === 'string' ? `${given}*` : String(metadata['name']);
  const node = isDaemonPod(object) ? ` on ${asObject(object['spec'])['nodeName']}` : '';
  return words([metadata['namespace'], `${name}${node}`].filter(Boolean).join('/'));
}

function isDaemonPod(object: JsonObject): boolean {
  return (
    object['kind'] === 'Pod' &&
    JSON.stringify(asObject(object['metadata'])['ownerReferences'] ?? '').includes('DaemonSet')
  );
}

function forKind(object: JsonObject): JsonObject {
  const metadata = asObject(object['metadata']);
  const spec = asObject(object['spec']);
  const status = asObject(object['status']);
  switch (object['kind']) {
    case 'Pod':
      return {
        ...object,
        metadata: 'generateName' in metadata ? { ...metadata, name: '*' } : metadata,
        // Where a Deployment's pods run is the scheduler's to say.
        spec: 'generateName' in metadata && !isDaemonPod(object) ? { ...spec, nodeName: '*' } : spec,
        status: { phase: status['phase'] ?? '', ready: readyOf(status) },
      };
    case 'Node':
      // Images are compared on the machine; their order here is by chance.
      return { ...object, status: { ...status, images: '*', conditions: conditionsOf(status) } };
    case 'Deployment':
    case 'ReplicaSet':
    case 'DaemonSet':
      return { ...object, status: { ...status, observedGeneration: '*', conditions: conditionsOf(status) } };
    case 'Secret':
      return { ...object, data: sizes(asObject(object['data'])) };
    case 'ConfigMap':
      // Digests of what was proven, addresses among it.
      return metadata['name'] === 'homelab' ? { ...object, data: sizes(asObject(object['data'])) } : object;
    default:
      return object;
  }
}

function readyOf(status: JsonObject): Json {
  const containers = status['containerStatuses'];
  return Array.isArray(containers) ? containers.map(each => asObject(each)['ready'] ?? false) : [];
}

function conditionsOf(status: JsonObject): Json {
  const conditions = Array.isArray(status['conditions']) ? status['conditions'].map(each => asObject(each)) : [];
  return Object.fromEntries(conditions.map(({ type, status: is }) => [String(type), is ?? '']));
}

function sizes(data: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, `${String(value).length} letters`]));
}

function clean(value: Json, words: Words): Json {
  if (typeof value === 'string')
    return time.test(value)
      ? 'TIME'
      : words(reduced(value, words)).replace(/kube-api-access-[a-z0-9]{5}\b/g, 'kube-api-access-*');
  if (Array.isArray(value)) return value.map(each => clean(each, words));
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key]) => !Object.hasOwn(fields, key));
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, clean(each, words)]));
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value ?? null) ? (value as JsonObject) : {};
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
