// Constructed objects of products that no lab of ours runs. Their fields are those of the CRDs (crd-fields.ts).
import { type KindName, kinds } from '../../src/doctor/objects/kinds.ts';
import type { Rule } from '../../src/doctor/rule.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { unknownFields } from './crd-fields.ts';
import { recorded } from './recorded.ts';
import { readBy, saidBy, withObjects } from './rig.ts';

/** What each rule read, over all of a file's tests. */
const read = new Map<string, Set<string>>();

export const at = Date.parse('2026-02-19T14:00:00Z');
export const ago = (minutes: number): string => new Date(at - minutes * 60_000).toISOString().replace('.000Z', 'Z');

/** A real, healthy cluster of two machines (recorded), its clock set, without anything on top. */
export async function bare(): Promise<Snapshot> {
  const real = await recorded('healthy-no-dns-image');
  return {
    ...real,
    at,
    lists: { ...real.lists, events: { state: 'seen', items: [], unreadable: 0 } },
    logs: [],
  };
}

export type Lists = Partial<Record<KindName, readonly unknown[]>>;

/** The snapshot with these lists in the place of its own. Throws on a field that a custom kind's CRD does not have. */
export function having(snapshot: Snapshot, lists: Lists): Snapshot {
  return Object.entries(lists).reduce((before, [name, items]) => {
    const kind = name as KindName;
    const unknown = 'custom' in kinds[kind] ? (items ?? []).flatMap(item => unknownFields(kind, item)) : [];
    if (unknown.length > 0) throw new Error(`no fields of ${kind}: ${unknown.join(', ')}`);
    return withObjects(before, kind, items ?? []);
  }, snapshot);
}

export function found(rule: Rule, snapshot: Snapshot) {
  const mine = read.get(rule.id) ?? new Set();
  for (const each of readBy(rule, snapshot)) mine.add(each);
  read.set(rule.id, mine);
  return saidBy(rule, snapshot);
}

/** All that the rule read in this file's tests, in order. */
export function everRead(rule: Rule): readonly string[] {
  return [...(read.get(rule.id) ?? [])].sort();
}

export interface PodOptions {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly image?: string;
  readonly node?: string;
  readonly sidecar?: boolean;
  /** 'ok', 'crash', 'unready' or 'pending'. */
  readonly state?: 'ok' | 'crash' | 'unready' | 'pending';
  readonly waiting?: { readonly reason: string; readonly message: string };
  readonly volumes?: readonly unknown[];
  readonly container?: Record<string, unknown>;
  readonly startedMinutesAgo?: number;
  readonly lastReason?: string;
  readonly owner?: { readonly kind: string; readonly name: string };
  readonly initStatuses?: readonly unknown[];
  readonly conditions?: readonly unknown[];
}

export function pod(name: string, options: PodOptions = {}) {
  const { state = 'ok', image = 'ghcr.io/home/app:1', startedMinutesAgo = 60 } = options;
  const isReady = state === 'ok';
  const proxy = { name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.30.3' };
  return {
    metadata: {
      name,
      namespace: options.namespace ?? 'blog',
      uid: `uid-of-${name}`,
      labels: options.labels ?? {},
      annotations: options.annotations ?? {},
      ownerReferences: options.owner ? [{ ...options.owner, controller: true }] : [],
    },
    spec: {
      nodeName: options.node ?? 'n2',
      containers: [{ name: 'main', image, ...options.container }, ...(options.sidecar ? [proxy] : [])],
      volumes: options.volumes ?? [],
    },
    status: {
      phase: state === 'pending' ? 'Pending' : 'Running',
      startTime: ago(startedMinutesAgo),
      conditions: options.conditions ?? [
        {
          type: 'Ready',
          status: isReady ? 'True' : 'False',
          reason: '',
          message: '',
          lastTransitionTime: ago(isReady ? startedMinutesAgo : 20),
        },
      ],
      initContainerStatuses: options.initStatuses ?? [],
      containerStatuses: [
        {
          name: 'main',
          ready: isReady,
          restartCount: state === 'crash' ? 9 : 0,
          image,
          state: options.waiting
            ? { waiting: options.waiting }
            : state === 'crash'
              ? { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container' } }
              : { running: { startedAt: ago(startedMinutesAgo) } },
          lastState:
            state === 'crash'
              ? { terminated: { reason: options.lastReason ?? 'Error', exitCode: 1, finishedAt: ago(3) } }
              : {},
        },
      ],
    },
  };
}

export function service(
  name: string,
  options: { namespace?: string; selector?: Record<string, string>; type?: string; ports?: readonly unknown[] } = {},
) {
  return {
    metadata: { name, namespace: options.namespace ?? 'blog' },
    spec: {
      type: options.type ?? 'ClusterIP',
      clusterIP: '10.96.44.1',
      selector: options.selector ?? { app: name },
      ports: options.ports ?? [{ name: 'http', port: 8080, targetPort: 8080, protocol: 'TCP' }],
    },
  };
}

export const log = (name: string, ...lines: string[]) => ({ pod: name, container: 'main', lines });

export const config = (name: string, data: Record<string, string>, namespace = 'kube-system', more = {}) => ({
  metadata: { name, namespace, ...more },
  data,
});
