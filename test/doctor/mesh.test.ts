// Rules of the mesh. Istio's objects are constructed from the CRDs of istio/api 1.30.3; nodes are recorded.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Rule } from '../../src/doctor/rule.ts';
import { meshRules } from '../../src/doctor/rules/mesh.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { labState } from './lab-states.ts';
import { ago, bare, config, everRead, found, having, type Lists, log, pod, service } from './products.ts';
import { recorded, states } from './recorded.ts';
import { withFacts } from './rig.ts';

let empty: Snapshot;
beforeAll(async () => {
  empty = await bare();
});

function rule(id: string): Rule {
  const one = meshRules.find(each => each.id === id);
  if (!one) throw new Error(`no rule ${id}`);
  return one;
}
const says = (id: string, snapshot: Snapshot) => found(rule(id), snapshot).map(each => each.says);
const kindOf = (id: string, snapshot: Snapshot) =>
  found(rule(id), snapshot).map(({ severity, certainty }) => `${severity} ${certainty}`);

const meta = (name: string, namespace = 'blog') => ({ name, namespace });
const policy = (methods: readonly string[] | undefined, more: Record<string, unknown> = {}) => ({
  metadata: meta('was-api'),
  spec: {
    action: 'ALLOW',
    selector: { matchLabels: { app: 'was' } },
    rules: [{ to: [{ operation: methods === undefined ? { paths: ['/api/*'] } : { methods, paths: ['/api/*'] } }] }],
    ...more,
  },
});
const route = (
  name: string,
  hosts: readonly string[],
  host: string,
  more: Record<string, unknown> = {},
  gateways: readonly string[] = ['istio-ingress/home'],
) => ({
  metadata: meta(name),
  spec: {
    hosts,
    gateways,
    http: [{ match: [{ uri: { prefix: '/api' } }], route: [{ destination: { host }, weight: 100 }], ...more }],
  },
});
const was = pod('was-0', { labels: { app: 'was' }, sidecar: true });

describe('mesh-preflight-denied (D-1)', () => {
  const lists = (methods: readonly string[] | undefined, more: Lists = {}): Lists => ({
    pods: [was],
    services: [service('was')],
    virtualservices: [route('was', ['blog.home.shop'], 'was')],
    authorizationpolicies: [policy(methods)],
    ...more,
  });

  it('names the policy that lets no OPTIONS through to a public API', () => {
    const [finding] = found(rule('mesh-preflight-denied'), having(empty, lists(['GET'])));
    expect(finding?.says).toBe(
      'Browsers that call blog/app=was from another site get 403: AuthorizationPolicy blog/was-api allows GET, and not OPTIONS, with which they ask first',
    );
    expect(finding).toMatchObject({
      severity: 'error',
      certainty: 'likely',
      about: ['object:blog/was-api', 'namespace:blog'],
    });
    expect(finding?.cure[0]).toContain('"path":"/spec/rules/0/to/0/operation/methods/-","value":"OPTIONS"');
  });

  it.each([
    ['OPTIONS is among the methods', lists(['GET', 'OPTIONS'])],
    ['every method is', lists(['*'])],
    ['no method is named', lists(undefined)],
    ['the policy denies', lists(['GET'], { authorizationpolicies: [policy(['GET'], { action: 'DENY' })] })],
    [
      'a second policy lets OPTIONS through',
      lists(['GET'], {
        authorizationpolicies: [policy(['GET']), { ...policy(['OPTIONS']), metadata: meta('preflight') }],
      }),
    ],
    [
      'the policy is about other pods',
      lists(['GET'], { authorizationpolicies: [policy(['GET'], { selector: { matchLabels: { app: 'web' } } })] }),
    ],
    ['the pod has no sidecar', lists(['GET'], { pods: [pod('was-0', { labels: { app: 'was' } })] })],
    [
      'the gateway answers such questions itself',
      lists(['GET'], {
        virtualservices: [
          route('was', ['blog.home.shop'], 'was', {
            corsPolicy: { allowOrigins: [{ exact: 'https://blog.home.shop' }] },
          }),
        ],
      }),
    ],
  ])('is silent when %s', (_, given) => {
    expect(says('mesh-preflight-denied', having(empty, given))).toEqual([]);
  });

  it('is less sure of a page than of an API, and merely notes what nobody outside reaches', () => {
    const page = {
      metadata: meta('web'),
      spec: {
        selector: { matchLabels: { app: 'was' } },
        rules: [{ to: [{ operation: { methods: ['GET', 'HEAD'] } }] }],
      },
    };
    const plain = route('was', ['blog.home.shop'], 'was', { match: [{ uri: { prefix: '/' } }] });
    expect(
      kindOf(
        'mesh-preflight-denied',
        having(empty, lists([], { authorizationpolicies: [page], virtualservices: [plain] })),
      ),
    ).toEqual(['warning possible']);
    expect(kindOf('mesh-preflight-denied', having(empty, lists(['POST'], { virtualservices: [] })))).toEqual([
      'note possible',
    ]);
    expect(
      kindOf('mesh-preflight-denied', having(empty, lists([], { authorizationpolicies: [page], virtualservices: [] }))),
    ).toEqual([]);
  });
});

