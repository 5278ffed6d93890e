// Rules of what is installed on top. Custom objects are constructed from the CRDs of argoproj and bitnami-labs; nodes are recorded.
import { beforeAll, describe, expect, it } from 'vitest';
import { keptEnvironment, keptExcerpts, keptFlags } from '../../src/doctor/objects/allowed.ts';
import type { Rule } from '../../src/doctor/rule.ts';
import { appRules, platformRules } from '../../src/doctor/rules/platform.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { labState } from './lab-states.ts';
import { ago, at, bare, config, everRead, found, having, type Lists, log, pod, service } from './products.ts';
import { recorded, states } from './recorded.ts';
import { withFacts } from './rig.ts';

const all = [...appRules, ...platformRules];
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
const saying = (snapshot: Snapshot, name: string, ...lines: string[]): Snapshot => ({
  ...snapshot,
  logs: [log(name, ...lines)],
});

describe('helm-release-stuck (F-12)', () => {
  const revision = (version: number, status: string, minutes = 60, more: Record<string, string> = {}) => ({
    metadata: {
      name: `sh.helm.release.v1.kps.v${version}`,
      namespace: 'monitoring',
      creationTimestamp: ago(minutes),
      labels: {
        owner: 'helm',
        name: 'kps',
        version: String(version),
        status,
        modifiedAt: String(Math.round((at - minutes * 60_000) / 1000)),
        ...more,
      },
    },
  });

  it('says for how long it is pending, and what to roll back to', () => {
    const [finding] = found(
      rule('helm-release-stuck'),
      having(empty, { releases: [revision(2, 'deployed', 900), revision(3, 'pending-upgrade')] }),
    );
    expect(finding?.says).toBe(
      'The Helm release monitoring/kps is pending-upgrade for 60 min: helm refuses to touch it until that is over',
    );
    expect(finding).toMatchObject({
      severity: 'error',
      certainty: 'certain',
      about: ['release:monitoring/kps', 'namespace:monitoring'],
      cure: ['helm rollback -n monitoring kps 2'],
    });
  });

  it('counts from what Helm wrote, else from when the Secret was made, else from nothing', () => {
    const one = revision(1, 'pending-install');
    const pending = (creationTimestamp: string, modifiedAt?: string) => {
      const { modifiedAt: _, ...labels } = one.metadata.labels;
      const metadata = { ...one.metadata, creationTimestamp, labels: modifiedAt ? { ...labels, modifiedAt } : labels };
      return found(rule('helm-release-stuck'), having(empty, { releases: [{ metadata }] }))[0];
    };
    expect(pending(ago(900), one.metadata.labels.modifiedAt)?.says).toContain('for 60 min');
    expect(pending(ago(900))?.says).toContain('for 900 min');
    expect(pending(ago(900))?.since).toBe(ago(900).replace('Z', '.000Z'));
    expect(pending('')?.says).toContain('is pending-install: helm refuses');
    expect(pending('')?.since).toBeUndefined();
  });

  it('removes only the record where nothing was ever deployed', () => {
    expect(
      found(rule('helm-release-stuck'), having(empty, { releases: [revision(1, 'pending-install')] }))[0]?.cure[0],
    ).toMatch(/^kubectl delete secret -n monitoring sh\.helm\.release\.v1\.kps\.v1 /);
  });

  it('warns of a revision that failed', () => {
    expect(
      found(
        rule('helm-release-stuck'),
        having(empty, { releases: [revision(9, 'superseded'), revision(10, 'failed')] }),
      ),
    ).toMatchObject([{ severity: 'warning' }]);
  });

  it.each([
    ['it is under way', [revision(1, 'pending-install', 5)]],
    ['an older revision failed', [revision(2, 'failed'), revision(3, 'deployed')]],
    ['it is deployed', [revision(1, 'deployed')]],
    ['the Secret is not Helm’s', [revision(1, 'pending-install', 60, { owner: 'somebody' })]],
  ])('is silent when %s', (_, releases) => {
    expect(says('helm-release-stuck', having(empty, { releases }))).toEqual([]);
  });

  describe('helm-field-conflict (F-13)', () => {
    const failed = {
      metadata: {
        ...revision(2, 'failed').metadata,
        namespace: 'istio-system',
        labels: { ...revision(2, 'failed').metadata.labels, name: 'istio-base' },
      },
    };
    const webhook = (...managers: string[]) => ({
      metadata: {
        name: 'istiod-default-validator',
        managedFields: managers.map(manager => ({ manager, time: ago(9) })),
      },
      webhooks: [],
    });
    const lists = (more: Lists = {}): Lists => ({
      releases: [failed],
      validatingwebhookconfigurations: [webhook('helm', 'pilot-discovery')],
      ...more,
    });

    it('may explain the failed release', () => {
      expect(found(rule('helm-field-conflict'), having(empty, lists()))).toMatchObject([
        { certainty: 'possible', about: ['release:istio-system/istio-base', 'webhook:istiod-default-validator'] },
      ]);
    });

    it.each([
      ['Helm does not write there', lists({ validatingwebhookconfigurations: [webhook('pilot-discovery')] })],
      ['istiod does not', lists({ validatingwebhookconfigurations: [webhook('helm')] })],
      [
        'the release did not fail',
        lists({
          releases: [{ metadata: { ...failed.metadata, labels: { ...failed.metadata.labels, status: 'deployed' } } }],
        }),
      ],
      ['another one did', lists({ releases: [revision(2, 'failed')] })],
    ])('is silent when %s', (_, given) => {
      expect(says('helm-field-conflict', having(empty, given))).toEqual([]);
    });
  });
});

