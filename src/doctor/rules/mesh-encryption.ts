// Istio: who may speak plain text, who must not, and who is misunderstood.
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import {
  fails,
  isAlive,
  listed,
  logEvidence,
  type Pod,
  podEntity,
  podName,
  podsOf,
  runs,
  type Service,
  said,
} from './installed.ts';
import { appliesTo, hasSidecar, isGateway, rootNamespace, serviceOf } from './mesh-lookup.ts';

/** What mTLS asks of callers of this pod, on this port of its container, and the policy that says so. */
function mtlsOf(
  snapshot: Snapshot,
  pod: Pod,
  port: string,
): { readonly mode: string; readonly policy: string } | undefined {
  const all = objects(snapshot, 'peerauthentications').filter(policy => appliesTo(policy, pod));
  const isWide = (policy: (typeof all)[number]) => Object.keys(policy.spec.selector?.matchLabels ?? {}).length === 0;
  const inRoot = (policy: (typeof all)[number]) => policy.metadata.namespace === rootNamespace;
  const own = all.filter(policy => !isWide(policy));
  const ordered = [
    ...own.map(policy => ({ policy, mode: policy.spec.portLevelMtls?.[port]?.mode })),
    ...own.map(policy => ({ policy, mode: policy.spec.mtls?.mode })),
    ...all
      .filter(policy => isWide(policy) && !inRoot(policy))
      .map(policy => ({ policy, mode: policy.spec.mtls?.mode })),
    // What is left are the root's.
    ...all.map(policy => ({ policy, mode: policy.spec.mtls?.mode })),
  ];
  const found = ordered.find(({ mode }) => mode !== undefined && mode !== '' && mode !== 'UNSET');
  if (found?.mode === undefined) return undefined;
  const { namespace, name } = found.policy.metadata;
  return { mode: found.mode, policy: `${namespace}/${name}` };
}

const entrances = /ingress-nginx|nginx-ingress|traefik|haproxy-ingress|kubernetes-ingress|cloudflared/;
const refused =
  /connection reset|reset by peer|broken pipe|unexpected EOF|empty reply|upstream connect error|prematurely closed/i;

