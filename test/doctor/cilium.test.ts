// Rules of Cilium. Policies are constructed from the CRDs of cilium.io/v2; nodes are recorded.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Rule } from '../../src/doctor/rule.ts';
import { ciliumAgentRules, ciliumRules } from '../../src/doctor/rules/cilium.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { labState } from './lab-states.ts';
import { bare, config, everRead, found, having, type Lists, log, pod } from './products.ts';
import { recorded, states } from './recorded.ts';
import { eachObject, withFacts } from './rig.ts';

const all = [...ciliumAgentRules, ...ciliumRules];
let empty: Snapshot;
beforeAll(async () => {
  empty = await bare();
});

function rule(id: string): Rule {
  const one = all.find(each => each.id === id);
  if (!one) throw new Error(`no rule ${id}`);
  return one;
}
const says = (id: string, snapshot: Snapshot) => found(rule(id), snapshot).map(each => each.says);

const ports = (port: string, protocol = 'TCP') => [{ ports: [{ port, protocol }] }];
const dns = {
  toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s-app': 'kube-dns' } }],
  toPorts: ports('53', 'ANY'),
};
const world = { toEntities: ['world'], toPorts: ports('443') };
const database = { toEndpoints: [{ matchLabels: { app: 'mysql' } }], toPorts: ports('3306') };
const policy = (egress: readonly unknown[], more: Record<string, unknown> = {}) => ({
  metadata: { name: 'was', namespace: 'blog' },
  spec: { endpointSelector: { matchLabels: { app: 'was' } }, egress, ...more },
});
const coredns = pod('coredns-1', { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } });
const was = (more = {}) =>
  pod('was-0', { labels: { app: 'was' }, state: 'crash', owner: { kind: 'ReplicaSet', name: 'was-5d' }, ...more });
const timeout = 'java.net.http.HttpConnectTimeoutException: HTTP connect timed out: rss.example.com:443';