describe('cors-origin-missing', () => {
  const site = route('web', ['home.shop'], 'web');
  const api = (corsPolicy?: unknown) =>
    route('was', ['api.home.shop'], 'was', corsPolicy === undefined ? {} : { corsPolicy });

  it('names the origin that a corsPolicy leaves out', () => {
    const snapshot = having(empty, {
      virtualservices: [site, api({ allowOrigins: [{ exact: 'https://old.home.shop' }] })],
    });
    expect(says('cors-origin-missing', snapshot)).toEqual([
      'Pages of https://home.shop cannot read answers of api.home.shop: its corsPolicy names https://old.home.shop, and not that one',
    ]);
    expect(kindOf('cors-origin-missing', snapshot)).toEqual(['warning likely']);
  });

  it('only notes that there is no corsPolicy: the application may send the headers', () => {
    expect(kindOf('cors-origin-missing', having(empty, { virtualservices: [site, api()] }))).toEqual(['note possible']);
  });

  it.each([
    ['the origin is named', [site, api({ allowOrigins: [{ exact: 'https://home.shop' }] })]],
    ['a pattern fits it', [site, api({ allowOrigins: [{ regex: 'https://.*home\\.shop' }] })]],
    ['a pattern cannot be read here', [site, api({ allowOrigins: [{ regex: '(?P<a>x)' }] })]],
    ['there is no page of that domain', [route('web', ['other.shop'], 'web'), api()]],
    ['the page is not served from outside', [route('web', ['home.shop'], 'web', {}, ['mesh']), api()]],
  ])('is silent when %s', (_, virtualservices) => {
    expect(says('cors-origin-missing', having(empty, { virtualservices }))).toEqual([]);
  });
});