describe('metrics-on-loopback (F-20)', () => {
  const manager = (argument: string) =>
    pod('kube-controller-manager-n1', {
      namespace: 'kube-system',
      node: 'n1',
      labels: { component: 'kube-controller-manager' },
      container: { command: ['kube-controller-manager', argument, '--client-ca-file=/etc/kubernetes/pki/ca.crt'] },
    });
  const etcd = (urls: string) =>
    pod('etcd-n1', {
      namespace: 'kube-system',
      node: 'n1',
      labels: { component: 'etcd' },
      container: { command: ['etcd', `--listen-metrics-urls=${urls}`] },
    });
  const prometheus = pod('prometheus-kps-0', {
    namespace: 'monitoring',
    labels: { 'app.kubernetes.io/name': 'prometheus' },
  });
  const asked = [
    service('kps-kube-controller-manager', { namespace: 'kube-system' }),
    service('kps-kube-etcd', { namespace: 'kube-system' }),
  ];
  const lists = (pods: readonly unknown[], services: readonly unknown[] = asked): Lists => ({
    pods: [prometheus, ...pods],
    services,
  });

  it('names the components that Prometheus asks in vain', () => {
    const [finding] = found(
      rule('metrics-on-loopback'),
      having(empty, lists([manager('--bind-address=127.0.0.1'), etcd('http://127.0.0.1:2381')])),
    );
    expect(finding?.says).toBe(
      'Prometheus cannot ask kube-controller-manager and etcd on n1: they answer on 127.0.0.1 only',
    );
    expect(finding?.evidence.map(each => each.says)).toEqual([
      '--bind-address=127.0.0.1',
      '--listen-metrics-urls=http://127.0.0.1:2381',
    ]);
  });

  const other = (one: ReturnType<typeof manager>, metadata: object) => ({
    ...one,
    metadata: { ...one.metadata, ...metadata },
  });
  it('counts one of them', () => {
    expect(says('metrics-on-loopback', having(empty, lists([manager('--bind-address=127.0.0.1')])))[0]).toContain(
      'it answers on',
    );
  });

  it.each([
    [
      'Prometheus is on its way out',
      {
        pods: [other(prometheus, { deletionTimestamp: ago(1) }), manager('--bind-address=127.0.0.1')],
        services: asked,
      },
    ],
    [
      'the Service is of another namespace',
      lists([manager('--bind-address=127.0.0.1')], [service('kps-kube-controller-manager')]),
    ],
    [
      'the Service is another one',
      lists([manager('--bind-address=127.0.0.1')], [service('kps-coredns', { namespace: 'kube-system' })]),
    ],
    ['it is a pod of another namespace', lists([other(manager('--bind-address=127.0.0.1'), { namespace: 'demo' })])],
    [
      'it is another pod with such a flag',
      lists([other(manager('--bind-address=127.0.0.1'), { labels: { component: 'kube-proxy' } })]),
    ],
    ['nothing is said of where it answers', lists([manager('--leader-elect=true')])],
  ])('is silent when %s', (_, given) => {
    expect(says('metrics-on-loopback', having(empty, given))).toEqual([]);
  });

  it.each([
    [
      'they answer to all',
      lists([manager('--bind-address=0.0.0.0'), etcd('http://127.0.0.1:2381,http://10.77.0.11:2381')]),
    ],
    ['the chart does not ask them', lists([manager('--bind-address=127.0.0.1')], [])],
    ['there is no Prometheus', { pods: [manager('--bind-address=127.0.0.1')], services: asked }],
  ])('is silent when %s', (_, given) => {
    expect(says('metrics-on-loopback', having(empty, given))).toEqual([]);
  });
});

