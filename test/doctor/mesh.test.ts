// Rules of the mesh. Istio's objects are constructed from the CRDs of istio/api 1.30.3; nodes are recorded.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Rule } from '../../src/doctor/rule.ts';
import { meshRules } from '../../src/doctor/rules/mesh.ts';
import { covers } from '../../src/doctor/rules/mesh-entry.ts';
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

  const elsewhere = (spec: object) => ({ ...service('other'), spec: { ...service('other').spec, ...spec } });
  it.each([
    [
      'a Service of type NodePort leads to it',
      lists(['GET'], { virtualservices: [], services: [service('was', { type: 'NodePort' })] }),
      'error likely',
    ],
    [
      'such a Service leads to another pod',
      lists(['GET'], { virtualservices: [], services: [elsewhere({ type: 'NodePort' })] }),
      'note possible',
    ],
    [
      'only its paths say that it is an API',
      lists(['GET'], { virtualservices: [route('was', ['blog.home.shop'], 'was', { match: [] })] }),
      'error likely',
    ],
    [
      'the route leads to another Service',
      lists(['POST'], {
        virtualservices: [route('was', ['blog.home.shop'], 'other')],
        services: [service('was'), service('other')],
      }),
      'note possible',
    ],
    [
      'the policy names what it guards otherwise, too',
      lists(['GET'], { authorizationpolicies: [policy(['GET'], { targetRef: null })] }),
      'error likely',
    ],
  ])('when %s', (_, given, rated) => {
    expect(kindOf('mesh-preflight-denied', having(empty, given))).toEqual([rated]);
  });

  it.each([
    ['a method other than reading', [{ operation: { methods: ['POST'] } }], '/', 'error likely'],
    ['reading', [{ operation: { methods: ['GET'] } }], '/', 'warning possible'],
    ['reading below a path with api', [{ operation: { methods: ['GET'] } }], '/api', 'error likely'],
  ])('takes it for an API by %s', (_, to, prefix, rated) => {
    const given = lists([], {
      authorizationpolicies: [policy([], { rules: [{ to }] })],
      virtualservices: [route('was', ['blog.home.shop'], 'was', { match: [{ uri: { prefix } }] })],
    });
    expect(kindOf('mesh-preflight-denied', having(empty, given))).toEqual([rated]);
  });

  it('takes a host called api for one, too, and patches the rule that names methods', () => {
    const given = lists([], {
      authorizationpolicies: [
        policy([], {
          rules: [
            { from: [{ source: { requestPrincipals: ['*'] } }] },
            { to: [{ operation: { notMethods: ['OPTIONS'], paths: ['/y'] } }] },
            { to: [{ operation: { notMethods: ['OPTIONS'], paths: ['/x'] } }, { operation: { methods: ['GET'] } }] },
          ],
        }),
      ],
      virtualservices: [route('was', ['api.home.shop'], 'was', { match: [] })],
    });
    const [finding] = found(rule('mesh-preflight-denied'), having(empty, given));
    expect(finding).toMatchObject({ severity: 'error', certainty: 'likely' });
    expect(finding?.cure[0]).toContain('/spec/rules/2/to/1/operation/methods/-');
  });

  it('is silent where a token opens all methods, or the policy is for a Gateway of another kind', () => {
    const open = { from: [{ source: { namespaces: ['istio-ingress'] } }] };
    const both = [{ to: [{ operation: { methods: ['GET'] } }] }, open];
    expect(
      says('mesh-preflight-denied', having(empty, lists([], { authorizationpolicies: [policy([], { rules: both })] }))),
    ).toEqual([]);
    const targetRef = { kind: 'Gateway', name: 'home', group: 'gateway.networking.k8s.io' };
    expect(
      says(
        'mesh-preflight-denied',
        having(empty, lists([], { authorizationpolicies: [policy(['GET'], { targetRef })] })),
      ),
    ).toEqual([]);
  });

  it('names the policy that names methods, and asks only who leads to those pods', () => {
    const without = {
      ...policy([], { rules: [{ to: [{ operation: { notMethods: ['OPTIONS'] } }] }] }),
      metadata: meta('a'),
    };
    const [finding] = found(
      rule('mesh-preflight-denied'),
      having(empty, lists([], { authorizationpolicies: [without, policy(['GET'])] })),
    );
    expect(finding?.about[0]).toBe('object:blog/was-api');
    const pods = [
      was,
      pod('other-0', { labels: { app: 'other' } }),
      { ...was, metadata: { ...was.metadata, namespace: 'demo', uid: 'uid-of-demo' } },
    ];
    const services = [elsewhere({ type: 'NodePort' }), service('was', { namespace: 'demo', type: 'NodePort' })];
    expect(
      kindOf('mesh-preflight-denied', having(empty, lists(['GET'], { pods, services, virtualservices: [] }))),
    ).toEqual(['note possible']);
  });

  it('does not take a corsPolicy without origins for an answer', () => {
    const empty0 = route('was', ['blog.home.shop'], 'was', { corsPolicy: { allowOrigins: [] } });
    expect(kindOf('mesh-preflight-denied', having(empty, lists(['GET'], { virtualservices: [empty0] })))).toEqual([
      'error likely',
    ]);
  });

  it('is told of a gateway whatever its routes answer', () => {
    const gateway = {
      ...pod('istio-ingress-1', { labels: { app: 'was' } }),
      spec: {
        nodeName: 'n2',
        containers: [{ name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.30.3' }],
        volumes: [],
      },
    };
    const cors = route('web', ['blog.home.shop'], 'web', { corsPolicy: { allowOrigins: [{ exact: 'https://x' }] } });
    expect(
      kindOf('mesh-preflight-denied', having(empty, lists(['GET'], { pods: [gateway], virtualservices: [cors] }))),
    ).toEqual(['error likely']);
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

  it.each([
    ['begins otherwise', { allowOrigins: [{ prefix: 'https://old' }] }, 'https://old'],
    ['a pattern does not fit it', { allowOrigins: [{ regex: 'https://old.*' }] }, 'https://old.*'],
    ['another one is named as of old', { allowOrigin: ['https://old.home.shop'] }, 'https://old.home.shop'],
    ['none is named', { allowOrigins: [] }, 'no origin'],
  ])('names the origin when %s', (_, cors, named) => {
    expect(says('cors-origin-missing', having(empty, { virtualservices: [site, api(cors)] }))).toEqual([
      `Pages of https://home.shop cannot read answers of api.home.shop: its corsPolicy names ${named}, and not that one`,
    ]);
    const [finding] = found(rule('cors-origin-missing'), having(empty, { virtualservices: [site, api(cors)] }));
    expect(finding?.evidence[0]?.says).toBe(`corsPolicy allows ${named}`);
  });

  it.each(['www.home.shop', 'blog.home.shop', 'app.home.shop'])('knows %s for a page of that domain', host => {
    expect(
      kindOf('cors-origin-missing', having(empty, { virtualservices: [route('web', [host], 'web'), api()] })),
    ).toEqual(['note possible']);
  });

  it('finds the host of the API among others', () => {
    const both = { ...api(), spec: { ...api().spec, hosts: ['was.home.shop', 'api.home.shop'] } };
    expect(says('cors-origin-missing', having(empty, { virtualservices: [site, both] }))[0]).toContain(
      'answers of api.home.shop',
    );
  });

  it('only notes that there is no corsPolicy: the application may send the headers', () => {
    expect(kindOf('cors-origin-missing', having(empty, { virtualservices: [site, api()] }))).toEqual(['note possible']);
  });

  it.each([
    ['the origin is named', [site, api({ allowOrigins: [{ exact: 'https://home.shop' }] })]],
    ['every origin is', [site, api({ allowOrigins: [{ exact: '*' }] })]],
    ['it begins so', [site, api({ allowOrigins: [{ prefix: 'https://home' }] })]],
    ['it is named as of old', [site, api({ allowOrigin: ['https://home.shop'] })]],
    ['every one is, as of old', [site, api({ allowOrigin: ['*'] })]],
    ['the other host is no page', [route('web', ['grafana.home.shop'], 'web'), api()]],
    ['the page is of another domain that ends so', [route('web', ['www.other.shop'], 'web'), api()]],
    ['there is no other route', [api()]],
    ['page and API are one route', [route('was', ['api.home.shop', 'home.shop'], 'was')]],
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

  it('takes the mode of the mesh where a nearer policy says none', () => {
    for (const mode of ['UNSET', '']) {
      const near = strict(mode, {}, 'blog');
      expect(says('mesh-strict-callers', having(empty, lists({ peerauthentications: [near, strict()] })))[0]).toContain(
        '(istio-system/default is STRICT)',
      );
    }
    const silent = { metadata: meta('default'), spec: {} };
    expect(says('mesh-strict-callers', having(empty, lists({ peerauthentications: [silent, strict()] })))).toHaveLength(
      1,
    );
  });

  it('names each policy with its own Services', () => {
    const web = pod('web-0', { namespace: 'shop', labels: { app: 'web' }, sidecar: true });
    const given = lists({
      pods: [was, web, nginx],
      services: [service('was'), service('web', { namespace: 'shop' })],
      peerauthentications: [strict('STRICT', {}, 'blog'), strict('STRICT', {}, 'shop')],
    });
    expect(found(rule('mesh-strict-callers'), having(empty, given)).map(({ about }) => about)).toEqual([
      ['object:blog/default', 'pod:ingress-nginx/ingress-nginx-controller-1', 'service:blog/was'],
      ['object:shop/default', 'pod:ingress-nginx/ingress-nginx-controller-1', 'service:shop/web'],
    ]);
  });

  it('accuses nobody of a reset who does not name the Service, nor who names it and was not reset', () => {
    const caller = pod('fetch-1', { namespace: 'jobs', state: 'crash' });
    const snapshot = having(empty, lists({ pods: [was, caller] }));
    const rated = (...lines: string[]) =>
      kindOf('mesh-strict-callers', { ...snapshot, logs: [log('jobs/fetch-1', ...lines)] });
    expect(rated('GET http://shop.example.com: connection reset by peer')).toEqual(['note possible']);
    expect(rated('GET http://was.blog:8080/api: 404')).toEqual(['note possible']);
    expect(says('mesh-strict-callers', snapshot)[0]).toContain('in jobs cannot call it');
    const two = lists({
      pods: [was, caller],
      services: [service('was'), service('api', { selector: { app: 'was' } })],
    });
    expect(says('mesh-strict-callers', having(empty, two))[0]).toContain('in jobs cannot call them');
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
      'the pod’s own leaves it to nobody',
      lists({ peerauthentications: [strict('UNSET', { selector: { matchLabels: { app: 'was' } } }, 'blog')] }),
    ],
    [
      'the namespace’s own, PERMISSIVE, stands beside one that says nothing',
      lists({
        peerauthentications: [
          strict(),
          strict('UNSET', { selector: { matchLabels: { app: 'was' } } }, 'blog'),
          strict('PERMISSIVE', {}, 'blog'),
        ],
      }),
    ],
    [
      'the root’s is for other pods',
      lists({ peerauthentications: [strict('STRICT', { selector: { matchLabels: { app: 'web' } } })] }),
    ],
    [
      'the port has a name, and is PERMISSIVE',
      lists({
        pods: [
          pod('was-0', {
            labels: { app: 'was' },
            sidecar: true,
            container: {
              ports: [
                { name: 'admin', containerPort: 9000 },
                { name: 'web', containerPort: 8081 },
              ],
            },
          }),
          nginx,
        ],
        services: [service('was', { ports: [{ name: 'http', port: 80, targetPort: 'web' }] })],
        peerauthentications: [
          strict(),
          {
            metadata: meta('was'),
            spec: { selector: { matchLabels: { app: 'was' } }, portLevelMtls: { '8081': { mode: 'PERMISSIVE' } } },
          },
        ],
      }),
    ],
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

  it('believes a reset only of whom the log says that it is the database', () => {
    const pods = [mysql(), pod('was-0', { state: 'crash' })];
    const rated = (...lines: string[]) =>
      kindOf('mesh-server-first', {
        ...having(empty, lists(port('db'), { pods })),
        logs: [log('blog/was-0', ...lines)],
      });
    expect(rated('GET https://rss.example.com: Connection reset')).toEqual(['warning likely']);
    expect(rated('mysql.blog:3306: java.net.SocketException: Connection reset')).toEqual(['error certain']);
  });

  it.each([
    ['http', 'warning certain'],
    ['grpc-db', 'warning certain'],
    ['db', 'warning likely'],
  ])('a port called %s: %s', (name, rated) => {
    expect(kindOf('mesh-server-first', having(empty, lists(port(name))))).toEqual([rated]);
    expect(found(rule('mesh-server-first'), having(empty, lists(port(name))))[0]?.settledBy === undefined).toBe(
      rated.endsWith('certain'),
    );
  });

  it('goes by the port of the container, and by appProtocol before the name', () => {
    const behind = [{ name: 'db', port: 13306, targetPort: 3306 }];
    expect(says('mesh-server-first', having(empty, lists(behind)))[0]).toContain('its port 13306 is called db');
    const admin = [{ name: 'admin', port: 8080, targetPort: 8080 }];
    expect(says('mesh-server-first', having(empty, lists(admin)))).toEqual([]);
    expect(says('mesh-server-first', having(empty, lists(port('tcp-mysql', 'http'))))[0]).toContain('is called http');
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

  it('knows the Service by its whole name', () => {
    const whole = destination('ISTIO_MUTUAL', 'mysql.blog.svc.cluster.local');
    expect(says('mesh-mutual-no-sidecar', having(empty, lists({ destinationrules: [whole] })))).toHaveLength(1);
  });

  it.each([
    ['plain text is wanted', lists({ destinationrules: [destination('DISABLE')] })],
    ['the Service has no pod', lists({ pods: [] })],
    ['the Service is not there', lists({ services: [] })],
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
    ['the route names no host', lists({ virtualservices: [route('was', [], 'was')] })],
    ['a namespace stands before the host', lists({ gateways: [gateway(['blog/blog.home.shop'])] })],
    [
      'the route is for sidecars alone',
      lists({ gateways: [], virtualservices: [route('was', ['was'], 'was', {}, ['mesh'])] }),
    ],
  ])('is silent when %s', (_, given) => {
    expect(says('gateway-unserved', having(empty, given))).toEqual([]);
  });

  it.each([
    ['its pod is on its way out', { metadata: { ...proxy.metadata, deletionTimestamp: ago(1) } }],
    ['its pod crashes', { status: pod('x', { state: 'crash' }).status }],
    ['its pod has other labels', { metadata: { ...proxy.metadata, labels: { istio: 'egress' } } }],
  ])('says that nobody runs it when %s', (_, change) => {
    expect(says('gateway-unserved', having(empty, lists({ pods: [{ ...proxy, ...change }] })))[0]).toContain(
      'no running pod has the labels',
    );
  });

  it.each([
    ['*.home.shop', 'blog.home.shop', true],
    ['*.home.shop', 'home.shop', false],
    ['blog.home.shop', '*.home.shop', true],
    ['blog.other.shop', '*.home.shop', false],
    ['blog.home.shop', 'www.home.shop', false],
    ['blog.home.shop', 'home.shop', false],
    ['ns/*', 'home.shop', true],
    ['home.shop', '*', true],
  ])('a gateway for %s serves %s: %j', (server, host, does) => {
    expect(covers(server, host)).toBe(does);
  });

  it('is silent where one of two hosts is served, and where a route is for sidecars, too', () => {
    expect(
      says(
        'gateway-unserved',
        having(empty, lists({ virtualservices: [route('was', ['blog.home.shop', 'x.other'], 'was')] })),
      ),
    ).toEqual([]);
    const both = route('was', ['blog.home.shop'], 'was', {}, ['mesh', 'istio-ingress/home']);
    expect(says('gateway-unserved', having(empty, lists({ virtualservices: [both] })))).toEqual([]);
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
    expect(finding?.cure[0]).toContain('--set cni.exclusive=false');
  });

  it('counts no pod that fails elsewhere, over something else, or not at all', () => {
    const initStatuses = (ready: boolean, name = 'istio-validation') => [{ name, ready, restartCount: 4 }];
    const pods = [
      victim,
      pod('was-1', { state: 'crash', node: 'n1', initStatuses: initStatuses(false) }),
      pod('was-2', { initStatuses: initStatuses(false) }),
      pod('was-3', { state: 'crash', initStatuses: initStatuses(true) }),
      pod('was-4', { state: 'crash', initStatuses: initStatuses(false, 'migrate') }),
    ];
    const [finding] = found(
      rule('mesh-cni-chain'),
      withFacts(having(empty, lists({ pods })), 'n2', chain('cilium-cni')),
    );
    expect(finding?.about).toEqual(['machine:n2', 'pod:blog/was-0']);
  });

  it.each([
    ['where it tolerates others', [config('cilium-config', { 'cni-exclusive': 'false' })]],
    ['where there is none', []],
  ])('does not accuse Cilium, nor change it, %s', (_, configmaps) => {
    const [finding] = found(
      rule('mesh-cni-chain'),
      withFacts(having(empty, lists({ configmaps })), 'n2', chain('bridge', 'portmap')),
    );
    expect(finding?.says).toContain('(05-cilium.conflist: bridge, portmap): sidecars of new pods there');
    expect(finding?.cure).toEqual(['kubectl rollout restart -n kube-system daemonset/istio-cni-node']);
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

  it('does not count a pod that has not started', () => {
    const one = pod('web-2', { labels: { app: 'web' }, state: 'pending' });
    const waiting = { ...one, status: { ...one.status, startTime: '' } };
    const more = { ...lists, pods: [...(lists.pods ?? []), waiting] };
    expect(found(rule('cdn-stale'), withFacts(having(empty, more), 'n1', edge('HIT', 3600)))).toHaveLength(1);
    expect(says('cdn-stale', withFacts(having(empty, { ...lists, pods: [waiting] }), 'n1', edge('HIT', 3600)))).toEqual(
      [],
    );
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