describe('mesh-strict-callers', () => {
  const strict = (mode = 'STRICT', more: Record<string, unknown> = {}, namespace = 'istio-system') => ({
    metadata: meta('default', namespace),
    spec: { mtls: { mode }, ...more },
  });
  const nginx = pod('ingress-nginx-controller-1', {
    namespace: 'ingress-nginx',
    image: 'registry.k8s.io/ingress-nginx/controller:v1.12.1',
  });
  const lists = (more: Lists = {}): Lists => ({
    pods: [was, nginx],
    services: [service('was')],
    peerauthentications: [strict()],
    ...more,
  });

  it('says that an entrance without a sidecar may be refused', () => {
    const snapshot = having(empty, lists());
    expect(says('mesh-strict-callers', snapshot)[0]).toContain(
      'ingress-nginx/ingress-nginx-controller-1 brings callers in without a sidecar, and blog/was takes mTLS only (istio-system/default is STRICT)',
    );
    expect(kindOf('mesh-strict-callers', snapshot)).toEqual(['warning possible']);
  });

  it('is sure enough when a caller without a sidecar crashes over it', () => {
    const caller = pod('fetch-1', { namespace: 'jobs', state: 'crash' });
    const snapshot = {
      ...having(empty, lists({ pods: [was, caller] })),
      logs: [log('jobs/fetch-1', 'GET http://was.blog:8080/api: read: connection reset by peer')],
    };
    const [finding] = found(rule('mesh-strict-callers'), snapshot);
    expect(finding).toMatchObject({
      severity: 'error',
      certainty: 'likely',
      about: ['pod:jobs/fetch-1', 'service:blog/was'],
    });
    expect(kindOf('mesh-strict-callers', { ...snapshot, logs: [log('jobs/fetch-1', 'panic: nil map')] })).toEqual([
      'note possible',
    ]);
  });

  it('says that a NodePort leads callers from outside to it', () => {
    const snapshot = having(empty, lists({ pods: [was], services: [service('was', { type: 'NodePort' })] }));
    expect(kindOf('mesh-strict-callers', snapshot)).toEqual(['warning possible']);
  });

  it.each([
    ['PERMISSIVE', lists({ peerauthentications: [strict('PERMISSIVE')] })],
    ['the namespace is PERMISSIVE again', lists({ peerauthentications: [strict(), strict('PERMISSIVE', {}, 'blog')] })],
    [
      'that port is',
      lists({
        peerauthentications: [
          strict(),
          {
            metadata: meta('was'),
            spec: {
              selector: { matchLabels: { app: 'was' } },
              mtls: { mode: 'STRICT' },
              portLevelMtls: { '8080': { mode: 'PERMISSIVE' } },
            },
          },
        ],
      }),
    ],
    ['STRICT is for another namespace', lists({ peerauthentications: [strict('STRICT', {}, 'shop')] })],
    [
      'the entrance has a sidecar',
      lists({
        pods: [
          was,
          pod('ingress-nginx-controller-1', {
            namespace: 'ingress-nginx',
            image: 'registry.k8s.io/ingress-nginx/controller:v1',
            sidecar: true,
          }),
        ],
      }),
    ],
    ['only the platform has no sidecar', lists({ pods: [was, pod('coredns-1', { namespace: 'kube-system' })] })],
  ])('is silent when %s', (_, given) => {
    expect(says('mesh-strict-callers', having(empty, given))).toEqual([]);
  });
});

describe('mesh-server-first (D-7)', () => {
  const mysql = (more = {}) =>
    pod('mysql-0', { labels: { app: 'mysql' }, image: 'docker.io/library/mysql:8.0', sidecar: true, ...more });
  const port = (name: string, appProtocol?: string) => [
    { name, port: 3306, targetPort: 3306, ...(appProtocol === undefined ? {} : { appProtocol }) },
  ];
  const lists = (ports: readonly unknown[], more: Lists = {}): Lists => ({
    pods: [mysql()],
    services: [service('mysql', { ports })],
    ...more,
  });

  it('names a port that is not declared as TCP', () => {
    const snapshot = having(empty, lists(port('')));
    expect(says('mesh-server-first', snapshot)[0]).toContain(
      'blog/mysql is a MySQL behind a sidecar, and its port 3306 is not named',
    );
    expect(kindOf('mesh-server-first', snapshot)).toEqual(['warning likely']);
  });

  it('ties the client that says so to it', () => {
    const snapshot = {
      ...having(empty, lists(port('db'), { pods: [mysql(), pod('was-0', { state: 'crash' })] })),
      logs: [log('blog/was-0', 'com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure')],
    };
    expect(found(rule('mesh-server-first'), snapshot)[0]).toMatchObject({
      severity: 'error',
      certainty: 'certain',
      about: ['service:blog/mysql', 'pod:blog/mysql-0', 'pod:blog/was-0'],
    });
  });

  it.each([
    ['the port is called tcp-mysql', lists(port('tcp-mysql'))],
    ['its appProtocol is tcp', lists(port('db', 'tcp'))],
    ['MySQL has no sidecar', lists(port(''), { pods: [mysql({ sidecar: false })] })],
    [
      'the sidecar leaves that port alone',
      lists(port(''), { pods: [mysql({ annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '3306' } })] }),
    ],
    ['it is no MySQL', lists(port(''), { pods: [mysql({ image: 'docker.io/library/redis:7' })] })],
  ])('is silent when %s', (_, given) => {
    expect(says('mesh-server-first', having(empty, given))).toEqual([]);
  });
});