describe('Loki', () => {
  const loki = (more = {}) =>
    pod('loki-0', { namespace: 'monitoring', image: 'docker.io/grafana/loki:3.5.1', ...more });
  const file = (text: string, name = 'loki') => config(name, { 'config.yaml': text }, 'monitoring');

  it('keeps everything although a period is set (F-27)', () => {
    const snapshot = having(empty, {
      pods: [loki()],
      configmaps: [file('limits_config:\n  retention_period: 168h\ncompactor:\n  retention_enabled: false\n')],
    });
    expect(says('loki-keeps-everything', snapshot)).toEqual([
      'Loki deletes nothing although it should after 168h: retention_enabled is not true in its compactor (monitoring/loki)',
    ]);
    expect(
      found(
        rule('loki-keeps-everything'),
        having(empty, { pods: [loki()], configmaps: [file('auth_enabled: false')] }),
      ),
    ).toMatchObject([{ severity: 'note', evidence: [{ says: 'nothing about retention' }] }]);
    expect(found(rule('loki-keeps-everything'), snapshot)[0]?.evidence[0]?.says).toContain('retention_period: 168h');
  });

  it.each([
    ['it deletes', [loki()], [file('retention_period: 168h\nretention_enabled: true')]],
    ['Loki does not run', [], [file('retention_period: 168h')]],
    ['the text is another program’s', [loki()], [file('retention_period: 168h', 'promtail')]],
    ['the text is its canary’s', [loki()], [file('retention_period: 168h', 'loki-canary')]],
    ['Loki runs in another namespace', [loki({ namespace: 'demo' })], [file('retention_period: 168h')]],
    ['another program runs there', [loki({ image: 'grafana/tempo:2' })], [file('retention_period: 168h')]],
    [
      'its pod is done',
      [{ ...loki(), status: { ...loki().status, phase: 'Failed' } }],
      [file('retention_period: 168h')],
    ],
  ])('is silent when %s', (_, pods, configmaps) => {
    expect(says('loki-keeps-everything', having(empty, { pods, configmaps }))).toEqual([]);
  });

  it('does not start without a store for requests to delete', () => {
    const line =
      'CONFIG ERROR: invalid compactor config: compactor.delete-request-store should be configured when retention is enabled';
    const crash = having(empty, { pods: [loki({ state: 'crash' })] });
    expect(says('loki-delete-store', saying(crash, 'monitoring/loki-0', line))).toEqual([
      'monitoring/loki-0 does not start: retention is on, and compactor.delete_request_store is not set',
    ]);
    expect(says('loki-delete-store', saying(crash, 'monitoring/loki-0', 'permission denied'))).toEqual([]);
    expect(says('loki-delete-store', saying(having(empty, { pods: [loki()] }), 'monitoring/loki-0', line))).toEqual([]);
    expect(
      says(
        'loki-delete-store',
        saying(
          having(empty, { pods: [loki({ state: 'crash', image: 'grafana/tempo:2' })] }),
          'monitoring/loki-0',
          line,
        ),
      ),
    ).toEqual([]);
  });

  it('has caches that fit nowhere (F-28)', () => {
    const cache = (message: string, name = 'loki-chunks-cache-0') =>
      pod(name, {
        namespace: 'monitoring',
        state: 'pending',
        container: { resources: { requests: { memory: '9830Mi' } } },
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: ago(9) },
        ],
      });
    const full = '0/2 nodes are available: 2 Insufficient memory.';
    expect(says('loki-cache-too-large', having(empty, { pods: [cache(full)] }))).toEqual([
      "monitoring/loki-chunks-cache-0 finds no node with 9830Mi of memory: Loki's chart makes its caches for large clusters",
    ]);
    expect(
      says(
        'loki-cache-too-large',
        having(empty, { pods: [cache('0/2 nodes are available: 2 node(s) had untolerated taint')] }),
      ),
    ).toEqual([]);
    expect(says('loki-cache-too-large', having(empty, { pods: [cache(full, 'memcached-0')] }))).toEqual([]);
  });
});

describe('metrics-server-certificates (F-36)', () => {
  const server = (more = {}) =>
    pod('metrics-server-1', {
      namespace: 'kube-system',
      labels: { 'k8s-app': 'metrics-server' },
      state: 'unready',
      ...more,
    });
  const x509 =
    'Failed to scrape node, err="Get \\"https://10.77.0.12:10250/metrics/resource\\": tls: failed to verify certificate: x509: cannot validate certificate for 10.77.0.12 because it doesn\'t contain any IP SANs"';
  const kubelet = (serverTLSBootstrap: boolean) => ({
    kubelet: {
      version: 'v1.31.13',
      cgroupDriver: 'systemd',
      resolvConf: '',
      clusterDNS: [],
      failSwapOn: true,
      evictionHard: {},
      serverTLSBootstrap,
    },
  });

  it('is certain of what the log says, possible without', () => {
    const snapshot = withFacts(having(empty, { pods: [server()] }), 'n2', kubelet(false));
    const [finding] = found(
      rule('metrics-server-certificates'),
      saying(snapshot, 'kube-system/metrics-server-1', x509),
    );
    expect(finding?.says).toBe(
      "metrics-server (kube-system/metrics-server-1) does not accept the kubelets' certificates: n2 made its own (serverTLSBootstrap is off)",
    );
    expect(finding).toMatchObject({
      certainty: 'certain',
      about: ['pod:kube-system/metrics-server-1', 'service:kube-system/metrics-server', 'machine:n2'],
    });
    expect(found(rule('metrics-server-certificates'), snapshot)[0]?.certainty).toBe('possible');
    const unasked = saying(having(empty, { pods: [server()] }), 'kube-system/metrics-server-1', x509);
    expect(says('metrics-server-certificates', unasked)).toEqual([
      "metrics-server (kube-system/metrics-server-1) does not accept the kubelets' certificates",
    ]);
  });

  it('is silent about a pod of a machine that fell silent: only the pod is marked, not its containers', () => {
    const one = server();
    const marked = {
      ...one,
      status: {
        ...one.status,
        containerStatuses: one.status.containerStatuses.map(each => ({ ...each, ready: true })),
      },
    };
    expect(
      says('metrics-server-certificates', withFacts(having(empty, { pods: [marked] }), 'n2', kubelet(false))),
    ).toEqual([]);
  });

  it.each([
    ['it does not check', server({ container: { args: ['--kubelet-insecure-tls'] } }), false],
    ['it is ready', server({ state: 'ok' }), false],
    ['kubelets have the cluster’s certificates, and it says nothing', server(), true],
    ['it crashes, and says nothing', server({ state: 'crash' }), false],
    ['it is another program', server({ labels: {} }), false],
  ])('is silent when %s', (_, one, bootstrap) => {
    expect(
      says('metrics-server-certificates', withFacts(having(empty, { pods: [one] }), 'n2', kubelet(bootstrap))),
    ).toEqual([]);
  });
});

