// Pods that are refused, webhooks and APIs that nobody answers for, Services that select nothing. Constructed beside the recorded cluster.
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import { isNear } from '../../src/doctor/rules/services.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { eachObject, found, ids, itemsOf, withObjects } from './rig.ts';
import { past, pod, unready, well, withEvents, withPods } from './well.ts';

let base: Snapshot;
beforeAll(async () => {
  base = await well();
});

const forbidden = 'pods "web-1-" is forbidden: ';
const quota = `${forbidden}exceeded quota: compute, requested: memory=1Gi, used: memory=4Gi, limited: memory=4Gi`;

function deployment(message: string, { status = 'True', seconds = 300 } = {}): Snapshot {
  return withObjects(base, 'deployments', [
    {
      metadata: { namespace: 'demo', name: 'web', uid: 'uid-web' },
      spec: { replicas: 3 },
      status: {
        replicas: 2,
        conditions: [
          { type: 'ReplicaFailure', status, reason: 'FailedCreate', message, lastTransitionTime: past(base, seconds) },
        ],
      },
    },
  ]);
}

describe('pods that are refused', () => {
  it.each([
    ['pods-refused-by-quota', quota],
    [
      'pods-refused-by-security',
      `${forbidden}violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`,
    ],
    [
      'service-account-missing',
      `${forbidden}error looking up service account demo/robot: serviceaccount "robot" not found`,
    ],
    ['pods-not-created', `${forbidden}maximum memory usage per Container is 1Gi, but limit is 2Gi`],
  ])('are %s', (id, message) => {
    expect(ids(deployment(message))).toEqual([id]);
    expect(ids(deployment(message, { status: 'False' }))).toEqual([]);
    expect(ids(deployment(message, { seconds: 10 }))).toEqual([]);
  });

  it('by a quota are told how much of what is used', () => {
    const snapshot = withObjects(deployment(quota), 'resourcequotas', [
      {
        metadata: { namespace: 'demo', name: 'compute' },
        status: { hard: { memory: '4Gi', pods: '10' }, used: { memory: '4096Mi', pods: '3' } },
      },
    ]);
    expect(found('pods-refused-by-quota', snapshot)[0]?.says).toContain('memory 4096Mi of 4Gi');
    expect(found('quota-full', snapshot)).toMatchObject([{ severity: 'note' }]);
    const roomy = withObjects(snapshot, 'resourcequotas', [
      {
        metadata: { namespace: 'demo', name: 'compute' },
        status: { hard: { memory: '4Gi' }, used: { memory: '4095Mi' } },
      },
    ]);
    expect(found('quota-full', roomy)).toEqual([]);
  });

  it('by a quota are told by the quota of that name and place, and by what it has', () => {
    const quotaOf = (namespace: string, name: string, hard: object, used: object) => ({
      metadata: { namespace, name },
      status: { hard, used },
    });
    const says = (...all: readonly object[]) =>
      found('pods-refused-by-quota', withObjects(deployment(quota), 'resourcequotas', all))[0];
    const full = [{ memory: '4Gi' }, { memory: '4Gi' }] as const;
    const bare = 'The quota compute of demo lets demo/web make no more pods';
    expect(says(quotaOf('prod', 'compute', ...full), quotaOf('demo', 'storage', ...full))?.says).toBe(bare);
    expect(says(quotaOf('demo', 'compute', ...full))).toMatchObject({
      says: `${bare}: memory 4Gi of 4Gi`,
      severity: 'error',
      about: ['workload:demo/web', 'namespace:demo'],
      since: past(base, 300),
      evidence: [{}, { says: '2 of 3 replicas' }].map(each => expect.objectContaining(each)),
    });
    // None at all is what somebody wants, and what is not counted is not used up.
    const meant = quotaOf('demo', 'none', { 'services.loadbalancers': '0' }, { 'services.loadbalancers': '0' });
    const uncounted = quotaOf('demo', 'new', { pods: '10' }, {});
    expect(found('quota-full', withObjects(base, 'resourcequotas', [meant, uncounted]))).toEqual([]);
  });

  it('of a daemon set are told while it lacks some', () => {
    const set = (numberReady: number) =>
      withEvents(
        withObjects(base, 'daemonsets', [
          {
            metadata: { namespace: 'demo', name: 'agent', uid: 'uid-agent' },
            spec: {},
            status: { desiredNumberScheduled: 2, numberReady },
          },
        ]),
        { kind: 'DaemonSet', name: 'agent', uid: 'uid-agent' },
        [{ reason: 'FailedCreate', message: quota, first: 120 }],
      );
    const [one] = found('pods-refused-by-quota', set(1));
    expect(one).toMatchObject({ about: ['workload:demo/agent', 'namespace:demo'], since: past(base, 120) });
    expect(one?.evidence).toHaveLength(1);
    expect(found('pods-refused-by-quota', set(2))).toEqual([]);
  });

  it('by a webhook are told whether it is silent or says no', () => {
    const says = (message: string) => found('pods-not-created', deployment(message))[0];
    const silent = says('Internal error occurred: failed calling webhook "a.example.com": timeout');
    expect(silent?.says).toBe('demo/web makes no pods: the webhook a.example.com does not answer');
    expect(silent?.about).toContain('webhook:a.example.com');
    const denied = 'admission webhook "a.example.com" denied the request: no label';
    expect(says(denied)?.says).toBe(`demo/web makes no pods: ${denied}`);
    expect(says(denied)?.about).toContain('webhook:a.example.com');
    expect(says('of its own')?.about).toEqual(['workload:demo/web', 'namespace:demo']);
  });

  it('of a stateful set are told by its newest event, while pods are missing', () => {
    const set = (replicas: number) =>
      withObjects(base, 'statefulsets', [
        { metadata: { namespace: 'demo', name: 'db', uid: 'uid-db' }, spec: { replicas: 2 }, status: { replicas } },
      ]);
    const said = (
      snapshot: Snapshot,
      more: readonly { type?: string; reason: string; message: string; first: number }[] = [],
    ) =>
      ids(
        withEvents(snapshot, { kind: 'StatefulSet', name: 'db', uid: 'uid-db' }, [
          { reason: 'FailedCreate', message: quota, first: 120 },
          ...more,
        ]),
      );
    expect(said(set(1))).toEqual(['pods-refused-by-quota']);
    expect(said(set(2))).toEqual([]);
    expect(
      said(set(1), [{ type: 'Normal', reason: 'SuccessfulCreate', message: 'create Pod db-1', first: 5 }]),
    ).toEqual([]);
  });
});

