// Constructed, with the words of Kubernetes' own controller (pkg/controller/podautoscaler): autoscalers that cannot tell a share.
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../src/doctor/rule.ts';
import { autoscalerRules } from '../../src/doctor/rules/autoscalers.ts';
import { servingRules } from '../../src/doctor/rules/serving.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import { ago, healthy } from './constructed.ts';
import { causesIn, withObjects } from './rig.ts';

const [blind] = autoscalerRules as readonly [Rule];
const prefix = 'the HPA was unable to compute the replica count: ';
const missing = `${prefix}failed to get cpu utilization: missing request for cpu in container istio-proxy of Pod was-5d9c7b6f4-x2x7k`;
const fetching = `${prefix}failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: `;
const unready = `${prefix}failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)`;

function saying(message: string, more: Record<string, unknown> = {}, from: Snapshot = healthy): Snapshot {
  const condition = {
    type: 'ScalingActive',
    status: 'False',
    reason: 'FailedGetResourceMetric',
    message,
    lastTransitionTime: ago(900),
    ...more,
  };
  return withObjects(from, 'horizontalpodautoscalers', [
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { namespace: 'blog', name: 'was' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'was' },
        minReplicas: 2,
        maxReplicas: 10,
      },
      status: {
        conditions: [{ ...condition, type: 'AbleToScale', status: 'True', reason: 'SucceededGetScale' }, condition],
      },
    },
  ]);
}

const deployment = (readyReplicas: number, from: Snapshot) =>
  withObjects(from, 'deployments', [{ metadata: { namespace: 'blog', name: 'was' }, status: { readyReplicas } }]);

const cases: readonly Case[] = [
  {
    rule: blind,
    when: 'the sidecar asks for nothing',
    in: saying(missing),
    says: /^The autoscaler blog\/was does not scale Deployment was: the container istio-proxy of its pods asks for no cpu/,
    severity: 'error',
    about: 'workload:blog/was',
    near: {
      'it has just begun': saying(missing, { lastTransitionTime: ago(60) }),
      'its owner scaled to zero': saying('scaling is disabled since the replica count of the target is zero', {
        reason: 'ScalingDisabled',
      }),
      'it scales': saying('the HPA was able to successfully calculate a replica count', {
        status: 'True',
        reason: 'ValidMetricFound',
      }),
    },
  },
  {
    rule: blind,
    when: 'nobody serves metrics',
    in: saying(`${fetching}the server could not find the requested resource (get pods.metrics.k8s.io)`),
    says: /nobody serves metrics\.k8s\.io: metrics-server is not installed$/,
    severity: 'error',
    about: 'object:apiservice/v1beta1.metrics.k8s.io',
    advises: /^install metrics-server$/m,
    near: {},
  },
  {
    rule: blind,
    when: 'its pods are ready and nobody measured them',
    in: deployment(2, saying(unready)),
    says: /its controller says ".*did not receive metrics/,
    severity: 'error',
    near: { 'none of them is ready': deployment(0, saying(unready)) },
  },
  {
    rule: blind,
    when: 'there is a metric of its own that nobody has',
    in: saying(`${prefix}unable to get metric queue: no custom metrics API (custom.metrics.k8s.io) registered`, {
      reason: 'FailedGetPodsMetric',
    }),
    says: /its controller says "the HPA was unable/,
    severity: 'error',
    near: {},
  },
];

testRules(autoscalerRules, cases);

describe('an autoscaler without numbers', () => {
  it('is the consequence of a metrics server that does not answer', () => {
    const silent = saying(`${fetching}the server is currently unable to handle the request (get pods.metrics.k8s.io)`);
    const down = withObjects(silent, 'apiservices', [
      {
        metadata: { name: 'v1beta1.metrics.k8s.io' },
        spec: { service: { namespace: 'kube-system', name: 'metrics-server' } },
        status: {
          conditions: [
            { type: 'Available', status: 'False', reason: 'MissingEndpoints', lastTransitionTime: ago(900) },
          ],
        },
      },
    ]);
    expect(causesIn(down, [...servingRules, ...autoscalerRules])).toEqual(['apiservice-unavailable']);
    expect(causesIn(silent, [...servingRules, ...autoscalerRules])).toEqual(['autoscaler-blind']);
  });

  it.each([
    ['istio-proxy', /sidecar\.istio\.io\/proxyCPU/],
    ['was', /set resources deployment was -c was --requests=cpu=100m/],
  ])('is told how to give the container %s a request', (container, cure) => {
    expect(blind.find(saying(missing.replace('istio-proxy', container)))[0]?.cure[0]).toMatch(cure);
  });
});
