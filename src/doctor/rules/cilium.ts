// Cilium: settings that keep its agents from starting, or packets from arriving.

import ipaddr from 'ipaddr.js';
import { oneLine, word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects, type Snapshot } from '../snapshot.ts';
import { egressBlocked } from './cilium-policy.ts';
import { ciliumConfig, fails, listed, logEvidence, type Pod, podEntity, said } from './installed.ts';
import { on } from './on-machine.ts';

const configAgain = (keys: string) => `kubectl get configmap -n kube-system cilium-config -o yaml | grep -E '${keys}'`;
const configEvidence = (config: Readonly<Record<string, string>>, keys: readonly string[]) => ({
  says: keys.map(key => `${key}: ${config[key] ?? 'not set'}`).join(', '),
  from: 'ConfigMap kube-system/cilium-config',
  again: configAgain(keys.join('|')),
});

function agents(snapshot: Snapshot): readonly Pod[] {
  return objects(snapshot, 'pods').filter(
    ({ metadata }) => metadata.namespace === 'kube-system' && metadata.labels['k8s-app'] === 'cilium',
  );
}

function failingAgents(snapshot: Snapshot): readonly Pod[] {
  return agents(snapshot).filter(pod => fails(snapshot, pod));
}

const machinesOf = (pods: readonly Pod[]) =>
  [...new Set(pods.map(({ spec }) => spec.nodeName))].map(name => `machine:${name}` as const);

const explainsAgents: Rule['explains'] = [
  { rule: 'cilium-agent-not-ready', by: 'machine' },
  { rule: 'cni-not-initialised', by: 'machine' },
  { rule: 'node-not-ready', by: 'machine' },
  { rule: 'container-crashing', by: 'pod' },
  { rule: 'container-cannot-start', by: 'pod' },
  { rule: 'pod-not-ready', by: 'pod' },
];

const apiAddress: Rule = {
  id: 'cilium-api-address',
  layer: 'node',
  symptom: 'Nodes stay NotReady, or new pods get no network: the agents of Cilium do not come up.',
  cause:
    "The agents look for the API server where it is not: k8sServiceHost is wrong, or missing where nothing but Cilium would serve the API's Service address.",
  cure: 'Set k8sServiceHost and k8sServicePort to an address of the API server that works without Cilium.',
  sources: [
    'cilium.io: network/kubernetes/kubeproxy-free',
    'cilium.io: installation/k8s-install-helm (Unable to contact k8s api-server)',
  ],
  needs: ['api.daemonsets', 'api.pods', 'api.configmaps', 'api.endpoints', 'api.nodes'],
  explains: explainsAgents,
  find(snapshot) {
    const daemon = objects(snapshot, 'daemonsets').find(
      ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'cilium',
    );
    const config = ciliumConfig(snapshot);
    const failing = failingAgents(snapshot);
    if (!daemon || !config || failing.length === 0) return [];
    const environment = daemon.spec.template?.spec.containers.flatMap(({ env }) => env) ?? [];
    const host = environment.find(({ name }) => name === 'KUBERNETES_SERVICE_HOST')?.value ?? '';
    const port = environment.find(({ name }) => name === 'KUBERNETES_SERVICE_PORT')?.value ?? '';
    const lines = failing.flatMap(pod => {
      const found = said(
        snapshot,
        pod,
        /Unable to contact k8s api-server|dial tcp .*(i\/o timeout|connection refused|no route to host)|lookup .*no such host/,
      );
      return found ? [{ pod, found }] : [];
    });
    const [line] = lines;
    const replaces = /^(true|strict)$/.test(config['kube-proxy-replacement'] ?? '');
    const known = apiAddresses(snapshot);
    const isMissing = host === '' && replaces && !hasKubeProxy(snapshot);
    const isForeign = host !== '' && ipaddr.isValid(host) && known.length > 0 && !known.includes(host);
    // A name cannot be compared; then only what the agent says counts.
    const isNameThatFails = host !== '' && !ipaddr.isValid(host) && line?.found.line.includes(host) === true;
    if (!isMissing && !isForeign && !isNameThatFails) return [];
    const where = listed(failing.map(({ spec }) => spec.nodeName));
    return [
      {
        says: isMissing
          ? `Cilium's agents on ${where} cannot reach the API server: Cilium itself should serve its Service address (kube-proxy is replaced), and k8sServiceHost is not set`
          : `Cilium's agents on ${where} cannot reach the API server: they look for it at ${host}:${port}${
              isForeign ? `, and it is at ${listed(known)}` : ''
            }`,
        severity: 'error',
        certainty: line ? 'certain' : 'likely',
        ...(line ? {} : { settledBy: "kubectl logs -n kube-system -l k8s-app=cilium | grep -i 'api-server'" }),
        about: ['object:kube-system/cilium', ...machinesOf(failing), ...failing.map(podEntity)],
        evidence: [
          {
            says: `KUBERNETES_SERVICE_HOST: ${host === '' ? 'not set' : host}`,
            from: 'DaemonSet kube-system/cilium',
            again: 'kubectl get daemonset -n kube-system cilium -o yaml | grep -A1 KUBERNETES_SERVICE_HOST',
          },
          ...(line ? [logEvidence(line.pod, line.found)] : []),
          configEvidence(config, ['kube-proxy-replacement']),
        ],
        cure: [
          `helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set k8sServiceHost=${known[0] ?? 'ADDRESS'} --set k8sServicePort=6443`,
          'kubectl rollout restart -n kube-system daemonset/cilium',
        ],
      },
    ];
  },
};

