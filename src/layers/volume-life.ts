// A volume of a probe from its claim to its end, as scripts for a control plane.
import type { JsonObject } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import { volumesOf } from '../model/probe-namespace.ts';
import { comeUpScript, createScript, probePod } from '../model/probe-pods.ts';

const kubectl = adminKubectl(100);
/** Of every proof, in its own namespace. */
export const claim = 'probe';

export function claimOf(namespace: string, storageClass: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: claim, namespace },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: storageClass,
      resources: { requests: { storage: '64Mi' } },
    },
  };
}

/** Makes the claim and its first pod; prints the pod, and 'volume NAME PATH'. */
export function claimScript(namespace: string, storageClass: string, image: string, node: string): string {
  const pod = probePod(namespace, image, { name: 'writer', node, claim });
  return `${createScript([claimOf(namespace, storageClass), pod])}${comeUpScript(namespace)}volume=$(${kubectl} get -n ${namespace} persistentvolumeclaim ${claim} -o jsonpath='{.spec.volumeName}')
echo "volume $volume $(${kubectl} get persistentvolume "$volume" -o jsonpath='{.spec.hostPath.path}{.spec.local.path}')"
`;
}

/** After the first pod, another one with the same claim; prints it. */
export function nextPodScript(namespace: string, image: string, node: string): string {
  return `${kubectl} delete pod -n ${namespace} writer --wait --timeout=60s >/dev/null
${createScript([probePod(namespace, image, { name: 'reader', node, claim })])}${comeUpScript(namespace)}`;
}

/** After the claim: 'left' lines for volumes that do not go within a minute. */
export function volumesLeft(namespace: string): string {
  return `left=30
until found=$(${volumesOf(namespace)}) && [ -z "$found" ] || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 2; done
found=$(${volumesOf(namespace)})
[ -z "$found" ] || echo "left $(echo "$found" | tr '\\n' ' ')"
`;
}