describe('egress-denied (D-2)', () => {
  const given = (egress: readonly unknown[], lines: readonly string[], more: Lists = {}) => ({
    ...having(empty, { pods: [was(), coredns], ciliumnetworkpolicies: [policy(egress)], ...more }),
    logs: lines.length === 0 ? [] : [log('blog/was-0', ...lines)],
  });

  it('names the policy that does not let a crashing pod out to 443', () => {
    const [finding] = found(rule('egress-denied'), given([dns, database], [timeout]));
    expect(finding?.says).toBe(
      'blog/was-0 crashes because it may not reach port 443 outside of the cluster (world): the policy blog/was allows it other ways only',
    );
    expect(finding).toMatchObject({
      severity: 'error',
      certainty: 'likely',
      about: ['pod:blog/was-0', 'object:blog/was', 'namespace:blog'],
    });
    expect(finding?.cure[0]).toContain('"toEntities":["world"]');
  });

  it('names DNS first when names cannot be asked for', () => {
    const [finding] = found(rule('egress-denied'), given([world], ['java.net.UnknownHostException: rss.example.com']));
    expect(finding?.says).toContain("may not reach the cluster's DNS (kube-dns, port 53)");
    expect(finding?.certainty).toBe('likely');
  });

  it('speaks of replicas once, and of a policy for the whole cluster too', () => {
    const second = { ...was(), metadata: { ...was().metadata, name: 'was-1', uid: 'uid-of-was-1' } };
    const snapshot = {
      ...having(empty, {
        pods: [was(), second, coredns],
        ciliumclusterwidenetworkpolicies: [{ ...policy([dns]), metadata: { name: 'all' } }],
      }),
      logs: [log('blog/was-0', timeout), log('blog/was-1', timeout)],
    };
    expect(found(rule('egress-denied'), snapshot).map(({ about }) => about)).toEqual([
      ['pod:blog/was-0', 'object:all', 'namespace:blog', 'pod:blog/was-1'],
    ]);
  });

  it.each([
    ['every port of some pods is allowed', [dns, { toEndpoints: [{ matchLabels: { app: 'mysql' } }] }]],
    ['port 443 of some pods is', [dns, { toEndpoints: [{ matchLabels: { app: 'mysql' } }], toPorts: ports('443') }]],
    ['another port of the world is', [dns, { toEntities: ['world'], toPorts: ports('80') }]],
    ['another port of everybody is', [dns, { toPorts: ports('80') }]],
    ['only the cluster is', [dns, { toEntities: ['cluster'] }]],
    ['a rule names nothing', [dns, {}]],
    ['another port of an address is', [dns, { toCIDR: ['1.2.3.4/32'], toPorts: ports('80') }]],
  ])('is told, although %s', (_, egress) => {
    expect(says('egress-denied', given(egress, [timeout]))[0]).toContain('may not reach port 443 outside');
  });

  it.each([
    [
      'the DNS of its own namespace, where there is none',
      [{ toEndpoints: [{ matchLabels: { 'k8s-app': 'kube-dns' } }] }],
    ],
    [
      'DNS pods of another namespace',
      [{ toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'demo', 'k8s-app': 'kube-dns' } }] }],
    ],
    [
      'DNS pods of namespaces with another name',
      [
        {
          toEndpoints: [
            {
              matchLabels: {
                'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'demo',
                'k8s-app': 'kube-dns',
              },
            },
          ],
        },
      ],
    ],
    ['another port of DNS', [{ ...dns, toPorts: ports('9153') }]],
    ['another Service', [{ toServices: [{ k8sService: { serviceName: 'mysql', namespace: 'blog' } }] }]],
    ['everybody on another port', [{ toPorts: ports('80') }]],
    ['nothing', [{}]],
    ['the machines', [{ toEntities: ['host', 'remote-node'] }]],
  ])('names DNS, when the policy allows %s', (_, egress) => {
    const line = 'java.net.UnknownHostException: rss.example.com';
    expect(says('egress-denied', given([world, ...egress], [line]))[0]).toContain("may not reach the cluster's DNS");
  });

  it.each([
    ['the cluster', [{ toEntities: ['cluster'] }]],
    ['everybody', [{ toEntities: ['all'] }]],
    ['everybody on port 53', [{ toPorts: ports('53', 'UDP') }]],
    ['every port of it', [{ ...dns, toPorts: ports('0', 'ANY') }]],
    ['its Service', [{ toServices: [{ k8sService: { serviceName: 'kube-dns', namespace: 'kube-system' } }] }]],
    ['addresses', [{ toCIDR: ['10.96.0.10/32'] }]],
    ['addresses of a set', [{ toCIDRSet: [{ cidr: '10.96.0.0/12' }] }]],
    [
      'all pods of kube-system',
      [{ toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system' } }] }],
    ],
    [
      'all pods of namespaces of that name',
      [
        {
          toEndpoints: [
            { matchLabels: { 'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'kube-system' } },
          ],
        },
      ],
    ],
    [
      'pods of any namespace',
      [{ toEndpoints: [{ matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'Exists' }] }] }],
    ],
  ])('does not accuse DNS, when the policy allows %s', (_, egress) => {
    const line = 'java.net.UnknownHostException: rss.example.com';
    expect(says('egress-denied', given([world, ...egress], [line]))).toEqual([]);
  });

  it('takes a selector without a namespace for every one, in a policy for the whole cluster', () => {
    const egress = [
      { ...world, toPorts: [{ ports: [] }] },
      { toEndpoints: [{ matchLabels: { 'k8s-app': 'kube-dns' } }] },
    ];
    const wide = { ...policy(egress), metadata: { name: 'all' } };
    const lines = ['java.net.UnknownHostException: rss.example.com'];
    expect(
      says('egress-denied', given([], lines, { ciliumnetworkpolicies: [], ciliumclusterwidenetworkpolicies: [wide] })),
    ).toEqual([]);
    const narrow = { ...policy([world]), metadata: { name: 'all' } };
    const [finding] = found(
      rule('egress-denied'),
      given([], lines, { ciliumnetworkpolicies: [], ciliumclusterwidenetworkpolicies: [narrow] }),
    );
    expect(finding?.evidence.at(-1)).toMatchObject({
      from: 'CiliumClusterwideNetworkPolicy',
      again: 'kubectl get ciliumclusterwidenetworkpolicy all -o yaml',
    });
    expect(finding?.cure[0]).toMatch(/^kubectl patch ciliumclusterwidenetworkpolicy all --type json/);
  });

  it('takes a selector without a namespace for kube-system, in a policy of kube-system', () => {
    const own = (labels: Record<string, string>) =>
      having(empty, {
        pods: [{ ...was(), metadata: { ...was().metadata, namespace: 'kube-system' } }, coredns],
        ciliumnetworkpolicies: [
          {
            ...policy([world, { toEndpoints: [{ matchLabels: labels }] }]),
            metadata: { name: 'was', namespace: 'kube-system' },
          },
        ],
      });
    const logs = [log('kube-system/was-0', 'java.net.UnknownHostException: rss.example.com')];
    expect(says('egress-denied', { ...own({ 'k8s-app': 'kube-dns' }), logs })).toEqual([]);
    expect(says('egress-denied', { ...own({ 'k8s-app': 'other' }), logs })).toHaveLength(1);
  });

  it('believes a time-out whatever DNS does, and shows the line that it means', () => {
    const down = pod('coredns-1', { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, state: 'crash' });
    const [finding] = found(rule('egress-denied'), given([dns], [timeout], { pods: [was(), down] }));
    expect(finding?.says).toContain('may not reach port 443');
    expect(finding?.settledBy).toContain('world:443');
    const both = [timeout, 'java.net.UnknownHostException: rss.example.com'];
    const [noName] = found(rule('egress-denied'), given([world], both));
    expect(noName?.evidence[0]?.says).toBe(both[1]);
    expect(noName?.settledBy).toContain('kube-dns:53');
    expect(noName?.evidence.at(-1)).toMatchObject({
      from: 'CiliumNetworkPolicy',
      again: 'kubectl get ciliumnetworkpolicy -n blog was -o yaml',
    });
    expect(found(rule('egress-denied'), given([dns], both))[0]?.evidence[0]?.says).toBe(timeout);
  });

  it('accuses the way out for a name only where DNS is well', () => {
    const line = ['java.net.UnknownHostException: rss.example.com'];
    expect(found(rule('egress-denied'), given([dns], line))).toMatchObject([{ certainty: 'possible' }]);
    expect(says('egress-denied', given([dns], line, { pods: [was()] }))).toEqual([]);
    const silentOne = given([dns], [], { pods: [was()] });
    expect(found(rule('egress-denied'), silentOne)).toMatchObject([{ certainty: 'possible' }]);
  });

  it('is not sure without a line of the log', () => {
    expect(found(rule('egress-denied'), given([dns], [])).map(({ certainty }) => certainty)).toEqual(['possible']);
  });

  it.each([
    ['the world is allowed', given0 => given0([dns, world], [timeout])],
    [
      'a name is',
      given0 => given0([dns, { toFQDNs: [{ matchName: 'rss.example.com' }], toPorts: ports('443') }], [timeout]),
    ],
    ['every address is', given0 => given0([dns, { toCIDRSet: [{ cidr: '0.0.0.0/0' }] }], [timeout])],
    ['only the port is limited', given0 => given0([dns, { toPorts: ports('443') }], [timeout])],
    ['the pod says something else', given0 => given0([dns], ['java.lang.NullPointerException'])],
    ['it waits for a Service of the cluster', given0 => given0([dns], ['connect timed out: mysql.blog.svc:3306'])],
    [
      'the policy is for other pods',
      given0 =>
        given0([], [timeout], {
          ciliumnetworkpolicies: [policy([dns], { endpointSelector: { matchLabels: { app: 'web' } } })],
        }),
    ],
    [
      'the policy does not deny the rest',
      given0 =>
        given0([], [timeout], { ciliumnetworkpolicies: [policy([dns], { enableDefaultDeny: { egress: false } })] }),
    ],
    [
      'the policy is about the way in',
      given0 =>
        given0([], [timeout], {
          ciliumnetworkpolicies: [
            {
              metadata: { name: 'was', namespace: 'blog' },
              spec: { endpointSelector: { matchLabels: { app: 'was' } }, ingress: [] },
            },
          ],
        }),
    ],
    [
      'the policy is of another namespace',
      given0 =>
        given0([], [timeout], {
          ciliumnetworkpolicies: [{ ...policy([dns]), metadata: { name: 'was', namespace: 'demo' } }],
        }),
    ],
    ['an address is', given0 => given0([dns, { toCIDR: ['0.0.0.0/0'] }], [timeout])],
    [
      'any port of the world is',
      given0 => given0([dns, { toEntities: ['world'], toPorts: ports('0', 'ANY') }], [timeout]),
    ],
    ['the pod is well', given0 => given0([dns], [timeout], { pods: [was({ state: 'ok' }), coredns] })],
    [
      'it was killed for its memory',
      given0 => given0([dns], [timeout], { pods: [was({ lastReason: 'OOMKilled' }), coredns] }),
    ],
    [
      'names are not found because DNS is down',
      given0 =>
        given0([dns], ['UnknownHostException: rss.example.com'], {
          pods: [
            was(),
            pod('well'),
            pod('coredns-1', { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, state: 'crash' }),
          ],
        }),
    ],
  ] satisfies readonly (readonly [string, (make: typeof given) => Snapshot])[])('is silent when %s', (_, make) => {
    expect(says('egress-denied', make(given))).toEqual([]);
  });
});