describe('Falco', () => {
  const falco = (more = {}) =>
    pod('falco-x', { namespace: 'falco', image: 'docker.io/falcosecurity/falco:0.41.0', state: 'crash', ...more });
  const btf = 'libbpf: failed to find valid kernel BTF';

  it('lacks BTF (F-29): certain with the machine’s word, possible against it', () => {
    const snapshot = saying(having(empty, { pods: [falco()] }), 'falco/falco-x', btf);
    const rated = (one: Snapshot) => found(rule('falco-btf'), one).map(({ certainty }) => certainty);
    expect(rated(withFacts(snapshot, 'n2', { btf: false }))).toEqual(['certain']);
    expect(rated(snapshot)).toEqual(['likely']);
    expect(rated(withFacts(snapshot, 'n2', { btf: true }))).toEqual(['possible']);
    const shown = (one: Snapshot) => found(rule('falco-btf'), one)[0];
    expect(shown(withFacts(snapshot, 'n2', { btf: false }))?.settledBy).toBeUndefined();
    expect(shown(withFacts(snapshot, 'n2', { btf: false }))?.evidence[1]?.says).toBe('no /sys/kernel/btf/vmlinux');
    expect(shown(withFacts(snapshot, 'n2', { btf: true }))?.evidence[1]?.says).toBe('/sys/kernel/btf/vmlinux is there');
    expect(shown(snapshot)?.settledBy).toContain('/sys/kernel/btf/vmlinux');
    expect(shown(snapshot)?.evidence).toHaveLength(1);
    expect(
      says('falco-btf', saying(having(empty, { pods: [falco()] }), 'falco/falco-x', 'Error: plugin not found')),
    ).toEqual([]);
    expect(says('falco-btf', saying(having(empty, { pods: [falco({ state: 'ok' })] }), 'falco/falco-x', btf))).toEqual(
      [],
    );
  });

  it('has a rule that cannot be read (F-30)', () => {
    const snapshot = having(empty, { pods: [falco()] });
    expect(
      says(
        'falco-rules-broken',
        saying(
          snapshot,
          'falco/falco-x',
          "LOAD_ERR_COMPILE_CONDITION (Error compiling condition): Undefined macro 'java_running' used in filter.",
        ),
      ),
    ).toEqual(['Falco does not start on n2: a rule uses java_running, which is not defined']);
    expect(says('falco-rules-broken', saying(snapshot, 'falco/falco-x', btf))).toEqual([]);
    expect(
      says(
        'falco-rules-broken',
        saying(
          having(empty, { pods: [falco({ image: 'falcosecurity/falcosidekick:2' })] }),
          'falco/falco-x',
          'LOAD_ERR_YAML_PARSE',
        ),
      ),
    ).toEqual([]);
  });
});

describe('mounted-file-stale (F-31)', () => {
  const talon = (startedMinutesAgo: number, subPath = 'rules.yaml') =>
    pod('falco-talon-7c9d-x', {
      namespace: 'falco',
      image: 'docker.io/falcosecurity/falco-talon:0.3.0',
      startedMinutesAgo,
      owner: { kind: 'ReplicaSet', name: 'falco-talon-7c9d' },
      container: { volumeMounts: [{ name: 'rules', mountPath: '/etc/falco-talon/rules.yaml', subPath }] },
      volumes: [{ name: 'rules', configMap: { name: 'falco-talon-rules' } }],
    });
  const rules = (minutes: number) =>
    config('falco-talon-rules', {}, 'falco', { managedFields: [{ manager: 'helm', time: ago(minutes) }] });

  it('says that the pod is older than its rules', () => {
    const [finding] = found(rule('mounted-file-stale'), having(empty, { pods: [talon(600)], configmaps: [rules(30)] }));
    expect(finding).toMatchObject({
      certainty: 'likely',
      severity: 'warning',
      cure: ['kubectl rollout restart -n falco deployment/falco-talon'],
    });
  });

  it('is about the pods of that ConfigMap, once', () => {
    const named = (one: ReturnType<typeof talon>, name: string, namespace = 'falco') => ({
      ...one,
      metadata: { ...one.metadata, name, namespace, uid: `uid-of-${name}` },
    });
    const elsewhere = { ...rules(30), metadata: { ...rules(30).metadata, namespace: 'demo' } };
    const pods = [named(talon(600), 'a'), named(talon(600), 'b'), named(talon(600), 'c', 'demo')];
    const findings = found(rule('mounted-file-stale'), having(empty, { pods, configmaps: [rules(30), elsewhere] }));
    expect(findings.map(({ about }) => about)).toEqual([
      ['pod:falco/a', 'pod:falco/b', 'object:falco/falco-talon-rules'],
      ['pod:demo/c', 'object:demo/falco-talon-rules'],
    ]);
  });

  it.each([
    [
      'the ConfigMap is of another namespace',
      talon(600),
      { ...rules(30), metadata: { ...rules(30).metadata, namespace: 'demo' } },
    ],
    ['another ConfigMap was changed', talon(600), { ...rules(30), metadata: { ...rules(30).metadata, name: 'falco' } }],
    [
      'the pod is on its way out',
      { ...talon(600), metadata: { ...talon(600).metadata, deletionTimestamp: ago(1) } },
      rules(30),
    ],
    [
      'another program is in it',
      {
        ...talon(600),
        spec: { ...talon(600).spec, containers: talon(600).spec.containers.map(each => ({ ...each, image: 'web:1' })) },
      },
      rules(30),
    ],
    ['the pod is younger', talon(10), rules(30)],
    ['both were made in one go', talon(30), rules(30)],
    ['the mount is refreshed', talon(600, ''), rules(30)],
    ['nobody knows when it was changed', talon(600), config('falco-talon-rules', {}, 'falco')],
  ])('is silent when %s', (_, one, text) => {
    expect(says('mounted-file-stale', having(empty, { pods: [one], configmaps: [text] }))).toEqual([]);
  });
});