/** Where the API server says that it is, and what its machines are called. */
function apiAddresses(snapshot: Snapshot): readonly string[] {
  const endpoints = objects(snapshot, 'endpoints').find(
    ({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes',
  );
  const nodes = objects(snapshot, 'nodes').filter(
    ({ metadata }) => 'node-role.kubernetes.io/control-plane' in metadata.labels,
  );
  const declared = snapshot.declared?.endpoint;
  return [
    ...new Set([
      ...(endpoints?.subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)) ?? []),
      ...nodes.flatMap(({ status }) => status.addresses.map(({ address }) => address)),
      ...(declared === undefined ? [] : [declared]),
    ]),
  ];
}

function hasKubeProxy(snapshot: Snapshot): boolean {
  return objects(snapshot, 'pods').some(
    ({ metadata }) => metadata.labels['k8s-app'] === 'kube-proxy' || /^kube-proxy-/.test(metadata.name),
  );
}

interface Conflict {
  readonly keys: readonly string[];
  readonly says: string;
  readonly cure: string;
  readonly isOne: (config: Readonly<Record<string, string>>) => boolean;
}

/** Settings with which the agent ends right after its start. */
const conflicts: readonly Conflict[] = [
  {
    keys: ['enable-bpf-masquerade', 'kube-proxy-replacement'],
    says: 'masquerading by eBPF needs its NodePort part, which is off (kube-proxy is not replaced)',
    cure: '--set bpf.masquerade=false',
    isOne: config =>
      config['enable-bpf-masquerade'] === 'true' &&
      config['enable-ipv4-masquerade'] !== 'false' &&
      config['enable-node-port'] !== 'true' &&
      /^(false|disabled|)$/.test(config['kube-proxy-replacement'] ?? ''),
  },
  {
    keys: ['routing-mode', 'ipv4-native-routing-cidr'],
    says: 'native routing with masquerading needs to know which addresses are the cluster’s own',
    cure: '--set ipv4NativeRoutingCIDR=POD_SUBNET',
    isOne: config =>
      config['routing-mode'] === 'native' &&
      config['enable-ipv4-masquerade'] !== 'false' &&
      config['enable-ip-masq-agent'] !== 'true' &&
      (config['ipv4-native-routing-cidr'] ?? '') === '',
  },
  {
    keys: ['enable-wireguard', 'enable-ipsec'],
    says: 'WireGuard and IPsec exclude each other',
    cure: '--set encryption.type=wireguard',
    isOne: config => config['enable-wireguard'] === 'true' && config['enable-ipsec'] === 'true',
  },
];