const agent = (state: 'ok' | 'crash' = 'crash') =>
  pod('cilium-x', {
    namespace: 'kube-system',
    labels: { 'k8s-app': 'cilium' },
    state,
    image: 'quay.io/cilium/cilium:v1.19.6',
  });
const daemon = (host?: string) => ({
  metadata: { name: 'cilium', namespace: 'kube-system' },
  spec: {
    template: {
      spec: {
        containers: [
          {
            name: 'cilium-agent',
            env:
              host === undefined
                ? []
                : [
                    { name: 'KUBERNETES_SERVICE_HOST', value: host },
                    { name: 'KUBERNETES_SERVICE_PORT', value: '6443' },
                  ],
          },
        ],
      },
    },
  },
});
const refused =
  'level=error msg="Unable to contact k8s api-server" error="Get \\"https://192.168.0.99:6443/api/v1/namespaces/kube-system\\": dial tcp 192.168.0.99:6443: i/o timeout"';

describe('cilium-api-address', () => {
  const given = (
    host: string | undefined,
    replacement: string,
    more: Lists = {},
    lines: readonly string[] = [refused],
  ) => ({
    ...having(empty, {
      daemonsets: [daemon(host)],
      pods: [agent()],
      configmaps: [config('cilium-config', { 'kube-proxy-replacement': replacement })],
      ...more,
    }),
    logs: [log('kube-system/cilium-x', ...lines)],
  });

  it('names an address that is not the API server’s', () => {
    const [finding] = found(rule('cilium-api-address'), given('192.168.0.99', 'true'));
    expect(finding?.says).toContain(
      "Cilium's agents on n2 cannot reach the API server: they look for it at 192.168.0.99:6443, and it is at 10.77.0.11",
    );
    expect(finding).toMatchObject({
      certainty: 'certain',
      about: ['object:kube-system/cilium', 'machine:n2', 'pod:kube-system/cilium-x'],
    });
  });

  it('says that the address is missing where Cilium replaces kube-proxy', () => {
    expect(says('cilium-api-address', given(undefined, 'true'))[0]).toContain('k8sServiceHost is not set');
  });

  it('is likely without a line of the agent, and shows what is set', () => {
    const [finding] = found(rule('cilium-api-address'), given(undefined, 'true', {}, []));
    expect(finding?.certainty).toBe('likely');
    expect(finding?.evidence.map(each => each.says)).toEqual([
      'KUBERNETES_SERVICE_HOST: not set',
      'kube-proxy-replacement: true',
    ]);
    expect(finding?.cure[0]).toContain('k8sServiceHost=10.77.0.11');
    const [wrong] = found(rule('cilium-api-address'), given('192.168.0.99', 'true'));
    expect(wrong?.evidence[0]?.says).toBe('KUBERNETES_SERVICE_HOST: 192.168.0.99');
  });

  it('knows the API server by its endpoints, its control planes and its inventory', () => {
    const endpoints = (namespace: string, name: string, ip: string) => ({
      metadata: { namespace, name },
      subsets: [{ addresses: [{ ip }] }],
    });
    const at = (host: string, more: Lists = {}) => says('cilium-api-address', given(host, 'true', more));
    const others = [endpoints('demo', 'kubernetes', '192.168.0.99'), endpoints('default', 'web', '192.168.0.99')];
    const own = endpoints('default', 'kubernetes', '192.168.0.50');
    expect(at('192.168.0.50', { endpoints: [...others, own] })).toEqual([]);
    expect(at('192.168.0.99', { endpoints: [...others, own] })[0]).toContain(
      'and it is at 192.168.0.50, 10.77.0.11 and 1 more',
    );
    // A worker's is no API server's.
    expect(at('10.77.0.12')).toHaveLength(1);
    const declared = { cluster: 'homelab', version: 'v1.26.1', endpoint: '192.168.0.99', hosts: [] };
    expect(says('cilium-api-address', { ...given('192.168.0.99', 'true'), declared })).toEqual([]);
    // Nothing is known of it.
    const nowhere = given('192.168.0.99', 'true', { endpoints: [], nodes: [] });
    expect(says('cilium-api-address', nowhere)).toEqual([]);
  });

  it.each([
    ['it has no DaemonSet', { daemonsets: [] }],
    [
      'its DaemonSet is another',
      { daemonsets: [{ ...daemon('192.168.0.99'), metadata: { name: 'cilium', namespace: 'demo' } }] },
    ],
    [
      'another DaemonSet has such a variable',
      { daemonsets: [{ ...daemon('192.168.0.99'), metadata: { name: 'cilium-envoy', namespace: 'kube-system' } }] },
    ],
    ['it has no settings', { configmaps: [] }],
    [
      'it is another pod of kube-system',
      { pods: [{ ...agent(), metadata: { ...agent().metadata, labels: { 'k8s-app': 'other' } } }] },
    ],
    [
      'it is a pod of another namespace',
      { pods: [{ ...agent(), metadata: { ...agent().metadata, namespace: 'demo' } }] },
    ],
  ])('is silent when %s', (_, more: Lists) => {
    expect(says('cilium-api-address', given('192.168.0.99', 'true', more))).toEqual([]);
  });

  it('believes the agent about a name', () => {
    expect(
      says(
        'cilium-api-address',
        given('k8s-api.home.arpa', 'true', {}, [
          'Unable to contact k8s api-server: lookup k8s-api.home.arpa: no such host',
        ]),
      ),
    ).toHaveLength(1);
    expect(says('cilium-api-address', given('k8s-api.home.arpa', 'true'))).toEqual([]);
  });

  it.each([
    ['the address is right', given0 => given0('10.77.0.11', 'true')],
    ['the agents run', given0 => given0('192.168.0.99', 'true', { pods: [agent('ok')] })],
    ['kube-proxy serves the API’s Service', given0 => given0(undefined, 'false')],
  ] satisfies readonly (readonly [string, (make: typeof given) => Snapshot])[])('is silent when %s', (_, make) => {
    expect(says('cilium-api-address', make(given))).toEqual([]);
  });
});

