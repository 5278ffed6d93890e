// What watches the cluster and does not see: metrics, logs.
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects } from '../snapshot.ts';
import {
  crashes,
  fails,
  isAlive,
  listed,
  logEvidence,
  machineEntity,
  type Pod,
  podEntity,
  podName,
  runs,
  said,
} from './installed.ts';

const loopback = /=(https?:\/\/)?(127\.0\.0\.1|localhost|\[::1\])/;
/** What Prometheus asks of a control plane, and the flag that says where it is answered. */
const targets = [
  {
    component: 'kube-controller-manager',
    flag: '--bind-address',
    cure: 'controllerManager.extraArgs bind-address: 0.0.0.0',
  },
  { component: 'kube-scheduler', flag: '--bind-address', cure: 'scheduler.extraArgs bind-address: 0.0.0.0' },
  {
    component: 'etcd',
    flag: '--listen-metrics-urls',
    cure: 'etcd.local.extraArgs listen-metrics-urls: http://0.0.0.0:2381',
  },
] as const;

export const loopbackTargets: Rule = {
  id: 'metrics-on-loopback',
  layer: 'platform',
  symptom: "Prometheus's targets kube-controller-manager, kube-scheduler or kube-etcd are down, and their alerts fire.",
  cause: 'kubeadm lets them answer on 127.0.0.1 only; Prometheus asks at the address of the machine.',
  cure: "Bind them to the machine's address in kubeadm's configuration and let a firewall keep others out, or switch these targets off in the chart.",
  sources: [
    'prometheus-community/helm-charts#1704',
    'prometheus-community/helm-charts#1966',
    'prometheus-operator/kube-prometheus#718',
  ],
  needs: ['api.pods', 'api.services'],
  explains: [],
  find(snapshot) {
    const pods = objects(snapshot, 'pods').filter(isAlive);
    if (!pods.some(({ metadata }) => metadata.labels['app.kubernetes.io/name'] === 'prometheus')) return [];
    const found = targets.flatMap(target => {
      const isAsked = objects(snapshot, 'services').some(
        ({ metadata }) =>
          metadata.namespace === 'kube-system' && new RegExp(`-(kube-)?${target.component}$`).test(metadata.name),
      );
      if (!isAsked) return [];
      return pods
        .filter(
          ({ metadata }) => metadata.namespace === 'kube-system' && metadata.labels['component'] === target.component,
        )
        .flatMap(pod => {
          const given = pod.spec.containers
            .flatMap(({ command, args }) => [...command, ...args])
            .find(each => each.startsWith(`${target.flag}=`));
          const addresses = given?.slice(given.indexOf('=') + 1).split(',') ?? [];
          const isLoopback = addresses.every(each => loopback.test(`=${each}`));
          return given !== undefined && isLoopback ? [{ target, pod, given }] : [];
        });
    });
    const [first] = found;
    if (!first) return [];
    const names = [...new Set(found.map(({ target }) => target.component))];
    return [
      {
        says: `Prometheus cannot ask ${listed(names)} on ${listed([...new Set(found.map(({ pod }) => pod.spec.nodeName))])}: ${names.length === 1 ? 'it answers' : 'they answer'} on 127.0.0.1 only`,
        severity: 'warning',
        certainty: 'certain',
        about: [`pod:${podName(first.pod)}`, ...machineEntity(first.pod.spec.nodeName)],
        evidence: found.slice(0, 3).map(({ pod, given }) => ({
          says: given,
          from: `static pod ${podName(pod)}`,
          again: `kubectl get pod -n kube-system ${pod.metadata.name} -o yaml | grep -E 'bind-address|listen-metrics-urls'`,
        })),
        cure: [
          `kubectl edit configmap -n kube-system kubeadm-config   # ${[...new Set(found.map(({ target }) => target.cure))].join('; ')}`,
          'then on each control plane: kubeadm init phase control-plane all; kubeadm init phase etcd local',
        ],
      },
    ];
  },
};

const isLoki = (name: string) => /(^|-)loki($|-)/.test(name) && !/canary|promtail|runtime|gateway/.test(name);