const configConflict: Rule = {
  id: 'cilium-config-conflict',
  layer: 'node',
  symptom: "Cilium's agents end right after their start, or will at the next one.",
  cause: 'Two settings in cilium-config exclude each other.',
  cure: 'Change one of the two by Helm, then restart the agents.',
  sources: ['cilium/cilium: daemon/cmd (BPF masquerade requires NodePort)', 'cilium.io: network/concepts/routing'],
  needs: ['api.configmaps', 'api.pods'],
  explains: explainsAgents,
  find(snapshot) {
    const config = ciliumConfig(snapshot);
    if (!config) return [];
    const failing = failingAgents(snapshot);
    return conflicts
      .filter(({ isOne }) => isOne(config))
      .map(({ keys, says, cure }): Finding => {
        const [line] = failing.flatMap(pod => {
          const found = said(snapshot, pod, /masquerade|native-routing-cidr|wireguard|ipsec/i);
          return found ? [{ pod, found }] : [];
        });
        return {
          says:
            failing.length > 0
              ? `Cilium's agents on ${listed(failing.map(each => each.spec.nodeName))} do not start: ${says}`
              : `Cilium's agents will not start again: ${says}`,
          severity: failing.length > 0 ? 'error' : 'warning',
          certainty: line || failing.length === 0 ? 'certain' : 'likely',
          ...(line || failing.length === 0
            ? {}
            : { settledBy: 'kubectl logs -n kube-system -l k8s-app=cilium --previous --tail 20' }),
          about: ['object:kube-system/cilium-config', ...machinesOf(failing), ...failing.map(podEntity)],
          evidence: [configEvidence(config, keys), ...(line ? [logEvidence(line.pod, line.found)] : [])],
          cure: [
            `helm upgrade cilium cilium/cilium -n kube-system --reuse-values ${cure}`,
            'kubectl rollout restart -n kube-system daemonset/cilium',
          ],
        };
      });
  },
};

const poolOverlap: Rule = {
  id: 'cilium-pool-overlaps',
  layer: 'node',
  symptom: 'Some machines or pods cannot reach each other, and which ones seems random.',
  cause:
    "Cilium hands out pod addresses from a range (cluster-pool) in which machines' own addresses or Services lie too: its default is 10.0.0.0/8.",
  cure: 'Choose a pod range that is nowhere else in use; it cannot be changed for running pods, so it means new nodes one after another.',
  sources: ['cilium.io: network/concepts/ipam/cluster-pool'],
  needs: ['api.configmaps', 'api.nodes', 'api.services'],
  explains: [],
  find(snapshot) {
    const config = ciliumConfig(snapshot);
    if (config?.['ipam'] !== 'cluster-pool') return [];
    const ranges = (config['cluster-pool-ipv4-cidr'] ?? '').split(/[\s,]+/).filter(range => ipaddr.isValidCIDR(range));
    const isIn = (address: string) =>
      ipaddr.IPv4.isValid(address) &&
      ranges.some(range => ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parseCIDR(range)));
    const nodes = objects(snapshot, 'nodes').flatMap(({ metadata, status }) =>
      status.addresses
        .filter(({ type, address }) => type === 'InternalIP' && isIn(address))
        .map(({ address }) => ({ name: metadata.name, address })),
    );
    const services = objects(snapshot, 'services').filter(
      ({ metadata, spec }) =>
        metadata.namespace === 'default' && metadata.name === 'kubernetes' && isIn(spec.clusterIP),
    );
    const [node] = nodes;
    const [service] = services;
    if (!node && !service) return [];
    const what = node
      ? `the address of ${node.name} (${node.address})`
      : `the API's Service address (${service?.spec.clusterIP})`;
    return [
      {
        says: `Cilium may give a pod ${what}: it hands out ${ranges.join(', ')}, in which that lies`,
        severity: 'warning',
        certainty: 'certain',
        about: ['object:kube-system/cilium-config', ...nodes.map(({ name }) => `machine:${name}` as const)],
        evidence: [configEvidence(config, ['ipam', 'cluster-pool-ipv4-cidr'])],
        cure: [
          'helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set ipam.mode=kubernetes   (new nodes only: drain, delete the CiliumNode, restart the agent, one machine after another)',
        ],
      },
    ];
  },
};