describe('cilium-config-conflict', () => {
  const given = (data: Record<string, string>, state: 'ok' | 'crash' = 'crash') =>
    having(empty, { pods: [agent(state)], configmaps: [config('cilium-config', data)] });

  it.each([
    [
      { 'enable-bpf-masquerade': 'true', 'kube-proxy-replacement': 'false' },
      'masquerading by eBPF needs its NodePort part',
    ],
    [{ 'routing-mode': 'native' }, 'native routing with masquerading needs to know'],
    [{ 'enable-wireguard': 'true', 'enable-ipsec': 'true' }, 'WireGuard and IPsec exclude each other'],
  ])('names %o', (data, words) => {
    const [finding] = found(rule('cilium-config-conflict'), given(data));
    expect(finding?.says).toContain(`Cilium's agents on n2 do not start: ${words}`);
    expect(finding?.certainty).toBe('likely');
    expect(found(rule('cilium-config-conflict'), given(data, 'ok'))).toMatchObject([
      { severity: 'warning', certainty: 'certain' },
    ]);
    expect(says('cilium-config-conflict', given(data, 'ok'))[0]).toContain(
      `Cilium's agents will not start again: ${words}`,
    );
  });

  it('is certain by the words of an agent, and shows whose they are', () => {
    const snapshot = {
      ...having(empty, {
        pods: [agent(), { ...agent(), metadata: { ...agent().metadata, name: 'cilium-y', uid: 'uid-of-cilium-y' } }],
        configmaps: [config('cilium-config', { 'enable-wireguard': 'true', 'enable-ipsec': 'true' })],
      }),
      logs: [
        log('kube-system/cilium-x', 'starting'),
        log('kube-system/cilium-y', 'Wireguard (--enable-wireguard) cannot be used with IPSec'),
      ],
    };
    const [finding] = found(rule('cilium-config-conflict'), snapshot);
    expect(finding?.certainty).toBe('certain');
    expect(finding?.settledBy).toBeUndefined();
    expect(finding?.evidence[1]?.from).toBe('log of main in kube-system/cilium-y');
    expect(found(rule('cilium-config-conflict'), { ...snapshot, logs: [] })[0]?.settledBy).toContain('kubectl logs');
  });

  it.each([
    [{ 'enable-bpf-masquerade': 'true', 'kube-proxy-replacement': 'true' }],
    [{ 'enable-bpf-masquerade': 'true', 'enable-node-port': 'true' }],
    [{ 'enable-bpf-masquerade': 'true', 'enable-ipv4-masquerade': 'false' }],
    [{ 'routing-mode': 'native', 'ipv4-native-routing-cidr': '10.244.0.0/16' }],
    [{ 'routing-mode': 'native', 'enable-ipv4-masquerade': 'false' }],
    [{ 'routing-mode': 'tunnel' }],
    [{ 'enable-wireguard': 'true' }],
    [{ 'enable-ipsec': 'true' }],
  ])('is silent about %o', data => {
    expect(says('cilium-config-conflict', given(data))).toEqual([]);
  });
});

