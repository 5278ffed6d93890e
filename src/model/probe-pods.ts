// Pods of probes: the sandbox image alone, which every machine has already. What is to happen in them is done from their machine.
import type { Json, JsonObject } from './cluster.ts';
import { adminKubectl } from './kubectl.ts';

const kubectl = adminKubectl(100);
/** Where a claim of a probe's pod is mounted. */
export const volumePath = '/homelab-probe';

export interface ProbePod {
  readonly name: string;
  /** A label that policies find it by. */
  readonly role?: string;
  /** Undefined: where the scheduler puts it. */
  readonly node?: string;
  /** Mounted at `volumePath`. */
  readonly claim?: string;
}

export interface LivePod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
  readonly uid: string;
}

/** Services find it by the label `app`, its namespace's name. */
export function probePod(namespace: string, image: string, pod: ProbePod): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: pod.name,
      namespace,
      labels: { app: namespace, ...(pod.role === undefined ? {} : { role: pod.role }) },
    },
    spec: probePodSpec(image, pod),
  };
}

export function probePodSpec(image: string, { node, claim }: Pick<ProbePod, 'node' | 'claim'>, requests?: JsonObject) {
  return {
    ...placement(node, claim),
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    tolerations: [{ operator: 'Exists' }],
    ...(claim === undefined ? {} : { volumes: [{ name: 'volume', persistentVolumeClaim: { claimName: claim } }] }),
    containers: [
      {
        name: 'probe',
        image,
        imagePullPolicy: 'IfNotPresent',
        ...(requests === undefined ? {} : { resources: { requests } }),
        ...(claim === undefined ? {} : { volumeMounts: [{ name: 'volume', mountPath: volumePath }] }),
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          runAsNonRoot: true,
          runAsUser: 65534,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      },
    ],
  } satisfies JsonObject;
}

// A claim that waits for its first consumer is bound by the scheduler; who names the machine goes past it.
function placement(node: string | undefined, claim: string | undefined): JsonObject {
  if (node === undefined) return {};
  if (claim === undefined) return { nodeName: node };
  const here = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
  return {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [here] } } },
  };
}

/** sh on a control plane: makes these objects. */
export function createScript(items: readonly Json[]): string {
  return `${kubectl} create -f - >/dev/null <<'ITEMS'
${JSON.stringify({ apiVersion: 'v1', kind: 'List', items })}
ITEMS
`;
}

/** sh on a control plane: waits for all pods of the namespace and prints them for `livePods`, or why they do not come up. */
export function comeUpScript(namespace: string): string {
  return `${kubectl} wait -n ${namespace} --for=condition=Ready --timeout=90s pod --all >/dev/null || {
  ${kubectl} get -n ${namespace} pods -o wide >&2
  ${kubectl} get -n ${namespace} events --field-selector type=Warning -o custom-columns=:.involvedObject.name,:.message --no-headers | tail -n 5 >&2
  exit 1
}
${kubectl} get -n ${namespace} pods -o jsonpath='{range .items[*]}pod {.metadata.name} {.spec.nodeName} {.status.podIP} {.metadata.uid}{"\\n"}{end}'
`;
}

export function livePods(output: string): readonly LivePod[] {
  return fieldsOf(output, 'pod').map(([name = '', node = '', address = '', uid = '']) => ({
    name,
    node,
    address,
    uid,
  }));
}

/** One field of the first line that begins with this word. */
export function fieldOf(output: string, word: string): string {
  return fieldsOf(output, word)[0]?.[0] ?? '';
}

function fieldsOf(output: string, word: string): readonly (readonly string[])[] {
  return output
    .trim()
    .split('\n')
    .map(line => line.split(' '))
    .filter(([first]) => first === word)
    .map(([, ...rest]) => rest);
}