export const lokiKeeps: Rule = {
  id: 'loki-keeps-everything',
  layer: 'platform',
  symptom: "Loki's volume fills up, although a retention is configured.",
  cause:
    "Only Loki's compactor deletes, and its retention_enabled is not true: retention_period alone (or table_manager's) does nothing.",
  cure: 'Set compactor.retention_enabled: true and compactor.delete_request_store.',
  sources: ['grafana.com: docs/loki/latest/operations/storage/retention', 'grafana/loki#13562'],
  needs: ['api.configmaps', 'api.pods'],
  explains: [],
  find(snapshot) {
    return objects(snapshot, 'configmaps').flatMap(({ metadata, data }): readonly Finding[] => {
      const config = data['config.yaml'];
      if (config === undefined || !isLoki(metadata.name) || /retention_enabled:\s*true/.test(config)) return [];
      const isRunning = objects(snapshot, 'pods').some(
        pod =>
          isAlive(pod) && pod.metadata.namespace === metadata.namespace && runs(pod, /(^|\/)(grafana\/)?loki([:@]|$)/),
      );
      if (!isRunning) return [];
      const period = /retention_period:\s*"?([0-9][^\s"]*)/.exec(config)?.[1];
      const wants = period !== undefined && !/^0[smhdw]?$/.test(period);
      const name = `${metadata.namespace}/${metadata.name}`;
      return [
        {
          says: wants
            ? `Loki deletes nothing although it should after ${period}: retention_enabled is not true in its compactor (${name})`
            : `Loki keeps every log for ever: no retention is configured (${name})`,
          severity: wants ? 'warning' : 'note',
          certainty: 'certain',
          about: [`object:${name}`, `namespace:${metadata.namespace}`],
          evidence: [
            {
              says: config === '' ? 'nothing about retention' : config.split('\n').slice(0, 4).join('; '),
              from: `ConfigMap ${name}`,
              again: `kubectl get configmap -n ${metadata.namespace} ${metadata.name} -o yaml | grep -n retention`,
            },
          ],
          cure: [
            `helm upgrade -n ${metadata.namespace} loki CHART --reuse-values --set loki.compactor.retention_enabled=true --set loki.compactor.delete_request_store=filesystem${wants ? '' : ' --set loki.limits_config.retention_period=168h'}`,
          ],
        },
      ];
    });
  },
};