const nobodyServes: Rule = {
  id: 'services-unserved',
  layer: 'node',
  symptom: 'No Service address answers, not even that of the API (10.96.0.1).',
  cause: 'Nobody serves them: kube-proxy is not installed and Cilium does not replace it.',
  cure: 'Install kube-proxy again, or let Cilium replace it.',
  sources: [
    'cilium.io: network/kubernetes/kubeproxy-free',
    'kubernetes.io: setup/production-environment/tools/kubeadm (addon phases)',
  ],
  needs: ['api.configmaps', 'api.daemonsets', 'api.pods', 'api.nodes'],
  explains: [...explainsAgents, { rule: 'dns-down', by: 'everything' }],
  find(snapshot) {
    const config = ciliumConfig(snapshot);
    if (!config || snapshot.lists.daemonsets.state !== 'seen' || snapshot.lists.pods.state !== 'seen') return [];
    if (!/^(false|disabled|)$/.test(config['kube-proxy-replacement'] ?? '')) return [];
    const isKubeadm = objects(snapshot, 'nodes').some(
      ({ metadata }) => metadata.annotations['kubeadm.alpha.kubernetes.io/cri-socket'] !== undefined,
    );
    const hasSet = objects(snapshot, 'daemonsets').some(({ metadata }) => /^kube-proxy/.test(metadata.name));
    // Other distributions have it inside of their own process.
    if (!isKubeadm || hasSet || hasKubeProxy(snapshot)) return [];
    const failing = failingAgents(snapshot);
    return [
      {
        says: 'No Service address is served: kube-proxy is not installed, and Cilium does not replace it (kube-proxy-replacement is false)',
        severity: 'error',
        certainty: 'certain',
        about: ['object:kube-system/cilium-config', ...machinesOf(failing), ...failing.map(podEntity)],
        evidence: [
          configEvidence(config, ['kube-proxy-replacement']),
          { says: 'no DaemonSet kube-proxy', from: 'kube-system', again: 'kubectl get daemonset -n kube-system' },
        ],
        cure: [
          'kubeadm init phase addon kube-proxy --kubeconfig /etc/kubernetes/admin.conf   (on a control plane)',
          'or: helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set kubeProxyReplacement=true --set k8sServiceHost=ADDRESS --set k8sServicePort=6443',
        ],
      },
    ];
  },
};

/** The UDP port of Cilium's tunnel where it is another than VXLAN's own, which 'tunnel-port-blocked' looks after. */
function movedTunnel(snapshot: Snapshot): { readonly port: number; readonly protocol: string } | undefined {
  const config = ciliumConfig(snapshot);
  if (!config || config['routing-mode'] === 'native' || config['tunnel'] === 'disabled') return undefined;
  const protocol = config['tunnel-protocol'] === 'geneve' ? 'Geneve' : 'VXLAN';
  const own = protocol === 'Geneve' ? 6081 : 8472;
  const port = Number(config['tunnel-port'] ?? 0) || own;
  return port === 8472 ? undefined : { port, protocol };
}

const unreachable =
  /i\/o timeout|timed? ?out|deadline exceeded|no route to host|Temporary failure in name resolution|EAI_AGAIN|UnknownHostException/i;

/** Pods there that fail and say that somebody does not answer. */
function cutOff(snapshot: Snapshot, machine: string): readonly Pod[] {
  return objects(snapshot, 'pods').filter(
    pod => pod.spec.nodeName === machine && fails(snapshot, pod) && said(snapshot, pod, unreachable) !== undefined,
  );
}

const explainsCutOff: Rule['explains'] = [
  { rule: 'container-crashing', by: 'pod' },
  { rule: 'pod-not-ready', by: 'pod' },
  { rule: 'dns-down', by: 'pod' },
  { rule: 'webhook-unreached', by: 'machine' },
];