const svc = (name: string, selector: Record<string, string>, more: object = {}) => ({
  metadata: { namespace: 'demo', name, creationTimestamp: past(base, 3600) },
  spec: { clusterIP: '10.96.0.99', selector, ...more },
});
const hooks = (failurePolicy: string) => [
  {
    metadata: { name: 'injector' },
    webhooks: [
      { name: 'inject.example.com', failurePolicy, clientConfig: { service: { namespace: 'demo', name: 'injector' } } },
    ],
  },
];
const addServices = (snapshot: Snapshot, ...services: readonly object[]) =>
  withObjects(snapshot, 'services', [...itemsOf(snapshot, 'services'), ...services]);
const endpointsOf = (name: string, addresses: readonly object[]) => ({
  metadata: {
    namespace: 'demo',
    name,
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': past(base, 300) },
  },
  subsets: [{ addresses }],
});
const addEndpoints = (snapshot: Snapshot, ...more: readonly object[]) =>
  withObjects(snapshot, 'endpoints', [...itemsOf(snapshot, 'endpoints'), ...more]);
const answered = [{ ip: '10.244.1.9' }];

describe('webhook-unanswered', () => {
  const hooked = (policy: string, addresses: readonly object[], snapshot = base) =>
    withObjects(
      addEndpoints(addServices(snapshot, svc('injector', { app: 'injector' })), endpointsOf('injector', addresses)),
      'mutatingwebhookconfigurations',
      hooks(policy),
    );

  it('explains the pods that are not made for want of it', () => {
    const refused = deployment(
      'Internal error occurred: failed calling webhook "inject.example.com": no endpoints available for service "injector"',
    );
    const { broken } = diagnose(hooked('Fail', [], refused), rules);
    expect(broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)])).toEqual([
      ['webhook-unanswered', ['pods-not-created']],
    ]);
    expect(broken[0]?.says).toContain('inject.example.com');
  });

  it('is well when somebody answers, when it may be ignored, and where endpoints were not read', () => {
    expect(found('webhook-unanswered', hooked('Fail', answered))).toEqual([]);
    expect(found('webhook-unanswered', hooked('Ignore', []))).toEqual([]);
    const blind = hooked('Fail', []);
    expect(
      found('webhook-unanswered', {
        ...blind,
        lists: { ...blind.lists, endpoints: { state: 'unknown', why: 'forbidden' } },
      }),
    ).toEqual([]);
  });

  it('is told with the pods that should answer, and no others', () => {
    const of = (name: string, more: { metadata?: object; spec?: object; status?: object } = {}) =>
      pod(base, name, { ...more, metadata: { labels: { app: 'injector' }, ...more.metadata } });
    const others = [
      of('over', { status: { phase: 'Failed' } }),
      of('elsewhere', { metadata: { namespace: 'prod' } }),
      of('other', { metadata: { labels: { app: 'web' } } }),
    ];
    const said = (...pods: readonly object[]) => found('webhook-unanswered', withPods(hooked('Fail', []), ...pods))[0];
    const head = 'The API server must ask the webhook inject.example.com (injector), and nobody answers: ';
    expect(said(...others)).toMatchObject({
      says: `${head}no pod stands behind the Service demo/injector`,
      severity: 'error',
      about: ['webhook:injector', 'webhook:inject.example.com', 'service:demo/injector'],
      since: past(base, 300),
    });
    const waits = of('a', { spec: { nodeName: '' }, status: { phase: 'Pending', containerStatuses: [] } });
    expect(said(...others, waits)).toMatchObject({
      says: `${head}no pod behind the Service demo/injector is ready (a: Pending)`,
      about: [expect.anything(), expect.anything(), 'service:demo/injector', 'pod:demo/a'],
    });
    expect(said(of('b'))?.about).toContain('machine:n2');
  });

  it('is told where its Service is not there, or selects nobody', () => {
    const lost = withObjects(base, 'mutatingwebhookconfigurations', hooks('Fail'));
    const [one] = found('webhook-unanswered', lost);
    expect(one?.says).toMatch(/nobody answers: there is no Service demo\/injector$/);
    expect(one).not.toHaveProperty('since');
    const byHand = addEndpoints(addServices(lost, svc('injector', {})), endpointsOf('injector', []));
    expect(found('webhook-unanswered', withPods(byHand, pod(base, 'web')))[0]?.about).not.toContain('pod:demo/web');
    const same = eachObject(lost, 'mutatingwebhookconfigurations', each => ({
      ...each,
      webhooks: each.webhooks.map(hook => ({ ...hook, name: 'injector' })),
    }));
    expect(found('webhook-unanswered', same)[0]?.about).toEqual(['webhook:injector', 'service:demo/injector']);
  });

  it('follows from its pod that crashes', () => {
    const at = past(base, 600);
    const bad = pod(base, 'injector-1', {
      metadata: { labels: { app: 'injector' } },
      status: {
        conditions: unready(at),
        containerStatuses: [
          {
            name: 'c',
            image: 'x',
            restartCount: 9,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { reason: 'Error', exitCode: 1, finishedAt: past(base, 30) } },
          },
        ],
      },
    });
    const { broken } = diagnose(withPods(hooked('Fail', []), bad), rules);
    expect(broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)])).toEqual([
      ['container-crashing', ['webhook-unanswered', 'pod-not-ready']],
    ]);
  });
});

