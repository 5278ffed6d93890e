// Small clusters and what runs on them.
import type { Budget, Pod, Volume, Workloads, WorkNode } from '../src/model/workloads.ts';

const MiB = 2 ** 20;

export const workNode = (name: string, over: Partial<WorkNode> = {}): WorkNode => ({
  name,
  labels: { 'kubernetes.io/hostname': name },
  taints: [],
  allocatable: { cpu: 2000, memory: 1024 * MiB, pods: 110 },
  ready: true,
  unschedulable: false,
  cordonedByUs: false,
  ...over,
});

/** As kubeadm makes one: labelled, and closed to ordinary pods. */
export const controlPlaneNode = (name: string, over: Partial<WorkNode> = {}): WorkNode =>
  workNode(name, {
    labels: { 'kubernetes.io/hostname': name, 'node-role.kubernetes.io/control-plane': '' },
    taints: [{ key: 'node-role.kubernetes.io/control-plane', value: '', effect: 'NoSchedule' }],
    ...over,
  });

/** 'namespace/name' on a node: a ready pod of a Deployment, which is called like the pod without what follows its last dash. */
export function podOn(node: string, name: string, over: Partial<Pod> = {}): Pod {
  const [namespace = '', own = ''] = name.split('/');
  const app = own.replace(/-[^-]*$/, '');
  return {
    namespace,
    name: own,
    node,
    phase: 'Running',
    ready: true,
    trouble: '',
    leaving: false,
    graceSeconds: 30,
    labels: { app },
    owner: { kind: 'Deployment', name: app },
    requests: { cpu: 100, memory: 64 * MiB, pods: 1 },
    emptyDirs: [],
    hostPaths: [],
    claims: [],
    hostPorts: [],
    nodeSelector: {},
    nodeTerms: [],
    tolerations: [],
    apart: [],
    isStatic: false,
    ...over,
  };
}

/** For the pods labelled app=NAME in the namespace of 'namespace/NAME': `expected` of them, `desired` must stay. */
export function budgetFor(name: string, expected: number, desired: number, over: Partial<Budget> = {}): Budget {
  const [namespace = '', app = ''] = name.split('/');
  const healthy = over.healthy ?? expected;
  return {
    namespace,
    name: `keep-${app}`,
    selector: { labels: { app }, expressions: [] },
    says: `minAvailable ${desired}`,
    expected,
    healthy,
    desired,
    allowed: Math.max(0, healthy - desired),
    freesUnhealthy: false,
    ...over,
  };
}

/** The volume of a claim, on the disk of these nodes; of none: everywhere. */
export function volumeOf(claim: string, nodes: readonly string[], over: Partial<Volume> = {}): Volume {
  const terms = [{ labels: [{ key: 'kubernetes.io/hostname', operator: 'In', values: nodes }], fields: [] }];
  return {
    name: `pv-of-${claim.replace('/', '-')}`,
    claim,
    storage: nodes.length > 0 ? 'local' : 'csi',
    driver: '',
    handle: '',
    nodeTerms: nodes.length > 0 ? terms : [],
    ...over,
  };
}

export const nothingRuns: Workloads = {
  nodes: [],
  pods: [],
  budgets: [],
  volumes: [],
  controllers: [],
  services: [],
  longhorn: [],
};

/** Nodes by name or as they are, and what else there is. */
export function running(nodes: readonly (string | WorkNode)[], over: Partial<Workloads> = {}): Workloads {
  return {
    ...nothingRuns,
    nodes: nodes.map(each => (typeof each === 'string' ? workNode(each) : each)),
    ...over,
  };
}