describe('wazuh-dashboard-address (D-5)', () => {
  const deployment = (url: string) => ({
    metadata: { name: 'wazuh-dashboard', namespace: 'wazuh' },
    spec: {
      selector: { matchLabels: { app: 'wazuh-dashboard' } },
      template: {
        spec: {
          containers: [
            {
              name: 'dashboard',
              image: 'wazuh/wazuh-dashboard:4.14.6',
              env: [
                { name: 'INDEXER_URL', value: url },
                { name: 'INDEXER_PASSWORD', value: 'not kept' },
              ],
              volumeMounts: [
                {
                  name: 'config',
                  mountPath: '/usr/share/wazuh-dashboard/config/opensearch_dashboards.yml',
                  subPath: 'opensearch_dashboards.yml',
                },
              ],
            },
          ],
          volumes: [{ name: 'config', configMap: { name: 'dashboard-conf' } }],
        },
      },
    },
  });
  const file = (hosts: string) =>
    config(
      'dashboard-conf',
      {
        'opensearch_dashboards.yml': `server.host: 0.0.0.0\nopensearch.hosts: ${hosts}\nopensearch.password: not kept\n`,
      },
      'wazuh',
    );
  const dashboard = pod('wazuh-dashboard-1', {
    namespace: 'wazuh',
    labels: { app: 'wazuh-dashboard' },
    image: 'wazuh/wazuh-dashboard:4.14.6',
    state: 'unready',
  });
  const lists = (url: string, hosts: string, pods: readonly unknown[] = [dashboard]): Lists => ({
    deployments: [deployment(url)],
    configmaps: [file(hosts)],
    pods,
  });

  it('says that the file wins over the variable', () => {
    const [finding] = found(
      rule('wazuh-dashboard-address'),
      saying(
        having(empty, lists('https://wazuh-indexer:9200', 'https://indexer:9200')),
        'wazuh/wazuh-dashboard-1',
        'ConnectionError: getaddrinfo ENOTFOUND indexer',
      ),
    );
    expect(finding?.says).toBe(
      "Wazuh's dashboard asks https://indexer:9200 and not https://wazuh-indexer:9200: dashboard-conf names the indexer in opensearch_dashboards.yml, and that file wins over INDEXER_URL",
    );
    expect(finding).toMatchObject({
      severity: 'error',
      about: ['workload:wazuh/wazuh-dashboard', 'pod:wazuh/wazuh-dashboard-1', 'object:wazuh/dashboard-conf'],
    });
    expect(finding?.evidence).toHaveLength(3);
    expect(
      found(
        rule('wazuh-dashboard-address'),
        having(empty, lists('https://wazuh-indexer:9200', 'https://indexer:9200', [])),
      ),
    ).toMatchObject([{ severity: 'warning' }]);
  });

  it('is about the failing pods of that Deployment, and reads its own ConfigMap', () => {
    const more = (name: string, change: object) => ({
      ...dashboard,
      metadata: { ...dashboard.metadata, name, uid: `uid-of-${name}`, ...change },
    });
    const pods = [
      dashboard,
      more('elsewhere', { namespace: 'demo' }),
      more('other', { labels: { app: 'wazuh-manager' } }),
      pod('wazuh-dashboard-2', { namespace: 'wazuh', labels: { app: 'wazuh-dashboard' } }),
    ];
    const given = lists('https://wazuh-indexer:9200', 'https://indexer:9200', pods);
    const same = file('https://wazuh-indexer:9200');
    const others = [
      { ...same, metadata: { ...same.metadata, namespace: 'demo' } },
      { ...same, metadata: { ...same.metadata, name: 'other-conf' } },
    ];
    const snapshot = having(empty, { ...given, configmaps: [...others, ...(given.configmaps ?? [])] });
    const [finding] = found(rule('wazuh-dashboard-address'), snapshot);
    expect(finding?.about).toEqual([
      'workload:wazuh/wazuh-dashboard',
      'pod:wazuh/wazuh-dashboard-1',
      'object:wazuh/dashboard-conf',
    ]);
    expect(finding?.evidence).toHaveLength(2);
    const { selector: _, ...spec } = deployment('https://wazuh-indexer:9200').spec;
    const loose = having(empty, { ...given, deployments: [{ ...deployment(''), spec }] });
    expect(found(rule('wazuh-dashboard-address'), loose)).toMatchObject([{ severity: 'warning' }]);
  });

  it.each([
    ['both say the same', lists('https://indexer:9200', 'https://indexer:9200')],
    ['in other words', lists('https://indexer.wazuh.svc:9200/', '["https://indexer:9200"]')],
    ['the variable is not set', lists('', 'https://indexer:9200')],
  ])('is silent when %s', (_, given) => {
    expect(says('wazuh-dashboard-address', having(empty, given))).toEqual([]);
  });
});