describe('services-unserved', () => {
  const given = (replacement: string, pods: readonly unknown[] = [agent()], more: Lists = {}) =>
    having(empty, {
      daemonsets: [daemon()],
      pods,
      configmaps: [config('cilium-config', { 'kube-proxy-replacement': replacement })],
      ...more,
    });

  it('says that nobody serves Services', () => {
    expect(found(rule('services-unserved'), given('false'))).toMatchObject([
      {
        severity: 'error',
        certainty: 'certain',
        about: ['object:kube-system/cilium-config', 'machine:n2', 'pod:kube-system/cilium-x'],
      },
    ]);
  });

  it('is silent when Cilium does, kube-proxy does, or another distribution may', () => {
    expect(says('services-unserved', given('true'))).toEqual([]);
    expect(
      says('services-unserved', given('false', [agent(), pod('kube-proxy-a', { namespace: 'kube-system' })])),
    ).toEqual([]);
    expect(
      says(
        'services-unserved',
        given('false', [agent()], {
          daemonsets: [daemon(), { metadata: { name: 'kube-proxy', namespace: 'kube-system' } }],
        }),
      ),
    ).toEqual([]);
    const foreign = eachObject(given('false'), 'nodes', node => ({
      ...node,
      metadata: { ...node.metadata, annotations: {} },
    }));
    expect(says('services-unserved', foreign)).toEqual([]);
  });
});