const tunnelBlocked: Rule = {
  id: 'cilium-tunnel-blocked',
  layer: 'network',
  symptom: 'Machines reach each other, pods on different machines do not.',
  cause: "A firewall on the machine drops the UDP port in which pods' packets travel between machines.",
  cure: 'Let that port in from the other machines of the cluster.',
  sources: [
    'cilium.io: operations/system_requirements (firewall rules)',
    'flannel-io/flannel: Documentation/backends.md',
  ],
  needs: ['machine.firewall', 'api.configmaps', 'api.pods'],
  explains: explainsCutOff,
  find(snapshot) {
    const used = movedTunnel(snapshot);
    if (!used) return [];
    return machinesWith(snapshot, 'firewall').flatMap(({ machine, value }): readonly Finding[] => {
      const drop = value.drops.find(({ port, protocol }) => port === used.port && protocol === 'udp');
      if (!drop) return [];
      return [
        {
          says: `Pods on ${machine.name} and pods on other machines cannot reach each other: a firewall rule there drops ${used.port}/udp, in which Cilium's ${used.protocol} travels`,
          severity: 'error',
          certainty: 'certain',
          about: [`machine:${machine.name}`, ...cutOff(snapshot, machine.name).map(podEntity)],
          evidence: [
            {
              says: drop.rule,
              from: machine.name,
              again: `ssh ${machine.name} sudo nft list ruleset | grep ${used.port}`,
            },
          ],
          cure: [
            `ssh ${machine.name} sudo nft -a list ruleset   # find the handle of the rule: ${word(oneLine(drop.rule))}`,
            `let ${used.port}/udp in from the other machines in the firewall's own configuration (ufw, firewalld, /etc/nftables.conf), or it is back after a reboot`,
          ],
        },
      ];
    });
  },
};

const mtuTooLarge: Rule = {
  id: 'cilium-mtu',
  layer: 'network',
  symptom: 'Small requests work, large answers and TLS handshakes hang.',
  cause:
    "Cilium was told a larger MTU than the machines' adapters carry: it subtracts what its tunnel adds, but from the wrong number.",
  cure: "Unset it, so that Cilium takes the adapter's, or set the adapter's; pods take it when they are made anew.",
  sources: ['cilium/cilium: pkg/mtu/mtu.go (tunnel overhead 50)', 'hcloud-k8s/terraform-hcloud-kubernetes#450'],
  needs: ['machine.nics', 'api.configmaps', 'api.pods'],
  explains: explainsCutOff,
  find(snapshot) {
    const set = Number(ciliumConfig(snapshot)?.['mtu'] ?? 0);
    return machinesWith(snapshot, 'nics').flatMap(({ machine, value }): readonly Finding[] => {
      const nic = value.find(({ addresses }) => addresses.some(each => each.split('/')[0] === machine.address));
      if (!nic || nic.mtu === 0 || set <= nic.mtu) return [];
      return [
        {
          says: `Cilium sends packets of up to ${set} bytes (mtu in cilium-config) through ${nic.name} of ${machine.name}, which carries ${nic.mtu}: large packets of pods are lost`,
          severity: 'error',
          certainty: 'likely',
          settledBy: `ssh ${machine.name} ping -c 2 -M do -s ${set - 28} ADDRESS_OF_ANOTHER_MACHINE   (no answer = this)`,
          about: [`machine:${machine.name}`, ...cutOff(snapshot, machine.name).map(podEntity)],
          evidence: [
            {
              says: `${nic.name}: mtu ${nic.mtu}`,
              from: machine.name,
              again: on(machine, `ip link show ${word(nic.name)}`),
            },
            { says: `mtu: ${set}`, from: 'ConfigMap kube-system/cilium-config', again: configAgain('mtu') },
          ],
          cure: [
            'helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set MTU=0',
            'kubectl rollout restart -n kube-system daemonset/cilium; then restart the workloads',
          ],
        },
      ];
    });
  },
};

/** Agents that cannot start keep nodes from being Ready: these stand before the rules of nodes. */
export const ciliumAgentRules: readonly Rule[] = [apiAddress, configConflict, nobodyServes, poolOverlap];
/** Before DNS and the symptoms of pods. */
export const ciliumRules: readonly Rule[] = [tunnelBlocked, mtuTooLarge, egressBlocked];