describe('sealed-secret-no-key (F-38)', () => {
  const sealed = (status: string, message: string) => ({
    metadata: { name: 'db', namespace: 'blog' },
    status: { conditions: [{ type: 'Synced', status, message, lastTransitionTime: ago(30) }] },
  });
  const was = pod('was-0', {
    state: 'unready',
    waiting: { reason: 'CreateContainerConfigError', message: 'secret "db" not found' },
  });
  const closed = sealed('False', 'no key could decrypt secret (password)');

  it('ties the pods that wait for the Secret to it', () => {
    const [finding] = found(rule('sealed-secret-no-key'), having(empty, { sealedsecrets: [closed], pods: [was] }));
    expect(finding?.says).toBe(
      'The SealedSecret blog/db cannot be opened: this cluster has no key for it; blog/was-0 waits for it',
    );
    expect(finding).toMatchObject({ severity: 'error', about: ['object:blog/db', 'namespace:blog', 'pod:blog/was-0'] });
    const mounting = pod('was-1', { state: 'pending', volumes: [{ name: 'db', secret: { secretName: 'db' } }] });
    expect(
      found(rule('sealed-secret-no-key'), having(empty, { sealedsecrets: [closed], pods: [mounting] }))[0]?.about,
    ).toContain('pod:blog/was-1');
    expect(
      found(rule('sealed-secret-no-key'), having(empty, { sealedsecrets: [closed], pods: [pod('was-0')] })),
    ).toMatchObject([{ severity: 'warning' }]);
  });

  it.each([
    ['another Secret', { secretName: 'other' }],
    ['one that may be missing', { secretName: 'db', optional: true }],
  ])('is not what a pod waits for that mounts %s', (_, secret) => {
    const mounting = pod('was-1', { state: 'pending', volumes: [{ name: 'db', secret }] });
    expect(
      found(rule('sealed-secret-no-key'), having(empty, { sealedsecrets: [closed], pods: [mounting] })),
    ).toMatchObject([{ severity: 'warning', about: ['object:blog/db', 'namespace:blog'], since: ago(30) }]);
  });

  it('is not what a pod of another namespace waits for, nor one that runs', () => {
    const volumes = [{ name: 'db', secret: { secretName: 'db' } }];
    const pods = [pod('was-1', { namespace: 'demo', state: 'pending', volumes }), pod('was-2', { volumes })];
    expect(found(rule('sealed-secret-no-key'), having(empty, { sealedsecrets: [closed], pods }))).toMatchObject([
      { severity: 'warning', about: ['object:blog/db', 'namespace:blog'] },
    ]);
  });

  it.each([
    ['it was opened', sealed('True', '')],
    ['something else is wrong with it', sealed('False', 'Resource already exists and is not managed by SealedSecret')],
    ['nobody looked at it yet', { metadata: { name: 'db', namespace: 'blog' } }],
  ])('is silent when %s', (_, one) => {
    expect(says('sealed-secret-no-key', having(empty, { sealedsecrets: [one], pods: [was] }))).toEqual([]);
  });
});