describe('apiservice-unavailable', () => {
  const api = (
    status: string,
    seconds = 300,
    service: object | null = { namespace: 'kube-system', name: 'metrics-server' },
  ) =>
    withObjects(base, 'apiservices', [
      {
        metadata: { name: 'v1beta1.metrics.k8s.io' },
        spec: { service },
        status: {
          conditions: [
            {
              type: 'Available',
              status,
              reason: 'MissingEndpoints',
              message: 'endpoints for service/metrics-server have no addresses',
              lastTransitionTime: past(base, seconds),
            },
          ],
        },
      },
    ]);

  it('is told, and explains the namespace that cannot end', () => {
    const stuck = withObjects(api('False', 1000), 'namespaces', [
      {
        metadata: { name: 'old', deletionTimestamp: past(base, 900) },
        status: {
          phase: 'Terminating',
          conditions: [
            {
              type: 'NamespaceDeletionDiscoveryFailure',
              status: 'True',
              message: 'unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1',
            },
          ],
        },
      },
    ]);
    expect(
      diagnose(stuck, rules).broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)]),
    ).toEqual([['apiservice-unavailable', ['namespace-terminating']]]);
  });

  it('is well when it is available, new, or of the API server itself', () => {
    expect(ids(api('True'))).toEqual([]);
    expect(ids(api('False', 20))).toEqual([]);
    expect(ids(api('False', 300, null))).toEqual([]);
    expect(ids(api('Unknown'))).toEqual([]);
  });

  it('has the certificate that is not accepted in its sentence', () => {
    const server = pod(base, 'metrics-server-1', {
      metadata: { namespace: 'kube-system', labels: { app: 'ms' } },
      status: { conditions: unready(past(base, 30)) },
    });
    const service = {
      metadata: { namespace: 'kube-system', name: 'metrics-server', creationTimestamp: past(base, 3600) },
      spec: { selector: { app: 'ms' } },
    };
    const logs = [
      {
        pod: 'kube-system/metrics-server-1',
        container: 'c',
        lines: [
          "Failed to scrape node: tls: failed to verify certificate: x509: cannot validate certificate for 10.77.0.12 because it doesn't contain any IP SANs",
        ],
      },
    ];
    const there = withPods(addServices(api('False'), service), server);
    const says = (snapshot: Snapshot) => found('apiservice-unavailable', snapshot)[0];
    const one = says({ ...there, logs });
    expect(one?.says).toContain('any IP SANs');
    expect(one?.cure).toHaveLength(2);
    const name = 'The API v1beta1.metrics.k8s.io does not answer: ';
    const foreign = logs.map(log => ({ ...log, pod: 'demo/other' }));
    expect(says({ ...there, logs: foreign })?.says).toMatch(
      /: no pod behind the Service kube-system\/metrics-server is/,
    );
    expect(says(there)?.cure).toHaveLength(1);
    const endpoints = {
      metadata: { namespace: 'kube-system', name: 'metrics-server' },
      subsets: [{ addresses: answered }],
    };
    const answering = addEndpoints(there, endpoints);
    expect(says(answering)?.says).toBe(`${name}endpoints for service/metrics-server have no addresses`);
    const mute = eachObject(answering, 'apiservices', each => ({
      ...each,
      status: { conditions: each.status.conditions.map(condition => ({ ...condition, message: '' })) },
    }));
    expect(says(mute)?.says).toBe(`${name}MissingEndpoints`);
    const blind = { ...there, lists: { ...there.lists, endpoints: { state: 'unknown', why: 'forbidden' } as const } };
    expect(says(blind)?.says).toBe(`${name}endpoints for service/metrics-server have no addresses`);
  });
});