describe('cilium-pool-overlaps', () => {
  const given = (data: Record<string, string>) => having(empty, { configmaps: [config('cilium-config', data)] });

  it('says that a machine’s address lies in the range of pods', () => {
    expect(
      says('cilium-pool-overlaps', given({ ipam: 'cluster-pool', 'cluster-pool-ipv4-cidr': '10.0.0.0/8' }))[0],
    ).toMatch(/^Cilium may give a pod the address of n1 \(10\.77\.0\.11\)/);
  });

  it('says so of the API’s Service, and of no other', () => {
    const service = (namespace: string, name: string, clusterIP: string) => ({
      metadata: { namespace, name },
      spec: { type: 'ClusterIP', clusterIP, selector: {}, ports: [] },
    });
    const of = (...services: readonly unknown[]) =>
      found(
        rule('cilium-pool-overlaps'),
        having(empty, {
          configmaps: [config('cilium-config', { ipam: 'cluster-pool', 'cluster-pool-ipv4-cidr': '10.96.0.0/12' })],
          services,
        }),
      );
    const [finding] = of(service('demo', 'kubernetes', '10.96.0.7'), service('default', 'kubernetes', '10.96.0.1'));
    expect(finding?.says).toMatch(/^Cilium may give a pod the API's Service address \(10\.96\.0\.1\)/);
    expect(of(service('demo', 'kubernetes', '10.96.0.7'))).toEqual([]);
    expect(of(service('default', 'web', '10.96.0.7'))).toEqual([]);
    expect(of(service('default', 'kubernetes', 'None'))).toEqual([]);
  });

  it.each([
    [{ ipam: 'kubernetes', 'cluster-pool-ipv4-cidr': '10.0.0.0/8' }],
    [{ ipam: 'cluster-pool', 'cluster-pool-ipv4-cidr': '172.20.0.0/16' }],
    [{ ipam: 'cluster-pool', 'cluster-pool-ipv4-cidr': 'nonsense' }],
  ])('is silent about %o', data => {
    expect(says('cilium-pool-overlaps', given(data))).toEqual([]);
  });
});

describe('cilium-tunnel-blocked (F-08)', () => {
  const drop = (port: number, protocol = 'udp') => ({
    firewall: { active: ['nftables'], drops: [{ port, protocol, rule: `${protocol} dport ${port} drop` }] },
  });
  const given = (data: Record<string, string>) =>
    having(empty, { configmaps: [config('cilium-config', data)], pods: [was()] });

  it('names the rule that drops a moved tunnel, and the pods that wait', () => {
    const snapshot = {
      ...withFacts(
        given({ 'routing-mode': 'tunnel', 'tunnel-protocol': 'vxlan', 'tunnel-port': '8473' }),
        'n2',
        drop(8473),
      ),
      logs: [log('blog/was-0', 'dial tcp: i/o timeout')],
    };
    expect(found(rule('cilium-tunnel-blocked'), snapshot)).toMatchObject([
      { certainty: 'certain', about: ['machine:n2', 'pod:blog/was-0'] },
    ]);
  });

  it('knows Geneve by its own port, and no pods but those there that fail for it', () => {
    const pods = [
      was(),
      { ...was({ state: 'ok' }), metadata: { ...was().metadata, name: 'well' } },
      { ...was(), metadata: { ...was().metadata, name: 'broken' } },
      { ...was({ node: 'n1' }), metadata: { ...was().metadata, name: 'elsewhere' } },
    ];
    const snapshot = {
      ...withFacts(having(given({ 'tunnel-protocol': 'geneve' }), { pods }), 'n2', drop(6081)),
      logs: [
        ...['was-0', 'well', 'elsewhere'].map(name => log(`blog/${name}`, 'dial tcp: i/o timeout')),
        log('blog/broken', 'java.lang.NullPointerException'),
      ],
    };
    const [finding] = found(rule('cilium-tunnel-blocked'), snapshot);
    expect(finding?.says).toContain("drops 6081/udp, in which Cilium's Geneve travels");
    expect(finding?.about).toEqual(['machine:n2', 'pod:blog/was-0']);
    const vxlan = withFacts(given({ 'tunnel-protocol': 'vxlan', 'tunnel-port': '6081' }), 'n2', drop(6081));
    expect(says('cilium-tunnel-blocked', vxlan)[0]).toContain("Cilium's VXLAN");
  });

  it.each([
    ['the port is VXLAN’s own, which another rule knows', {}, drop(8472)],
    ['another port is dropped', { 'tunnel-protocol': 'geneve' }, drop(8473)],
    ['TCP is dropped', { 'tunnel-protocol': 'geneve' }, drop(6081, 'tcp')],
    ['there is no tunnel', { 'routing-mode': 'native', 'tunnel-protocol': 'geneve' }, drop(6081)],
  ])('is silent when %s', (_, data, facts) => {
    expect(says('cilium-tunnel-blocked', withFacts(given(data), 'n2', facts))).toEqual([]);
  });
});

describe('cilium-mtu (F-07)', () => {
  const nic = (mtu: number, address = '10.77.0.12/24') => ({
    nics: [
      {
        name: 'ens160',
        mac: '',
        driver: 'vmxnet3',
        bus: 'pci',
        wifi: false,
        operstate: 'up',
        carrier: true,
        carrierChanges: 1,
        carrierChangesNow: 0,
        mtu,
        addresses: [address],
        powerControl: '',
        eee: 'unsupported',
        powerSave: '',
        features: {},
      },
    ],
  });
  const given = (mtu: string) => having(empty, { configmaps: [config('cilium-config', { mtu })], pods: [] });

  it('says that packets are larger than the adapter', () => {
    expect(says('cilium-mtu', withFacts(given('9000'), 'n2', nic(1500)))[0]).toContain(
      'Cilium sends packets of up to 9000 bytes (mtu in cilium-config) through ens160 of n2, which carries 1500',
    );
    const cut = {
      ...withFacts(having(given('9000'), { pods: [was()] }), 'n2', nic(1500)),
      logs: [log('blog/was-0', 'net/http: TLS handshake timeout')],
    };
    expect(found(rule('cilium-mtu'), cut)[0]?.about).toEqual(['machine:n2', 'pod:blog/was-0']);
  });

  it.each([
    ['it fits', given0 => withFacts(given0('1500'), 'n2', nic(1500))],
    ['Cilium chooses', given0 => withFacts(given0('0'), 'n2', nic(1500))],
    ['the adapter carries something else', given0 => withFacts(given0('9000'), 'n2', nic(1500, '172.16.0.2/24'))],
  ] satisfies readonly (readonly [string, (make: typeof given) => Snapshot])[])('is silent when %s', (_, make) => {
    expect(says('cilium-mtu', make(given))).toEqual([]);
  });
});

describe('rules of Cilium', () => {
  it.each(all.map(each => [each.id, each] as const))('%s reads what it says that it needs', (_, each) => {
    expect(everRead(each)).toEqual([...each.needs].sort());
  });

  it.each(states)('are silent on the recorded cluster without Cilium: %s', async state => {
    const snapshot = await recorded(state);
    expect(all.flatMap(each => each.find(snapshot))).toEqual([]);
  });

  it('are silent on the healthy lab', async () => {
    const snapshot = await labState('healthy');
    expect(all.flatMap(each => each.find(snapshot))).toEqual([]);
  });
});