describe('rollout-weights-reverted (F-35)', () => {
  const rollout = (phase: string) => ({
    metadata: { name: 'was', namespace: 'blog' },
    spec: { strategy: { canary: { trafficRouting: { istio: { virtualService: { name: 'was' } } } } } },
    status: { phase },
  });
  const route = (byRollouts: number, byArgo: number) => ({
    metadata: {
      name: 'was',
      namespace: 'blog',
      managedFields: [
        { manager: 'rollouts-controller', time: ago(byRollouts) },
        { manager: 'argocd-controller', time: ago(byArgo) },
      ],
    },
    spec: { hosts: ['was'] },
  });
  const application = (spec: Record<string, unknown>) => ({
    metadata: { name: 'blog', namespace: 'argocd' },
    spec,
    status: { resources: [{ group: 'networking.istio.io', kind: 'VirtualService', namespace: 'blog', name: 'was' }] },
  });
  const healing = application({ syncPolicy: { automated: { selfHeal: true } } });
  const lists = (more: Lists = {}): Lists => ({
    rollouts: [rollout('Progressing')],
    virtualservices: [route(10, 5)],
    applications: [healing],
    ...more,
  });

  it('says that a canary is taken back, and that the next one will be', () => {
    expect(found(rule('rollout-weights-reverted'), having(empty, lists()))).toMatchObject([
      { severity: 'error', certainty: 'certain', about: ['workload:blog/was', 'object:blog/was', 'namespace:blog'] },
    ]);
    expect(
      found(rule('rollout-weights-reverted'), having(empty, lists({ rollouts: [rollout('Healthy')] }))),
    ).toMatchObject([{ severity: 'warning', certainty: 'likely' }]);
    expect(found(rule('rollout-weights-reverted'), having(empty, lists({ applications: [] })))).toMatchObject([
      { severity: 'error', certainty: 'likely' },
    ]);
    expect(
      found(rule('rollout-weights-reverted'), having(empty, lists({ virtualservices: [route(5, 6)] }))),
    ).toMatchObject([{ severity: 'error' }]);
  });

  it('shows who wrote when, and which Application does not ignore it', () => {
    const [now] = found(rule('rollout-weights-reverted'), having(empty, lists()));
    expect(now?.since).toBe(ago(5));
    expect(now?.settledBy).toBeUndefined();
    expect(now?.evidence[0]?.says).toBe(
      `written by rollouts-controller at ${ago(10)}, by Argo CD at ${ago(5)}; the rollout is Progressing`,
    );
    expect(now?.evidence[1]?.from).toBe('Application argocd/blog');
    expect(now?.cure[0]).toContain("in argocd/blog's manifest");
    const [later] = found(rule('rollout-weights-reverted'), having(empty, lists({ rollouts: [rollout('')] })));
    expect(later?.says).toContain('Application argocd/blog applies VirtualService blog/was');
    expect(later?.since).toBeUndefined();
    expect(later?.settledBy).toContain('(during a canary)');
    expect(later?.evidence[0]?.says).toContain('in no known phase');
    const [nobody] = found(
      rule('rollout-weights-reverted'),
      having(empty, lists({ applications: [], rollouts: [rollout('Healthy')] })),
    );
    expect(nobody?.says).toContain('was: it applies VirtualService');
    expect(nobody?.evidence).toHaveLength(1);
    expect(nobody?.cure[0]).toContain("in the Application's manifest");
  });

  it('is no fight when Argo CD wrote long before, or does not heal', () => {
    expect(
      found(rule('rollout-weights-reverted'), having(empty, lists({ virtualservices: [route(5, 15)] }))),
    ).toMatchObject([{ severity: 'warning' }]);
    const idle = application({ syncPolicy: { automated: {} } });
    expect(
      says('rollout-weights-reverted', having(empty, lists({ virtualservices: [route(5, 6)], applications: [idle] }))),
    ).toEqual([]);
    const alone = {
      ...route(5, 6),
      metadata: { ...route(5, 6).metadata, managedFields: [{ manager: 'argocd-controller', time: ago(5) }] },
    };
    expect(found(rule('rollout-weights-reverted'), having(empty, lists({ virtualservices: [alone] })))).toMatchObject([
      { severity: 'warning' },
    ]);
    expect(
      says('rollout-weights-reverted', having(empty, lists({ virtualservices: [alone], applications: [] }))),
    ).toEqual([]);
  });

  it('is about the VirtualService of that name and namespace, and the Application that applies it', () => {
    const apart = (metadata: object) => ({ ...route(10, 5), metadata: { ...route(10, 5).metadata, ...metadata } });
    expect(
      says(
        'rollout-weights-reverted',
        having(empty, lists({ virtualservices: [apart({ namespace: 'demo' }), apart({ name: 'web' })] })),
      ),
    ).toEqual([]);
    const applying = (resource: object) => ({
      ...healing,
      status: { resources: [{ group: '', kind: 'VirtualService', namespace: 'blog', name: 'was', ...resource }] },
    });
    const rated = (one: unknown) =>
      found(rule('rollout-weights-reverted'), having(empty, lists({ applications: [one] })))[0]?.certainty;
    expect(rated(applying({}))).toBe('certain');
    expect(rated(applying({ namespace: '' }))).toBe('certain');
    expect(rated(applying({ namespace: 'demo' }))).toBe('likely');
    expect(rated(applying({ kind: 'Service' }))).toBe('likely');
    expect(rated(applying({ name: 'web' }))).toBe('likely');
  });

  it('is not healed by what is ignored of something else', () => {
    const ignores = (more: object) =>
      application({
        ignoreDifferences: [
          { group: 'networking.istio.io', jqPathExpressions: ['.spec.http[].route[].weight'], ...more },
        ],
      });
    const count = (more: object) =>
      says('rollout-weights-reverted', having(empty, lists({ applications: [ignores(more)] }))).length;
    expect(count({ kind: 'VirtualService', name: 'was' })).toBe(0);
    expect(count({ kind: '*' })).toBe(0);
    expect(count({ kind: 'HTTPRoute' })).toBe(1);
    expect(count({ kind: 'VirtualService', name: 'web' })).toBe(1);
    expect(count({ kind: 'VirtualService', jqPathExpressions: ['.metadata.labels'] })).toBe(1);
  });

  const ignoring = (more: Record<string, unknown>) =>
    application({
      syncPolicy: { automated: { selfHeal: true } },
      ignoreDifferences: [{ group: 'networking.istio.io', kind: 'VirtualService', ...more }],
    });
  it.each([
    [
      'the weights are ignored',
      lists({ applications: [ignoring({ jqPathExpressions: ['.spec.http[].route[].weight'] })] }),
    ],
    ['what Rollouts owns is', lists({ applications: [ignoring({ managedFieldsManagers: ['rollouts-controller'] })] })],
    ['Argo CD wrote before, and nobody heals', lists({ virtualservices: [route(5, 10)], applications: [] })],
    [
      'the rollout has no VirtualService',
      lists({
        rollouts: [{ metadata: { name: 'was', namespace: 'blog' }, spec: {}, status: { phase: 'Progressing' } }],
      }),
    ],
  ])('is silent when %s', (_, given) => {
    expect(says('rollout-weights-reverted', having(empty, given))).toEqual([]);
  });
});

