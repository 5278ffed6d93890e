// Falco, Talon, Wazuh, SealedSecrets: what keeps the guards from their work.
import { oneLine, word } from '../reading.ts';
import type { Entity, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import {
  containerStates,
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
import { failingThatSay } from './observability.ts';

const crashing: Rule['explains'] = [
  { rule: 'container-crashing', by: 'pod' },
  { rule: 'pod-not-ready', by: 'pod' },
];
const falco = /(^|\/)falco(-no-driver)?([:@]|$)/;

export const falcoBtf: Rule = {
  id: 'falco-btf',
  layer: 'workload',
  symptom: "Falco crashes: 'failed to find valid kernel BTF', 'failed to load BPF skeleton'.",
  cause:
    'The modern eBPF driver needs type information of the kernel (/sys/kernel/btf/vmlinux), and this kernel has none, or the pod may not load programs.',
  cure: "Run a kernel with BTF (every distribution's own since 5.8), or Falco's kernel module (driver.kind=kmod).",
  sources: ['falcosecurity/falco#2357', 'falcosecurity/falco#2843', 'falcosecurity/falco#3417'],
  needs: ['api.pods', 'machine.btf'],
  explains: crashing,
  find: snapshot =>
    failingThatSay(
      snapshot,
      falco,
      /failed to find valid kernel BTF|Error loading vmlinux BTF|failed to load BPF skeleton|can't (open|load) .*BPF/i,
    ).flatMap(({ pod, line }): readonly Finding[] => {
      const btf = snapshot.machines.find(({ name }) => name === pod.spec.nodeName)?.facts.btf;
      const where = pod.spec.nodeName;
      const isForbidden = btf === true;
      return [
        {
          says: isForbidden
            ? `Falco does not start on ${where}: it cannot load its eBPF program, although the kernel has what it needs (BTF): the pod is not privileged enough`
            : `Falco does not start on ${where}: its kernel has no BTF, which the modern eBPF driver needs`,
          severity: 'error',
          certainty: btf === false ? 'certain' : isForbidden ? 'possible' : 'likely',
          ...(btf === false ? {} : { settledBy: `ssh ${where} 'ls -l /sys/kernel/btf/vmlinux; uname -r'` }),
          about: [podEntity(pod), ...machineEntity(where)],
          evidence: [
            logEvidence(pod, line),
            ...(btf === undefined
              ? []
              : [
                  {
                    says: btf ? '/sys/kernel/btf/vmlinux is there' : 'no /sys/kernel/btf/vmlinux',
                    from: where,
                    again: `ssh ${where} ls -l /sys/kernel/btf/vmlinux`,
                  },
                ]),
          ],
          cure: isForbidden
            ? [
                `helm upgrade -n ${pod.metadata.namespace} falco falcosecurity/falco --reuse-values --set driver.modernEbpf.leastPrivileged=false`,
              ]
            : [
                `helm upgrade -n ${pod.metadata.namespace} falco falcosecurity/falco --reuse-values --set driver.kind=kmod   # with the kernel's headers installed; or a newer kernel`,
              ],
        },
      ];
    }),
};

export const falcoRules: Rule = {
  id: 'falco-rules-broken',
  layer: 'workload',
  symptom: 'Falco does not start after its rules were changed.',
  cause:
    'A rule of your own uses a macro, a list or a field that is not defined (those of the incubating and sandbox files are not installed by default).',
  cure: 'Define it, or use what falco_rules.yaml has; ask falco --validate before you install.',
  sources: [
    'falcosecurity/falco: userspace/engine/falco_load_result.cpp',
    'falcosecurity/rules: rules/falco_rules.yaml',
  ],
  needs: ['api.pods'],
  explains: crashing,
  find: snapshot =>
    failingThatSay(snapshot, falco, /LOAD_ERR_|LOAD_UNKNOWN_|[Uu]ndefined (macro|list)|nonexistent field/).map(
      ({ pod, line }): Finding => {
        const what = /[Uu]ndefined (?:macro|list) '?([\w.-]+)/.exec(line.line)?.[1];
        return {
          says: `Falco does not start on ${pod.spec.nodeName}: ${what === undefined ? 'one of its rules cannot be read' : `a rule uses ${what}, which is not defined`}`,
          severity: 'error',
          certainty: 'certain',
          about: [podEntity(pod), ...machineEntity(pod.spec.nodeName)],
          evidence: [logEvidence(pod, line)],
          cure: [
            `kubectl get configmap -n ${pod.metadata.namespace} falco-rules -o yaml   # the rule that the log names`,
            'falco --validate FILE   (before the next upgrade)',
          ],
        };
      },
    ),
};

/** A file that was mounted out of a ConfigMap with subPath, and the text has changed since. */
function staleFiles(
  snapshot: Snapshot,
  pod: Pod,
): readonly { readonly configMap: string; readonly path: string; readonly changed: string }[] {
  const started = Date.parse(pod.status.startTime);
  return pod.spec.containers.flatMap(({ volumeMounts }) =>
    volumeMounts.flatMap(({ name, mountPath, subPath }) => {
      const source = pod.spec.volumes.find(volume => volume.name === name)?.configMap?.name;
      if (subPath === '' || source === undefined) return [];
      const found = objects(snapshot, 'configmaps').find(
        ({ metadata }) => metadata.namespace === pod.metadata.namespace && metadata.name === source,
      );
      const changed =
        (found?.metadata.managedFields ?? [])
          .map(({ time }) => time)
          .sort()
          .at(-1) ?? '';
      // A minute: Helm writes the ConfigMap and the workload in one go.
      return Date.parse(changed) > started + 60_000 ? [{ configMap: source, path: mountPath, changed }] : [];
    }),
  );
}

export const staleRules: Rule = {
  id: 'mounted-file-stale',
  layer: 'platform',
  symptom:
    'New rules or settings have no effect: Falco alerts and Talon does nothing, Wazuh’s dashboard keeps its old address.',
  cause:
    'The file comes out of a ConfigMap by subPath: such a mount is never refreshed, and the pod is older than the change.',
  cure: 'Restart the workload.',
  sources: ['falcosecurity/charts: falco-talon CHANGELOG 0.2.0', 'kubernetes.io: concepts/storage/volumes (subPath)'],
  needs: ['api.pods', 'api.configmaps'],
  explains: [],
  find(snapshot) {
    const found = objects(snapshot, 'pods').flatMap(pod => {
      if (!isAlive(pod) || !runs(pod, /falco-talon|wazuh-(dashboard|manager|indexer)/)) return [];
      const [file] = staleFiles(snapshot, pod);
      return file ? [{ pod, file }] : [];
    });
    return [...new Set(found.map(({ pod, file }) => `${pod.metadata.namespace}/${file.configMap}`))].flatMap(
      (name): readonly Finding[] => {
        const mine = found.filter(({ pod, file }) => `${pod.metadata.namespace}/${file.configMap}` === name);
        const [first] = mine;
        if (!first) return [];
        const { pod, file } = first;
        const { namespace } = pod.metadata;
        return [
          {
            says: `${podName(pod)} works with an old ${file.path}: ConfigMap ${name} was changed at ${file.changed}, after the pod started (${pod.status.startTime}), and a subPath mount is never refreshed`,
            severity: 'warning',
            certainty: 'likely',
            settledBy: `kubectl exec -n ${namespace} ${pod.metadata.name} -- cat ${word(file.path)}   (against kubectl get configmap -n ${namespace} ${file.configMap} -o yaml)`,
            about: [podEntity(pod), ...mine.slice(1).map(each => podEntity(each.pod)), `object:${name}`],
            since: file.changed,
            evidence: [
              {
                says: `ConfigMap changed ${file.changed}, pod started ${pod.status.startTime}`,
                from: `ConfigMap ${name}`,
                again: `kubectl get configmap -n ${namespace} ${file.configMap} -o yaml --show-managed-fields | grep time:`,
              },
            ],
            cure: [`kubectl rollout restart -n ${namespace} ${ownerOf(pod)}`],
          },
        ];
      },
    );
  },
};

function ownerOf({ metadata }: Pod): string {
  const owner = metadata.ownerReferences[0];
  if (!owner) return `pod/${metadata.name}`;
  return owner.kind === 'ReplicaSet'
    ? `deployment/${owner.name.replace(/-[a-z0-9]+$/, '')}`
    : `${owner.kind.toLowerCase()}/${owner.name}`;
}

/** 'https://indexer.wazuh.svc:9200/' and 'https://indexer:9200' are the same place. */
function place(address: string): string {
  const found = /^["'[\s]*(https?:)\/\/([^/:\s"'\]]+)(:\d+)?/.exec(address);
  return found ? `${found[1]}//${found[2]?.split('.')[0]}${found[3] ?? ''}` : '';
}

export const wazuhAddress: Rule = {
  id: 'wazuh-dashboard-address',
  layer: 'workload',
  symptom: "Wazuh's dashboard says 'server is not ready yet', although INDEXER_URL is right.",
  cause:
    'The dashboard reads opensearch_dashboards.yml, which comes out of a ConfigMap; the variable INDEXER_URL is not read when that file names the indexer.',
  cure: 'Change opensearch.hosts in the ConfigMap, then restart the dashboard (a subPath mount is never refreshed).',
  sources: [
    'wazuh/wazuh-kubernetes: wazuh/indexer_stack/wazuh-dashboard',
    'wazuh/wazuh-docker: build-docker-images/wazuh-dashboard/config/entrypoint.sh',
  ],
  needs: ['api.deployments', 'api.configmaps', 'api.pods'],
  explains: crashing,
  find: snapshot =>
    objects(snapshot, 'deployments').flatMap((deployment): readonly Finding[] => {
      const spec = deployment.spec.template?.spec;
      const { namespace, name } = deployment.metadata;
      const container = spec?.containers.find(({ image }) => /wazuh-dashboard/.test(image));
      const wanted = container?.env.find(each => each.name === 'INDEXER_URL')?.value ?? '';
      const mounted = container?.volumeMounts.find(({ mountPath }) => mountPath.endsWith('opensearch_dashboards.yml'));
      const source = spec?.volumes.find(volume => volume.name === mounted?.name)?.configMap?.name;
      const file = objects(snapshot, 'configmaps').find(
        ({ metadata }) => metadata.namespace === namespace && metadata.name === source,
      )?.data['opensearch_dashboards.yml'];
      const written = file?.replace(/^\s*opensearch\.hosts\s*:\s*/, '').trim() ?? '';
      if (place(wanted) === '' || place(written) === '' || place(wanted) === place(written)) return [];
      const labels = deployment.spec.selector?.matchLabels ?? {};
      const failing = objects(snapshot, 'pods').filter(
        pod =>
          pod.metadata.namespace === namespace &&
          Object.keys(labels).length > 0 &&
          Object.entries(labels).every(([key, value]) => pod.metadata.labels[key] === value) &&
          fails(snapshot, pod),
      );
      const [pod] = failing;
      const line = pod && said(snapshot, pod, /ECONNREFUSED|ENOTFOUND|ConnectionError|server is not ready yet/i);
      return [
        {
          says: `Wazuh's dashboard asks ${written} and not ${wanted}: ${source} names the indexer in opensearch_dashboards.yml, and that file wins over INDEXER_URL`,
          severity: pod ? 'error' : 'warning',
          certainty: 'certain',
          about: [`workload:${namespace}/${name}`, ...failing.map(podEntity), `object:${namespace}/${source}`],
          evidence: [
            {
              says: `opensearch.hosts: ${written}`,
              from: `ConfigMap ${namespace}/${source}`,
              again: `kubectl get configmap -n ${namespace} ${source} -o yaml | grep opensearch.hosts`,
            },
            {
              says: `INDEXER_URL: ${wanted}`,
              from: `Deployment ${namespace}/${name}`,
              again: `kubectl get deployment -n ${namespace} ${name} -o yaml | grep -A1 INDEXER_URL`,
            },
            ...(pod && line ? [logEvidence(pod, line)] : []),
          ],
          cure: [
            `kubectl edit configmap -n ${namespace} ${source}   # opensearch.hosts: ${word(oneLine(wanted))}`,
            `kubectl rollout restart -n ${namespace} deployment/${name}`,
          ],
        },
      ];
    }),
};

export const sealedWithoutKey: Rule = {
  id: 'sealed-secret-no-key',
  layer: 'workload',
  symptom: "Pods say 'secret not found', mostly after the cluster was built anew.",
  cause: "The SealedSecret was sealed for a key that this cluster's controller does not have.",
  cure: "Restore the backup of the sealing key and restart the controller; without one, seal every secret anew with this cluster's certificate.",
  sources: [
    'bitnami-labs/sealed-secrets: pkg/crypto/crypto.go',
    'bitnami-labs/sealed-secrets: README.md (backup of the private key)',
  ],
  needs: ['api.sealedsecrets', 'api.pods'],
  explains: [{ rule: 'config-missing', by: 'pod' }, { rule: 'container-cannot-start', by: 'pod' }, ...crashing],
  find(snapshot) {
    const closed = objects(snapshot, 'sealedsecrets').flatMap(secret => {
      const synced = secret.status?.conditions.find(({ type }) => type === 'Synced');
      return synced?.status === 'False' && /no key could decrypt/.test(synced.message)
        ? [{ metadata: secret.metadata, synced }]
        : [];
    });
    const [first] = closed;
    if (!first) return [];
    const names = closed.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    const waiting = objects(snapshot, 'pods').filter(
      pod =>
        isAlive(pod) &&
        closed.some(({ metadata }) => metadata.namespace === pod.metadata.namespace && needsSecret(pod, metadata.name)),
    );
    const { namespace, name } = first.metadata;
    const about: readonly Entity[] = [
      ...names.slice(1).map(each => `object:${each}` as const),
      ...new Set(closed.map(({ metadata }) => `namespace:${metadata.namespace}` as const)),
      ...waiting.map(podEntity),
    ];
    return [
      {
        says: `${closed.length === 1 ? `The SealedSecret ${names[0]} cannot` : `${closed.length} SealedSecrets (${listed(names)}) cannot`} be opened: this cluster has no key for ${closed.length === 1 ? 'it' : 'them'}${
          waiting.length === 0
            ? ''
            : `; ${listed(waiting.map(podName))} ${waiting.length === 1 ? 'waits' : 'wait'} for it`
        }`,
        severity: waiting.length > 0 ? 'error' : 'warning',
        certainty: 'certain',
        about: [`object:${names[0]}`, ...about],
        ...(first.synced.lastTransitionTime === '' ? {} : { since: first.synced.lastTransitionTime }),
        evidence: [
          {
            says: `Synced: False, ${first.synced.message}`,
            from: `SealedSecret ${names[0]}`,
            again: `kubectl get sealedsecret -n ${namespace} ${name} -o jsonpath='{.status.conditions}'`,
          },
        ],
        cure: [
          'kubectl apply -f SEALING_KEY_BACKUP.yaml; kubectl rollout restart -n kube-system deployment/sealed-secrets-controller',
          `without a backup: kubectl create secret … --dry-run=client -o yaml | kubeseal -o yaml   # and commit it`,
        ],
      },
    ];
  },
};

/** Waits now for a Secret of that name. */
function needsSecret(pod: Pod, name: string): boolean {
  const isWaiting =
    pod.status.phase === 'Pending' || containerStates(pod).some(({ state }) => state.waiting !== undefined);
  if (!isWaiting) return false;
  const says = containerStates(pod).some(({ state }) => state.waiting?.message.includes(`secret "${name}" not found`));
  return says || pod.spec.volumes.some(({ secret }) => secret?.secretName === name && !secret.optional);
}