describe('mesh-mutual-no-sidecar', () => {
  const mysql = pod('mysql-0', { labels: { app: 'mysql' } });
  const destination = (mode: string, host = 'mysql') => ({
    metadata: meta('mysql'),
    spec: { host, trafficPolicy: { tls: { mode } } },
  });
  const lists = (more: Lists = {}): Lists => ({
    pods: [mysql],
    services: [service('mysql')],
    destinationrules: [destination('ISTIO_MUTUAL')],
    ...more,
  });

  it('names the rule that wants mTLS of a pod without a sidecar', () => {
    expect(says('mesh-mutual-no-sidecar', having(empty, lists()))).toEqual([
      'Pods of the mesh cannot call blog/mysql: DestinationRule blog/mysql wants mTLS, and blog/mysql-0 has no sidecar',
    ]);
  });

  it.each([
    ['plain text is wanted', lists({ destinationrules: [destination('DISABLE')] })],
    ['the pod has a sidecar', lists({ pods: [pod('mysql-0', { labels: { app: 'mysql' }, sidecar: true })] })],
    ['the host is outside', lists({ destinationrules: [destination('ISTIO_MUTUAL', 'mysql.example.com')] })],
  ])('is silent when %s', (_, given) => {
    expect(says('mesh-mutual-no-sidecar', having(empty, given))).toEqual([]);
  });
});

describe('gateway-unserved', () => {
  const gateway = (hosts: readonly string[], selector = { istio: 'ingress' }) => ({
    metadata: meta('home', 'istio-ingress'),
    spec: { selector, servers: [{ hosts, port: { number: 80, name: 'http', protocol: 'HTTP' } }] },
  });
  const proxy = { ...pod('istio-ingress-1', { namespace: 'istio-ingress', labels: { istio: 'ingress' } }) };
  const lists = (more: Lists = {}): Lists => ({
    pods: [proxy],
    virtualservices: [route('was', ['blog.home.shop'], 'was')],
    gateways: [gateway(['*.home.shop'])],
    ...more,
  });

  it('tells a missing gateway, a host that it does not serve and a gateway without pods apart', () => {
    expect(says('gateway-unserved', having(empty, lists({ gateways: [] })))[0]).toContain(
      'names the Gateway istio-ingress/home, which does not exist',
    );
    expect(says('gateway-unserved', having(empty, lists({ gateways: [gateway(['www.other.shop'])] })))[0]).toBe(
      'blog.home.shop answers 404: Gateway istio-ingress/home serves www.other.shop only (VirtualService blog/was)',
    );
    expect(says('gateway-unserved', having(empty, lists({ pods: [was] })))[0]).toContain(
      'no running pod has the labels that Gateway istio-ingress/home selects (istio=ingress)',
    );
  });

  it.each([
    ['they meet', lists()],
    ['the gateway serves every host', lists({ gateways: [gateway(['*'])] })],
    ['a namespace stands before the host', lists({ gateways: [gateway(['blog/blog.home.shop'])] })],
    [
      'the route is for sidecars alone',
      lists({ gateways: [], virtualservices: [route('was', ['was'], 'was', {}, ['mesh'])] }),
    ],
  ])('is silent when %s', (_, given) => {
    expect(says('gateway-unserved', having(empty, given))).toEqual([]);
  });

  it('says nothing where gateways could not be listed', () => {
    const blind = having(empty, lists());
    expect(
      says('gateway-unserved', {
        ...blind,
        lists: { ...blind.lists, gateways: { state: 'unknown', why: 'forbidden' } },
      }),
    ).toEqual([]);
  });
});