describe('namespace-terminating', () => {
  it('is told after five minutes', () => {
    const ending = (seconds: number, phase = 'Terminating') =>
      withObjects(base, 'namespaces', [
        { metadata: { name: 'old', deletionTimestamp: past(base, seconds) }, status: { phase } },
      ]);
    expect(ids(ending(900))).toEqual(['namespace-terminating']);
    expect(ids(ending(100))).toEqual([]);
    expect(ids(ending(900, 'Active'))).toEqual([]);
  });

  it('is told by what holds it: an API that is silent, a finalizer, or what there is', () => {
    const says = (...conditions: readonly object[]) =>
      found(
        'namespace-terminating',
        withObjects(base, 'namespaces', [
          {
            metadata: { name: 'old', deletionTimestamp: past(base, 900) },
            status: { phase: 'Terminating', conditions },
          },
        ]),
      )[0];
    const is = (type: string, status = 'True') => ({ type, status, message: `said by ${type}` });
    const left = is('NamespaceContentRemaining');
    const head = `The namespace old stays Terminating since ${past(base, 900)}`;
    const silent = is('NamespaceDeletionDiscoveryFailure', 'False');
    const held = is('NamespaceFinalizersRemaining');
    expect(says(silent)).toMatchObject({ says: head, about: ['namespace:old'], since: past(base, 900) });
    expect(says(silent, left)?.says).toBe(`${head}: said by NamespaceContentRemaining`);
    expect(says(silent, left, held)?.says).toBe(`${head}: said by NamespaceFinalizersRemaining`);
    expect(says(left, held, { ...silent, status: 'True' })?.says).toContain(
      'said by NamespaceDeletionDiscoveryFailure',
    );
    expect(says(silent, left)?.evidence).toHaveLength(1);
  });
});