describe('cloudflare-token-refused', () => {
  const ddns = (more = {}) =>
    pod('ddns-1', { namespace: 'ingress', image: 'docker.io/favonia/cloudflare-ddns:1.15', state: 'crash', ...more });

  it.each([
    'level=fatal msg="Invalid request headers (6003)"',
    'error from makeRequest: HTTP status 403: Invalid access token',
    '{"success":false,"errors":[{"code":9109,"message":"Cannot use the access token from location: 203.0.113.4"}]}',
  ])('believes Cloudflare: %s', line => {
    expect(
      found(rule('cloudflare-token-refused'), saying(having(empty, { pods: [ddns()] }), 'ingress/ddns-1', line)),
    ).toMatchObject([{ severity: 'error', about: ['pod:ingress/ddns-1', 'machine:n2'] }]);
  });

  it('says whether it is the address', () => {
    const said = (line: string) =>
      says('cloudflare-token-refused', saying(having(empty, { pods: [ddns()] }), 'ingress/ddns-1', line))[0];
    expect(said('Cannot use the access token from location: 203.0.113.4')).toContain('from this address');
    expect(said('Invalid access token')).toBe('Cloudflare refuses the token of ingress/ddns-1');
  });

  it('is silent about another error, another program and a pod that is well', () => {
    const line = 'Invalid access token';
    expect(
      says(
        'cloudflare-token-refused',
        saying(having(empty, { pods: [ddns()] }), 'ingress/ddns-1', 'dial tcp: i/o timeout'),
      ),
    ).toEqual([]);
    expect(
      says(
        'cloudflare-token-refused',
        saying(having(empty, { pods: [ddns({ image: 'ghcr.io/home/was:1' })] }), 'ingress/ddns-1', line),
      ),
    ).toEqual([]);
    expect(
      says(
        'cloudflare-token-refused',
        saying(having(empty, { pods: [ddns({ state: 'ok' })] }), 'ingress/ddns-1', line),
      ),
    ).toEqual([]);
  });
});

describe('what is kept of free text', () => {
  it('is flags, variables and lines by name, without credentials, and the same again when read again', () => {
    expect(keptFlags.parse(['etcd', '--bind-address=127.0.0.1', '--token=abc'])).toEqual(['--bind-address=127.0.0.1']);
    const environment = keptEnvironment.parse([
      { name: 'INDEXER_URL', value: 'https://admin:secret@indexer:9200' },
      { name: 'PASSWORD', value: 'secret' },
      { name: 'KUBERNETES_SERVICE_HOST', valueFrom: {} },
    ]);
    expect(environment).toEqual([
      { name: 'INDEXER_URL', value: 'https://indexer:9200' },
      { name: 'KUBERNETES_SERVICE_HOST', value: '' },
    ]);
    expect(keptEnvironment.parse(environment)).toEqual(environment);
    const data = keptExcerpts({
      'config.yaml': 'a: secret\ncompactor:\n  retention_enabled: true\n',
      'app.properties': 'password=secret',
      mtu: '1500',
      'opensearch_dashboards.yml': 'opensearch.hosts: https://a:b@indexer:9200\nopensearch.password: secret',
    });
    expect(data).toEqual({
      'config.yaml': 'retention_enabled: true',
      mtu: '1500',
      'opensearch_dashboards.yml': 'opensearch.hosts: https://indexer:9200',
    });
    expect(keptExcerpts(data)).toEqual(data);
  });
});

describe('rules of products', () => {
  it.each(all.map(each => [each.id, each] as const))('%s reads what it says that it needs', (_, each) => {
    expect(everRead(each)).toEqual([...each.needs].sort());
  });

  it.each(states)('are silent on the recorded cluster without them: %s', async state => {
    const snapshot = await recorded(state);
    expect(all.flatMap(each => each.find(snapshot))).toEqual([]);
  });

  it('are silent on the healthy lab', async () => {
    const snapshot = await labState('healthy');
    expect(all.flatMap(each => each.find(snapshot))).toEqual([]);
  });
});