export const strictCallers: Rule = {
  id: 'mesh-strict-callers',
  layer: 'mesh',
  symptom: 'Calls are refused although the pod runs: connection reset, upstream prematurely closed, 502.',
  cause: 'mTLS is STRICT, and the caller has no sidecar: it speaks plain text, which the sidecar refuses.',
  cure: 'Give the caller a sidecar, or let this port take plain text (PERMISSIVE) until it has one.',
  sources: [
    'istio.io: docs/reference/config/security/peer_authentication',
    'istio.io: docs/tasks/security/authentication/mtls-migration',
  ],
  needs: ['api.peerauthentications', 'api.services', 'api.pods'],
  explains: [
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find(snapshot) {
    if (objects(snapshot, 'peerauthentications').length === 0) return [];
    const strict = objects(snapshot, 'services').flatMap(service => {
      const pod = podsOf(snapshot, service).find(hasSidecar);
      if (!pod) return [];
      const ports = service.spec.ports.flatMap(({ port, targetPort }) => {
        const mtls = mtlsOf(snapshot, pod, containerPort(pod, targetPort, port));
        return mtls?.mode === 'STRICT' ? [{ port, policy: mtls.policy }] : [];
      });
      const [first] = ports;
      return first ? [{ service, policy: first.policy, ports: ports.map(({ port }) => port) }] : [];
    });
    const plain = objects(snapshot, 'pods').filter(
      pod => isAlive(pod) && !hasSidecar(pod) && !isGateway(pod) && !pod.spec.hostNetwork,
    );
    return [...new Set(strict.map(({ policy }) => policy))].flatMap(policy => {
      const targets = strict.filter(each => each.policy === policy);
      const finding = refusedBy(snapshot, policy, targets, plain);
      return finding ? [finding] : [];
    });
  },
};

interface StrictService {
  readonly service: Service;
  readonly ports: readonly number[];
}

function refusedBy(
  snapshot: Snapshot,
  policy: string,
  targets: readonly StrictService[],
  plain: readonly Pod[],
): Finding | undefined {
  const [namespace = '', name = ''] = policy.split('/');
  const names = targets.map(({ service: { metadata } }) => `${metadata.namespace}/${metadata.name}`);
  const shared = {
    cure: [
      `kubectl patch peerauthentication -n ${namespace} ${name} --type merge -p '{"spec":{"mtls":{"mode":"PERMISSIVE"}}}'`,
      'kubectl label namespace CALLERS istio-injection=enabled, restart its pods, then set STRICT again',
    ],
    policyEvidence: {
      says: `PeerAuthentication ${policy}: STRICT`,
      from: 'PeerAuthentication',
      again: `kubectl get peerauthentication -n ${namespace} ${name} -o yaml`,
    },
  };
  const failing = plain.flatMap(pod => {
    if (!fails(snapshot, pod)) return [];
    const target = targets.find(({ service }) => said(snapshot, pod, hostPattern(service)));
    const line = said(snapshot, pod, refused);
    return target && line ? [{ pod, target, line }] : [];
  });
  const [worst] = failing;
  if (worst) {
    const { namespace: where, name: what } = worst.target.service.metadata;
    return {
      says: `${podName(worst.pod)} is refused by ${where}/${what}: mTLS is STRICT there (${policy}), and the caller has no sidecar`,
      severity: 'error',
      certainty: 'likely',
      settledBy: `the sidecar's log: kubectl logs -n ${where} -l app=${what} -c istio-proxy | grep -i 'filter_chain_not_found\\|tls'`,
      about: [podEntity(worst.pod), ...failing.slice(1).map(({ pod }) => podEntity(pod)), `service:${where}/${what}`],
      evidence: [logEvidence(worst.pod, worst.line), shared.policyEvidence],
      cure: shared.cure,
    };
  }
  const doors = plain.filter(pod => runs(pod, entrances));
  const open = targets.filter(({ service }) => /^(NodePort|LoadBalancer)$/.test(service.spec.type));
  const settledBy = `curl through that entrance, and the sidecar's log (kubectl logs -c istio-proxy): a refused caller leaves no HTTP line there`;
  const [door] = doors;
  if (door) {
    return {
      says: `${podName(door)} brings callers in without a sidecar, and ${listed(names)} take${names.length === 1 ? 's' : ''} mTLS only (${policy} is STRICT): what it passes on in plain text is refused`,
      severity: 'warning',
      certainty: 'possible',
      settledBy,
      about: [
        `object:${policy}`,
        podEntity(door),
        ...targets.map(({ service: { metadata } }) => `service:${metadata.namespace}/${metadata.name}` as const),
      ],
      evidence: [
        shared.policyEvidence,
        {
          says: `${podName(door)} has no istio-proxy`,
          from: 'Pod',
          again: `kubectl get pod -n ${door.metadata.namespace} ${door.metadata.name} -o jsonpath='{.spec.containers[*].name}'`,
        },
      ],
      cure: shared.cure,
    };
  }
  if (open.length > 0) {
    const opened = open.map(
      ({ service: { metadata, spec } }) => `${metadata.namespace}/${metadata.name} (${spec.type})`,
    );
    return {
      says: `${listed(opened)} can be called from outside of the cluster, where nobody speaks the mesh's mTLS, and ${policy} is STRICT: those calls are refused`,
      severity: 'warning',
      certainty: 'possible',
      settledBy,
      about: [
        `object:${policy}`,
        ...open.map(({ service: { metadata } }) => `service:${metadata.namespace}/${metadata.name}` as const),
      ],
      evidence: [shared.policyEvidence],
      cure: shared.cure,
    };
  }
  const outside = [...new Set(plain.map(({ metadata }) => metadata.namespace))]
    .filter(each => !platform.test(each))
    .sort();
  if (outside.length === 0) return undefined;
  return {
    says: `mTLS is STRICT for ${listed(names)} (${policy}); pods without a sidecar in ${listed(outside)} cannot call ${names.length === 1 ? 'it' : 'them'}`,
    severity: 'note',
    certainty: 'possible',
    settledBy: 'whether any of them calls those Services at all',
    about: [`object:${policy}`],
    evidence: [shared.policyEvidence],
    cure: shared.cure,
  };
}

/** Namespaces that call nobody's application. */
const platform =
  /^(kube-|istio-|longhorn-|cilium|metallb|cert-manager|local-path|falco|wazuh|argo|monitoring|default$)/;

function hostPattern({ metadata }: Service): RegExp {
  return new RegExp(`\\b${metadata.name}(\\.${metadata.namespace})?\\b`);
}

function containerPort(pod: Pod, targetPort: string, port: number): string {
  if (/^\d+$/.test(targetPort)) return targetPort;
  const named = pod.spec.containers.flatMap(({ ports }) => ports).find(({ name }) => name === targetPort);
  return String(named?.containerPort ?? port);
}

const serverFirstImages = /(^|\/)(mysql|mariadb|percona|percona-server|mysql-server)([:@]|$)/;
const brokenClient =
  /Communications link failure|Lost connection to MySQL server|reading initial communication packet/i;
/** Anybody's words: they count of whom the log says that it is the database. */
const reset = /Connection reset/i;

export const serverFirst: Rule = {
  id: 'mesh-server-first',
  layer: 'mesh',
  symptom: "Clients of a database say 'Connection reset' or 'Communications link failure'.",
  cause:
    'The database speaks first, and its sidecar waits for the client to speak in order to know the protocol: the port is not declared as TCP.',
  cure: "Name the Service's port tcp-mysql (or set appProtocol: tcp), or leave the sidecar out of the database's pod.",
  sources: ['istio.io: docs/ops/configuration/traffic-management/protocol-selection (server first protocols)'],
  needs: ['api.services', 'api.pods'],
  explains: [
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find: snapshot =>
    objects(snapshot, 'services').flatMap((service): readonly Finding[] => {
      const pod = podsOf(snapshot, service).find(each => hasSidecar(each) && runs(each, serverFirstImages));
      if (!pod) return [];
      const excluded = (pod.metadata.annotations['traffic.sidecar.istio.io/excludeInboundPorts'] ?? '').split(',');
      const wrong = service.spec.ports.find(({ port, targetPort, name, appProtocol }) => {
        if (port !== 3306 && containerPort(pod, targetPort, port) !== '3306') return false;
        if (excluded.includes(containerPort(pod, targetPort, port))) return false;
        return !/^(tcp|tls|mysql)(-|$)/.test(appProtocol === '' ? name : appProtocol);
      });
      if (!wrong) return [];
      const named = wrong.appProtocol === '' ? wrong.name : wrong.appProtocol;
      const clients = objects(snapshot, 'pods').flatMap(each => {
        if (!fails(snapshot, each)) return [];
        const line =
          said(snapshot, each, brokenClient) ??
          (said(snapshot, each, hostPattern(service)) ? said(snapshot, each, reset) : undefined);
        return line ? [{ pod: each, line }] : [];
      });
      const [client] = clients;
      const { namespace, name } = service.metadata;
      return [
        {
          says: `${namespace}/${name} is a MySQL behind a sidecar, and its port ${wrong.port} is ${
            named === '' ? 'not named' : `called ${named}`
          }: Istio waits for the client to speak first, MySQL does too, and connections are reset`,
          severity: client ? 'error' : 'warning',
          certainty: client || /^(http|grpc)/.test(named) ? 'certain' : 'likely',
          ...(client || /^(http|grpc)/.test(named)
            ? {}
            : { settledBy: `a client's log: 'Communications link failure' or 'Connection reset'` }),
          about: [`service:${namespace}/${name}`, podEntity(pod), ...clients.map(each => podEntity(each.pod))],
          evidence: [
            {
              says: `port ${wrong.port}: name '${wrong.name}', appProtocol '${wrong.appProtocol}'; ${podName(pod)} has istio-proxy`,
              from: `Service ${namespace}/${name}`,
              again: `kubectl get service -n ${namespace} ${name} -o jsonpath='{.spec.ports}'`,
            },
            ...(client ? [logEvidence(client.pod, client.line)] : []),
          ],
          cure: [
            `kubectl patch service -n ${namespace} ${name} --type json -p '[{"op":"add","path":"/spec/ports/${service.spec.ports.indexOf(wrong)}/appProtocol","value":"tcp"}]'`,
            `or leave the sidecar out: label the pod template sidecar.istio.io/inject: "false" and let the pod be made anew`,
          ],
        },
      ];
    }),
};

export const mutualWithoutSidecar: Rule = {
  id: 'mesh-mutual-no-sidecar',
  layer: 'mesh',
  symptom: 'Every call to one Service fails with a TLS error or a reset, from pods of the mesh.',
  cause:
    "A DestinationRule tells callers to use the mesh's mTLS (ISTIO_MUTUAL) towards pods that have no sidecar to take it.",
  cure: 'Remove tls from the DestinationRule: callers then use mTLS exactly where there is a sidecar.',
  sources: [
    'istio.io: docs/ops/common-problems/network-issues (503 after setting destination rule)',
    'istio analyzer IST0113',
  ],
  needs: ['api.destinationrules', 'api.services', 'api.pods'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'destinationrules').flatMap(({ metadata, spec }): readonly Finding[] => {
      if (spec.trafficPolicy?.tls?.mode !== 'ISTIO_MUTUAL') return [];
      const service = serviceOf(snapshot, spec.host, metadata.namespace);
      const pods = service ? podsOf(snapshot, service) : [];
      const [pod] = pods;
      if (!service || !pod || pods.some(each => hasSidecar(each) || isGateway(each))) return [];
      const rule = `${metadata.namespace}/${metadata.name}`;
      const name = `${service.metadata.namespace}/${service.metadata.name}`;
      return [
        {
          says: `Pods of the mesh cannot call ${name}: DestinationRule ${rule} wants mTLS, and ${podName(pod)} has no sidecar`,
          severity: 'error',
          certainty: 'certain',
          about: [`service:${name}`, `object:${rule}`, ...pods.map(podEntity)],
          evidence: [
            {
              says: `DestinationRule ${rule}: tls.mode ISTIO_MUTUAL for ${spec.host}`,
              from: 'DestinationRule',
              again: `kubectl get destinationrule -n ${metadata.namespace} ${metadata.name} -o yaml`,
            },
          ],
          cure: [
            `kubectl patch destinationrule -n ${metadata.namespace} ${metadata.name} --type json -p '[{"op":"remove","path":"/spec/trafficPolicy/tls"}]'`,
          ],
        },
      ];
    }),
};
