// Proof that autoscaling works: an autoscaler over one small pod gets figures to decide by.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { ask, withNamespaces } from '../../model/probe-namespace.ts';
import { createScript, fieldOf, probePodSpec } from '../../model/probe-pods.ts';
import { evidenceOf } from '../../model/probes.ts';
import { pauseImage } from '../../model/versions.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';

const namespace = 'homelab-probe-metrics';
const kubectl = adminKubectl(20);

/** sh, a condition: nobody serves figures, so that none will come. Where the API server does not say so, they may. */
export const nobodyMeasures = `{ service=$(${kubectl} get apiservice v1beta1.metrics.k8s.io --ignore-not-found -o name 2>/dev/null) && [ -z "$service" ]; }`;

export function autoscalerProbe(world: World): Probe {
  const host = controlPlaneOf(world).name;
  const piece = {
    id: 'autoscaler',
    host,
    title: 'an autoscaler gets the figures of a pod',
    expected: 'ScalingActive True',
    reproduce: 'kubectl get horizontalpodautoscalers --all-namespaces (homelab verify repeats it with one of its own)',
    hint: 'see why: kubectl logs -n kube-system deployment/metrics-server',
  };
  return {
    ...piece,
    kind: 'active',
    timeoutMs: 300_000,
    pieces: [piece],
    run: context =>
      withNamespaces(context, host, [namespace], async () => {
        const image = pauseImage(world.cluster.kubernetes.version);
        const said = await ask(context, host, activeScript(image), 230_000, 'there is no autoscaler');
        const [, reason = ''] = /^reason (.*)$/m.exec(said) ?? [];
        const status = fieldOf(said, 'active') || 'unknown';
        return [
          evidenceOf(piece, status === 'True', `ScalingActive ${status}${status === 'True' ? '' : `: ${reason}`}`),
        ];
      }),
  };
}

/** Prints 'active STATUS' and 'reason WORDS'. Figures need two rounds of metrics-server, then the autoscaler's own of 15 s. */
function activeScript(image: string): string {
  const labels = { app: namespace };
  const items = [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'probe', namespace },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: probePodSpec(image, {}, { cpu: '10m', memory: '8Mi' }) },
      },
    },
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'probe', namespace },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'probe' },
        minReplicas: 1,
        maxReplicas: 2,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 90 } } },
        ],
      },
    },
  ];
  return `${createScript(items)}left=36
until active=$(${condition('status')}) && [ "$active" = True ] || [ "$left" -le 0 ] || ${nobodyMeasures}; do left=$((left - 1)); sleep 5; done
echo "active $active"
[ "$active" = True ] || {
  if ${nobodyMeasures}; then echo 'reason nobody serves v1beta1.metrics.k8s.io'; else echo "reason $(${condition('message')})"; fi
  ${kubectl} get pods -n ${namespace} --no-headers >&2
}
`;
}

function condition(field: string): string {
  return `${kubectl} get -n ${namespace} horizontalpodautoscaler probe -o jsonpath='{.status.conditions[?(@.type=="ScalingActive")].${field}}'`;
}