describe('service-selects-nothing', () => {
  const web = (labels: Record<string, string>) => pod(base, 'web-1', { metadata: { labels } });
  const said = (selector: Record<string, string>, labels: Record<string, string>, more: object = {}) =>
    found('service-selects-nothing', withPods(addServices(base, svc('web', selector, more)), web(labels)));

  it('is an error when one label is misspelt, and names the pod that is meant', () => {
    expect(said({ app: 'wbe-front' }, { app: 'web-front' })).toMatchObject([
      { severity: 'error', certainty: 'likely', about: ['service:demo/web', 'pod:demo/web-1'] },
    ]);
    expect(said({ app: 'web', teir: 'front' }, { app: 'web', tier: 'front' })).toMatchObject([{ severity: 'error' }]);
  });

  it('is a note when nothing is like it', () => {
    expect(said({ app: 'grafana' }, { app: 'mysql' })).toMatchObject([{ severity: 'note' }]);
    expect(said({ app: 'web', version: 'v1' }, { app: 'web', version: 'v2' })).toMatchObject([{ severity: 'note' }]);
  });

  it('is a note when more than a slip keeps the pod away, or that pod is not well', () => {
    const note = [{ severity: 'note', about: ['service:demo/web'] }];
    expect(said({ app: 'wbe-front', tier: 'frnot' }, { app: 'web-front', tier: 'front' })).toMatchObject(note);
    expect(said({ app: 'web', teir: 'front' }, { app: 'web', role: 'front' })).toMatchObject(note);
    expect(said({ app: 'web', teir: 'front' }, { app: 'web', tier: 'back' })).toMatchObject(note);
    const by = (more: { metadata?: object; status?: object }, label = 'web-front') =>
      found(
        'service-selects-nothing',
        withPods(
          addServices(base, svc('web', { app: 'wbe-front' })),
          pod(base, 'web-1', { ...more, metadata: { labels: { app: label }, ...more.metadata } }),
        ),
      );
    expect(by({})).toMatchObject([{ severity: 'error' }]);
    expect(by({ status: { conditions: unready(past(base, 300)) } })).toMatchObject(note);
    expect(by({ status: { phase: 'Succeeded' } }, 'wbe-front')).toMatchObject(note);
    const leaving = { labels: { app: 'wbe-front' }, deletionTimestamp: past(base, 5) };
    expect(by({ metadata: leaving })).toMatchObject(note);
    const empty = addEndpoints(addServices(base, svc('web', { app: 'x' })), endpointsOf('web', []));
    expect(found('service-selects-nothing', empty)).toMatchObject(note);
  });

  it('is nothing when it selects a pod, selects by nothing, or names another host', () => {
    expect(said({ app: 'web' }, { app: 'web', tier: 'front' })).toEqual([]);
    expect(said({}, { app: 'web' }, { clusterIP: 'None' })).toEqual([]);
    expect(said({ app: 'wbe' }, { app: 'web' }, { type: 'ExternalName' })).toEqual([]);
    const byHand = addEndpoints(
      withPods(addServices(base, svc('web', { app: 'wbe-front' })), web({ app: 'web-front' })),
      endpointsOf('web', answered),
    );
    expect(found('service-selects-nothing', byHand)).toEqual([]);
  });

  it.each([
    ['web', 'wbe', true],
    ['app', 'api', false],
    ['backend', 'bakcend', true],
    ['Web', 'web', true],
    ['web-1', 'web-2', false],
    ['mysql', 'mysqld', true],
    ['api', 'ui', false],
    ['web', 'web', false],
    ['ui', 'iu', false],
    ['backend', 'backend-one', false],
  ])('%s and %s: %s', (one, other, near) => {
    expect(isNear(one, other)).toBe(near);
  });
});

describe('what waits without harm', () => {
  it('is a load balancer without an address, a budget that lets nobody go: notes', () => {
    const balancer = (more: object = {}) =>
      addServices(base, { ...svc('lb', {}), spec: { type: 'LoadBalancer' }, ...more });
    expect(found('load-balancer-pending', balancer())).toMatchObject([{ severity: 'note' }]);
    expect(
      found('load-balancer-pending', balancer({ status: { loadBalancer: { ingress: [{ ip: '10.0.0.9' }] } } })),
    ).toEqual([]);
    expect(found('load-balancer-pending', balancer({ spec: { type: 'NodePort' } }))).toEqual([]);
    const budget = (disruptionsAllowed: number, currentHealthy: number) =>
      withObjects(base, 'poddisruptionbudgets', [
        {
          metadata: { namespace: 'demo', name: 'db' },
          status: { disruptionsAllowed, currentHealthy, desiredHealthy: 2, expectedPods: 2 },
        },
      ]);
    expect(found('budget-never-allows', budget(0, 2))).toMatchObject([{ severity: 'note' }]);
    expect(found('budget-never-allows', budget(1, 2))).toEqual([]);
    expect(found('budget-never-allows', budget(0, 1))).toEqual([]);
    const ofNobody = eachObject(budget(0, 0), 'poddisruptionbudgets', each => ({
      ...each,
      status: { ...each.status, expectedPods: 0 },
    }));
    expect(found('budget-never-allows', ofNobody)).toEqual([]);
  });
});