export const lokiStore: Rule = {
  id: 'loki-delete-store',
  layer: 'workload',
  symptom: "Loki crashes: 'compactor.delete-request-store should be configured when retention is enabled'.",
  cause: 'From Loki 3 on, retention needs a place for requests to delete.',
  cure: 'Set compactor.delete_request_store to the store that Loki uses (filesystem, s3).',
  sources: ['grafana/loki#13562', 'mortennordbye/homelab#504'],
  needs: ['api.pods'],
  explains: [
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find: snapshot =>
    failingThatSay(snapshot, /(^|\/)(grafana\/)?loki([:@]|$)/, /delete-request-store should be configured/).map(
      ({ pod, line }): Finding => ({
        says: `${podName(pod)} does not start: retention is on, and compactor.delete_request_store is not set`,
        severity: 'error',
        certainty: 'certain',
        about: [podEntity(pod), ...machineEntity(pod.spec.nodeName)],
        evidence: [logEvidence(pod, line)],
        cure: [
          `helm upgrade -n ${pod.metadata.namespace} loki CHART --reuse-values --set loki.compactor.delete_request_store=filesystem`,
        ],
      }),
    ),
};

/** Failing pods with such an image that wrote such a line. */
export function failingThatSay(snapshot: Parameters<Rule['find']>[0], image: RegExp, pattern: RegExp) {
  return objects(snapshot, 'pods').flatMap(pod => {
    if (!fails(snapshot, pod) || !runs(pod, image)) return [];
    const line = said(snapshot, pod, pattern);
    return line ? [{ pod, line }] : [];
  });
}

export const lokiCache: Rule = {
  id: 'loki-cache-too-large',
  layer: 'workload',
  symptom: "Loki's chunks-cache stays Pending for lack of memory.",
  cause:
    "The chart's default cache asks for about 10 GiB of memory (allocatedMemory: 8192), more than a home cluster's node has left.",
  cure: 'Switch the caches off, or make them small; a single Loki does well without.',
  sources: ['grafana/loki: production/helm/loki/values.yaml (chunksCache.allocatedMemory)'],
  needs: ['api.pods'],
  explains: [
    { rule: 'pod-too-big', by: 'pod' },
    { rule: 'no-room-for-pod', by: 'pod' },
    { rule: 'pod-pending', by: 'pod' },
  ],
  find: snapshot =>
    objects(snapshot, 'pods').flatMap((pod): readonly Finding[] => {
      const scheduled = pod.status.conditions.find(({ type }) => type === 'PodScheduled');
      if (!/(chunks|results)-cache-\d+$/.test(pod.metadata.name) || pod.status.phase !== 'Pending') return [];
      if (scheduled?.status !== 'False' || !/Insufficient memory/.test(scheduled.message)) return [];
      const asks =
        pod.spec.containers.map(({ resources }) => resources.requests['memory'] ?? '').find(each => each !== '') ??
        'much';
      const { namespace } = pod.metadata;
      return [
        {
          says: `${podName(pod)} finds no node with ${asks} of memory: Loki's chart makes its caches for large clusters`,
          severity: 'error',
          certainty: 'certain',
          about: [podEntity(pod)],
          since: scheduled.lastTransitionTime,
          evidence: [
            {
              says: scheduled.message,
              from: `pod ${podName(pod)}`,
              again: `kubectl describe pod -n ${namespace} ${pod.metadata.name}`,
            },
          ],
          cure: [
            `helm upgrade -n ${namespace} loki CHART --reuse-values --set chunksCache.enabled=false --set resultsCache.enabled=false`,
          ],
        },
      ];
    }),
};

const isMetricsServer = ({ metadata }: Pod) =>
  metadata.labels['k8s-app'] === 'metrics-server' || metadata.labels['app.kubernetes.io/name'] === 'metrics-server';

export const metricsServer: Rule = {
  id: 'metrics-server-certificates',
  layer: 'workload',
  symptom: 'kubectl top and autoscalers have no numbers; metrics-server is not ready.',
  cause:
    "metrics-server asks the kubelets over TLS, and their self-made certificates do not name the machine's address and come from no CA that it knows.",
  cure: 'Let kubelets have certificates of the cluster (serverTLSBootstrap, and approve their requests); --kubelet-insecure-tls only to try.',
  sources: [
    'kubernetes-sigs/metrics-server: README.md (requirements)',
    'kubernetes.io: tasks/administer-cluster/kubeadm/kubeadm-certs (kubelet serving certificates)',
  ],
  needs: ['api.pods', 'machine.kubelet'],
  explains: [
    { rule: 'apiservice-unavailable', by: 'pod' },
    { rule: 'apiservice-unavailable', by: 'service' },
    { rule: 'pod-not-ready', by: 'pod' },
    { rule: 'container-crashing', by: 'pod' },
  ],
  find(snapshot) {
    const selfMade = machinesWith(snapshot, 'kubelet').filter(({ value }) => !value.serverTLSBootstrap);
    return objects(snapshot, 'pods').flatMap((pod): readonly Finding[] => {
      if (!isMetricsServer(pod) || !fails(snapshot, pod)) return [];
      const line = said(
        snapshot,
        pod,
        /x509: (cannot validate certificate for|certificate signed by unknown authority|certificate is (not valid|valid for))/,
      );
      const isInsecure = pod.spec.containers.some(({ args, command }) =>
        [...args, ...command].some(each => /^--kubelet-insecure-tls(=true)?$/.test(each)),
      );
      // Without its words: nothing else keeps it from being ready as often, but it may be something else.
      if (isInsecure || (!line && (selfMade.length === 0 || crashes(pod)))) return [];
      return [
        {
          says: `metrics-server (${podName(pod)}) does not accept the kubelets' certificates${selfMade.length > 0 ? `: ${listed(selfMade.map(({ machine }) => machine.name))} made ${selfMade.length === 1 ? 'its' : 'their'} own (serverTLSBootstrap is off)` : ''}`,
          severity: 'error',
          certainty: line ? 'certain' : 'possible',
          ...(line ? {} : { settledBy: `kubectl logs -n ${pod.metadata.namespace} ${pod.metadata.name} | grep x509` }),
          about: [
            podEntity(pod),
            `service:${pod.metadata.namespace}/metrics-server`,
            ...machineEntity(pod.spec.nodeName),
          ],
          evidence: [
            ...(line ? [logEvidence(pod, line)] : []),
            ...selfMade.slice(0, 1).map(({ machine }) => ({
              says: 'serverTLSBootstrap: false',
              from: `kubelet of ${machine.name}`,
              again: `ssh ${machine.name} sudo grep serverTLSBootstrap /var/lib/kubelet/config.yaml`,
            })),
          ],
          cure: [
            'set serverTLSBootstrap: true in the kubelet configuration (kubectl edit configmap -n kube-system kubelet-config; on each machine: kubeadm upgrade node phase kubelet-config; systemctl restart kubelet)',
            "kubectl get csr | awk '/kubelet-serving.*Pending/{print $1}'   # look at each, then kubectl certificate approve NAME",
          ],
        },
      ];
    });
  },
};
