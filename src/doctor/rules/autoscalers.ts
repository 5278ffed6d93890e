// Autoscalers that have nothing to decide by: the pods stay as many as they are, whatever comes.

import { nameOf } from '../objects/common.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import { conditionOf, hasHeld, kubectl, oneLine, word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

type Autoscaler = ObjectOf<'horizontalpodautoscalers'>;

/** metrics-server reads four times a minute, and a new pod is not counted in its first half minute. */
const startingSeconds = 180;

/** What the controller says, Kubernetes 1.26 to 1.36; before 1.26 without the container. */
const wording = {
  request: /missing request for (\S+)(?: in container "?([^\s"]+)"? of Pod "?([^\s"]+)"?)?/,
  absent: /could not find the requested resource \(get [^\s.]+\.([\w.]*metrics\.k8s\.io)\)/,
  silent: /unable to handle the request \(get [^\s.]+\.([\w.]*metrics\.k8s\.io)\)/,
  nothing: /did not receive metrics for|no metrics returned/,
};

function why(autoscaler: Autoscaler, message: string): Pick<Finding, 'says' | 'cure'> {
  const { namespace } = autoscaler.metadata;
  const target = autoscaler.spec.scaleTargetRef;
  const [, resource, container, pod] = wording.request.exec(message) ?? [];
  if (resource !== undefined)
    return {
      says: `${container === undefined ? 'a container' : `the container ${container}`} of its pods asks for no ${resource}, and a share of nothing cannot be told`,
      cure: [
        container === 'istio-proxy'
          ? `let the sidecar ask for ${word(resource)}: sidecar.istio.io/proxy${resource === 'cpu' ? 'CPU' : 'Memory'} on the pods, or global.proxy.resources.requests in the values of istiod`
          : `kubectl -n ${word(namespace)} set resources ${word(target.kind.toLowerCase())} ${word(target.name)}${container === undefined ? '' : ` -c ${word(container)}`} --requests=${word(`${resource}=${resource === 'cpu' ? '100m' : '128Mi'}`)}   # what it really takes: kubectl top pods --containers`,
        ...(pod === undefined ? [] : [`kubectl -n ${word(namespace)} top pod ${word(pod)} --containers`]),
      ],
    };
  const absent = wording.absent.exec(message)?.[1];
  if (absent !== undefined)
    return {
      says: `nobody serves ${absent}${absent === 'metrics.k8s.io' ? ': metrics-server is not installed' : ''}`,
      cure: [
        `kubectl get apiservices | grep ${absent}`,
        ...(absent === 'metrics.k8s.io' ? ['install metrics-server'] : []),
      ],
    };
  return { says: `its controller says "${oneLine(message, 200)}"`, cure: [kubectl('describe', 'hpa', autoscaler)] };
}

/** None of its pods is ready: why, other rules know. */
function hasNoReady(snapshot: Snapshot, { metadata, spec: { scaleTargetRef: target } }: Autoscaler): boolean {
  const all = [...objects(snapshot, 'deployments'), ...objects(snapshot, 'statefulsets')];
  const workload = all.find(each => nameOf(each) === `${metadata.namespace}/${target.name}`);
  return workload?.status.readyReplicas === 0;
}

const autoscalerBlind: Rule = {
  id: 'autoscaler-blind',
  layer: 'workload',
  symptom: 'An autoscaler shows <unknown> under TARGETS, and pods stay as many as they are under load.',
  cause: 'It cannot compute a share: a container asks for nothing (often the sidecar), or nobody serves metrics.',
  cure: 'Give every container of the pods a request of what is scaled by; install or mend metrics-server.',
  sources: [
    'kubernetes/kubernetes pkg/controller/podautoscaler/replica_calculator.go (calculateRequests), horizontal.go (ScalingActive)',
    'kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale',
  ],
  needs: ['api.horizontalpodautoscalers', 'api.deployments', 'api.statefulsets'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'horizontalpodautoscalers').flatMap((autoscaler): readonly Finding[] => {
      const active = conditionOf(autoscaler, 'ScalingActive');
      // Scaled to zero by its owner it says ScalingDisabled.
      if (active?.status !== 'False' || !/^(Failed|Invalid)/.test(active.reason)) return [];
      if (!hasHeld(snapshot, active.lastTransitionTime, startingSeconds)) return [];
      if (wording.nothing.test(active.message) && hasNoReady(snapshot, autoscaler)) return [];
      const group = (wording.absent.exec(active.message) ?? wording.silent.exec(active.message))?.[1];
      const target = autoscaler.spec.scaleTargetRef;
      const { says, cure } = why(autoscaler, active.message);
      return [
        {
          says: `The autoscaler ${nameOf(autoscaler)} does not scale ${target.kind} ${target.name}: ${says}`,
          severity: 'error',
          certainty: 'certain',
          about: [
            `object:horizontalpodautoscaler/${nameOf(autoscaler)}`,
            `workload:${autoscaler.metadata.namespace}/${target.name}`,
            ...(group === undefined ? [] : ([`object:apiservice/v1beta1.${group}`] as const)),
          ],
          since: active.lastTransitionTime,
          evidence: [
            {
              says: `ScalingActive=False, ${active.reason}: ${oneLine(active.message)}`,
              from: `API: horizontalpodautoscaler ${nameOf(autoscaler)}`,
              again: kubectl('describe', 'hpa', autoscaler),
            },
          ],
          cure,
        },
      ];
    }),
};

export const autoscalerRules: readonly Rule[] = [autoscalerBlind];