describe('mesh-cni-chain (F-11)', () => {
  const daemon = { metadata: meta('istio-cni-node', 'kube-system') };
  const victim = pod('was-0', {
    state: 'crash',
    initStatuses: [{ name: 'istio-validation', ready: false, restartCount: 4 }],
  });
  const lists = (more: Lists = {}): Lists => ({
    daemonsets: [daemon],
    pods: [victim],
    configmaps: [config('cilium-config', { 'cni-exclusive': 'true' })],
    ...more,
  });
  const chain = (...types: string[]) => ({ cni: { files: [{ name: '05-cilium.conflist', types }], links: [] } });

  it('names the machine whose chain lacks istio-cni, and the pods that fail over it', () => {
    const [finding] = found(rule('mesh-cni-chain'), withFacts(having(empty, lists()), 'n2', chain('cilium-cni')));
    expect(finding?.says).toContain(
      'istio-cni is not in the CNI chain of n2 (05-cilium.conflist: cilium-cni), because Cilium does not tolerate other plugins',
    );
    expect(finding?.about).toEqual(['machine:n2', 'pod:blog/was-0']);
  });

  it.each([
    ['it is in the chain', lists(), chain('cilium-cni', 'istio-cni')],
    ['istio-cni is not installed', lists({ daemonsets: [] }), chain('cilium-cni')],
    ['the machine was not asked', lists(), {}],
  ])('is silent when %s', (_, given, facts) => {
    expect(says('mesh-cni-chain', withFacts(having(empty, given), 'n2', facts))).toEqual([]);
  });
});

describe('mesh-socket-lb (F-10)', () => {
  const lists = (data: Record<string, string>, pods: readonly unknown[] = [was]): Lists => ({
    pods,
    configmaps: [config('cilium-config', data)],
  });

  it('says that sidecars are gone around', () => {
    expect(kindOf('mesh-socket-lb', having(empty, lists({ 'kube-proxy-replacement': 'true' })))).toEqual([
      'warning likely',
    ]);
  });

  it.each([
    ['it is limited to the machines', lists({ 'kube-proxy-replacement': 'true', 'bpf-lb-sock-hostns-only': 'true' })],
    ['sockets are left alone', lists({ 'kube-proxy-replacement': 'true', 'bpf-lb-sock': 'false' })],
    ['kube-proxy is kept', lists({ 'kube-proxy-replacement': 'false' })],
    ['nobody has a sidecar', lists({ 'kube-proxy-replacement': 'true' }, [pod('was-0')])],
  ])('is silent when %s', (_, given) => {
    expect(says('mesh-socket-lb', having(empty, given))).toEqual([]);
  });
});

describe('cdn-stale', () => {
  const lists: Lists = {
    pods: [pod('web-1', { labels: { app: 'web' }, startedMinutesAgo: 10 })],
    services: [service('web')],
    virtualservices: [route('web', ['blog.home.shop'], 'web')],
  };
  const edge = (cache: string, ageSeconds: number, host = 'blog.home.shop') => ({
    edge: [{ host, cache, ageSeconds }],
  });

  it('says that the cached page is older than every pod behind the host', () => {
    const [finding] = found(rule('cdn-stale'), withFacts(having(empty, lists), 'n1', edge('HIT', 3600)));
    expect(finding?.says).toBe(
      "blog.home.shop is answered from the CDN's cache with a page of 60 min ago; the pods that serve it now started 10 min ago",
    );
    expect(finding).toMatchObject({ severity: 'warning', since: ago(10).replace('Z', '.000Z') });
  });

  it.each([
    ['the page is younger than the pods', edge('HIT', 300)],
    ['it does not come from the cache', edge('MISS', 3600)],
    ['the host is not ours', edge('HIT', 3600, 'other.shop')],
  ])('is silent when %s', (_, facts) => {
    expect(says('cdn-stale', withFacts(having(empty, lists), 'n1', facts))).toEqual([]);
  });
});

describe('rules of the mesh', () => {
  it.each(meshRules.map(each => [each.id, each] as const))('%s reads what it says that it needs', (_, each) => {
    expect(everRead(each)).toEqual([...each.needs].sort());
  });

  it.each(states)('are silent on the recorded cluster without a mesh: %s', async state => {
    const snapshot = await recorded(state);
    expect(meshRules.flatMap(each => each.find(snapshot))).toEqual([]);
  });

  it('are silent on the healthy lab', async () => {
    const snapshot = await labState('healthy');
    expect(meshRules.flatMap(each => each.find(snapshot))).toEqual([]);
  });
});
