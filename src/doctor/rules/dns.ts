// Names: the machines' resolvers, what CoreDNS does with them, and its Corefile. That nobody answers at all stands in symptoms.ts.
import { grouped } from '../../model/grouped.ts';
import type { ObjectOf } from '../objects/kinds.ts';
import { hasHeld, isTrue, listed, machineEntity, oneLine, type Pod, podEntity, together, word } from '../reading.ts';
import type { Entity, Evidence, Finding, Rule } from '../rule.ts';
import { machinesWith, objects, type Snapshot } from '../snapshot.ts';

/** The cluster's own DNS: its Service goes by this name since kube-dns, whatever answers behind it. */
export function dnsService(snapshot: Snapshot): ObjectOf<'services'> | undefined {
  return objects(snapshot, 'services').find(
    ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'kube-dns',
  );
}

export function corednsPods(snapshot: Snapshot): readonly Pod[] {
  return objects(snapshot, 'pods').filter(
    ({ metadata }) => metadata.namespace === 'kube-system' && metadata.labels['k8s-app'] === 'kube-dns',
  );
}

function corefileOf(snapshot: Snapshot): ObjectOf<'configmaps'> | undefined {
  return objects(snapshot, 'configmaps').find(
    ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'coredns',
  );
}

/** Where foreign names go: addresses, or the path of a file that lists them. */
function forwardsOf(corefile: string): readonly string[] {
  return [...corefile.matchAll(/^\s*forward\s+\S+\s+([^{\n]*)/gm)].flatMap(match =>
    (match[1] ?? '').split(/\s+/).filter(target => target !== ''),
  );
}

/** '10.0.0.1:53', 'dns://10.0.0.1' and 'tls://9.9.9.9' as addresses. */
function addressOf(target: string): string {
  const bare = target.replace(/^\w+:\/\//, '');
  return /^\d+(\.\d+){3}:\d+$/.test(bare) ? bare.slice(0, bare.indexOf(':')) : bare;
}

const showCorefile = 'kubectl -n kube-system get configmap coredns -o yaml';

interface Silent {
  readonly address: string;
  readonly machine: string;
  readonly path: string;
  readonly says: string;
  /** None of the resolvers of that file answers. */
  readonly isOnly: boolean;
}

function silentResolvers(snapshot: Snapshot): readonly Silent[] {
  const answers = new Map(machinesWith(snapshot, 'resolverAnswers').map(({ machine, value }) => [machine.name, value]));
  return machinesWith(snapshot, 'resolvers').flatMap(({ machine: { name }, value }) => {
    const mine = answers.get(name) ?? {};
    return value.flatMap(({ path, nameservers }) =>
      nameservers.flatMap((address): readonly Silent[] => {
        const answer = mine[address];
        if (answer === undefined || answer.ok) return [];
        const isOnly = nameservers.every(each => mine[each]?.ok === false);
        return [{ address, machine: name, path, says: answer.says, isOnly }];
      }),
    );
  });
}

const resolverSilent: Rule = {
  id: 'resolver-silent',
  layer: 'dns',
  symptom:
    'Images cannot be pulled and foreign names cannot be resolved; the errors end in "i/o timeout" or "server misbehaving".',
  cause: 'A resolver that /etc/resolv.conf names on that machine does not answer.',
  cure: 'Bring the resolver back, or name one that answers in the configuration that writes /etc/resolv.conf.',
  sources: ['kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution', 'man resolv.conf(5)'],
  needs: ['machine.resolvers', 'machine.resolverAnswers'],
  explains: [
    { rule: 'coredns-forward-dead', by: 'resolver' },
    { rule: 'image-name-unresolved', by: 'machine' },
    { rule: 'image-name-unresolved', by: 'resolver' },
  ],
  find: snapshot =>
    grouped(silentResolvers(snapshot), ({ address }) => address).map((silent): Finding => {
      const [first] = silent;
      const machines = [...new Set(silent.map(({ machine }) => machine))];
      const isOnly = silent.some(each => each.isOnly);
      return {
        says: `The resolver ${first.address} does not answer on ${listed(machines)}${isOnly ? ', and there is no other that does: no name outside the cluster can be resolved there' : ': each lookup may wait for it first'}`,
        // A cluster without a way out works without names: what fails for want of them follows from it.
        severity: 'warning',
        certainty: 'certain',
        about: together(`resolver:${first.address}`, ...machines.map(machineEntity)),
        evidence: silent.slice(0, 2).map(({ machine, path, says, address }) => ({
          says: `${path} names ${address}; asked, it says: ${oneLine(says)}`,
          from: `${machine}: ${path}`,
          again: `ssh ${word(machine)} getent hosts registry.k8s.io`,
        })),
        cure: [
          `ssh ${word(first.machine)} resolvectl status`,
          `see that ${first.address} is up and that its port 53 is reached: ping -c 3 ${word(first.address)}`,
          'or name another resolver where the file is made (netplan, DHCP server, /etc/systemd/resolved.conf), so that it stays',
        ],
      };
    }),
};

const loopLine = /plugin\/loop: Loop \([^)]*\) detected.*/;

/** The file from which the kubelet takes what pods of the host's DNS get. */
function resolvConfs(
  snapshot: Snapshot,
): ReadonlyMap<string, { readonly path: string; readonly nameservers: readonly string[] }> {
  const paths = new Map(
    machinesWith(snapshot, 'kubelet').map(({ machine, value }) => [machine.name, value.resolvConf]),
  );
  return new Map(
    machinesWith(snapshot, 'resolvers').flatMap(({ machine: { name }, value }) => {
      const path = paths.get(name) || '/etc/resolv.conf';
      const file = value.find(each => each.path === path);
      return file ? [[name, file] as const] : [];
    }),
  );
}

const corednsLoop: Rule = {
  id: 'coredns-loop',
  layer: 'dns',
  symptom: 'CoreDNS is in CrashLoopBackOff and its log says "Loop detected".',
  cause:
    'CoreDNS sends foreign names to the resolver of its machine, which is a stub on 127.0.0.53 and sends them back to CoreDNS.',
  cure: 'Let the kubelet hand out the file with the real resolvers, /run/systemd/resolve/resolv.conf.',
  sources: ['coredns/coredns plugin/loop/README.md', 'coredns/coredns#2087', 'kubernetes/kubeadm#787'],
  needs: ['api.pods', 'api.configmaps', 'machine.resolvers', 'machine.kubelet'],
  explains: [
    { rule: 'liveness-killed', by: 'pod' },
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'dns-down', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find: snapshot => {
    const pods = corednsPods(snapshot).filter(pod => !isTrue(pod, 'Ready'));
    const corefile = corefileOf(snapshot)?.data['Corefile'] ?? '';
    const files = resolvConfs(snapshot);
    const hit = pods.flatMap(pod => {
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
      const line = snapshot.logs
        .filter(log => log.pod === name)
        .flatMap(({ lines }) => lines)
        .find(each => loopLine.test(each));
      const file = files.get(pod.spec.nodeName);
      const stub = file?.nameservers.find(each => each.startsWith('127.'));
      const restarts = pod.status.containerStatuses.some(({ restartCount }) => restartCount > 0);
      const couldLoop =
        restarts &&
        stub !== undefined &&
        /^\s*loop\s*$/m.test(corefile) &&
        forwardsOf(corefile).includes('/etc/resolv.conf');
      return line !== undefined || couldLoop ? [{ pod, line, file, stub }] : [];
    });
    const [first] = hit;
    if (!first) return [];
    const isRead = hit.some(({ line }) => line !== undefined);
    const machines = [...new Set(hit.map(({ pod }) => pod.spec.nodeName))];
    const logs = 'kubectl -n kube-system logs -l k8s-app=kube-dns --previous --tail=5';
    const said = hit.find(({ line }) => line !== undefined);
    const evidence: readonly Evidence[] = [
      ...(said?.line === undefined
        ? []
        : [{ says: oneLine(said.line), from: `log of kube-system/${said.pod.metadata.name}`, again: logs }]),
      ...(first.stub === undefined || first.file === undefined
        ? []
        : [
            {
              says: `the kubelet hands out ${first.file.path}, which names ${first.stub}`,
              from: `${first.pod.spec.nodeName}: ${first.file.path}`,
              again: `ssh ${word(first.pod.spec.nodeName)} grep -n nameserver ${word(first.file.path)}`,
            },
          ]),
    ];
    return [
      {
        says: `CoreDNS asks itself in a circle: on ${listed(machines)} it sends foreign names to ${first.stub ?? 'a resolver'} on its own machine, which sends them back`,
        severity: 'error',
        certainty: isRead ? 'certain' : 'likely',
        ...(isRead ? {} : { settledBy: `the log of CoreDNS: ${logs}; it says "Loop detected" if that is so` }),
        about: together(podEntity(first.pod), ...hit.map(({ pod }) => podEntity(pod)), ...machines.map(machineEntity)),
        evidence,
        cure: [
          ...machines.map(
            name =>
              `ssh ${word(name)} "test -s /run/systemd/resolve/resolv.conf && sudo sed -i 's#^resolvConf:.*#resolvConf: /run/systemd/resolve/resolv.conf#' /var/lib/kubelet/config.yaml"`,
          ),
          'where that file is not there (no systemd-resolved): name a resolver in /etc/resolv.conf that is not the machine itself',
          ...machines.map(name => `ssh ${word(name)} sudo systemctl restart kubelet`),
          'kubectl -n kube-system delete pod -l k8s-app=kube-dns',
        ],
      },
    ];
  },
};

const parseLine = /Corefile:\d+ - Error during parsing: .*/;

const corefileBroken: Rule = {
  id: 'corefile-broken',
  layer: 'dns',
  symptom: 'CoreDNS does not start and its log names a line of the Corefile.',
  cause: 'The ConfigMap kube-system/coredns has a line that CoreDNS cannot read.',
  cure: 'Set that line right and restart CoreDNS.',
  sources: ['coredns/coredns man/corefile.5'],
  needs: ['api.pods'],
  explains: [
    { rule: 'liveness-killed', by: 'pod' },
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'dns-down', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find: snapshot => {
    const hit = corednsPods(snapshot).flatMap(pod => {
      if (isTrue(pod, 'Ready')) return [];
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
      const line = snapshot.logs
        .filter(log => log.pod === name)
        .flatMap(({ lines }) => lines)
        .find(each => parseLine.test(each));
      return line === undefined ? [] : [{ pod, line }];
    });
    const [first] = hit;
    if (!first) return [];
    return [
      {
        says: `CoreDNS cannot read its configuration: ${oneLine(parseLine.exec(first.line)?.[0] ?? first.line)}`,
        severity: 'error',
        certainty: 'certain',
        about: together(podEntity(first.pod), ...hit.map(({ pod }) => podEntity(pod))),
        evidence: [
          {
            says: oneLine(first.line),
            from: `log of kube-system/${first.pod.metadata.name}`,
            again: 'kubectl -n kube-system logs -l k8s-app=kube-dns --previous --tail=5',
          },
        ],
        cure: [
          'kubectl -n kube-system edit configmap coredns',
          'kubectl -n kube-system rollout restart deployment coredns',
        ],
      },
    ];
  },
};

const corefileStale: Rule = {
  id: 'corefile-stale',
  layer: 'dns',
  symptom: 'A change of the Corefile has no effect.',
  cause: 'The Corefile has no reload plugin, and CoreDNS runs since before the change.',
  cure: 'Restart CoreDNS; add the reload plugin so that it need not be done again.',
  sources: ['coredns/coredns plugin/reload/README.md'],
  needs: ['api.pods', 'api.configmaps'],
  explains: [],
  find: snapshot => {
    const map = corefileOf(snapshot);
    const pods = corednsPods(snapshot);
    const text = map?.data['Corefile'] ?? '';
    if (!map || text === '' || /^\s*reload\b/m.test(text)) return [];
    const changed = map.metadata.managedFields
      .map(({ time }) => time)
      .sort()
      .at(-1);
    if (changed === undefined || !hasHeld(snapshot, changed, 120)) return [];
    const old = pods.filter(({ status }) =>
      status.containerStatuses.some(({ state }) => Date.parse(state.running?.startedAt ?? '') < Date.parse(changed)),
    );
    const [first, ...more] = old.map(podEntity);
    if (!first) return [];
    return [
      {
        says: `CoreDNS still works with an older Corefile: it was changed at ${changed}, ${listed(old.map(({ metadata }) => metadata.name))} ran before that, and the Corefile has no reload plugin`,
        severity: 'warning',
        certainty: 'certain',
        about: together(first, ...more),
        since: changed,
        evidence: [
          {
            says: `changed at ${changed}, no line "reload"`,
            from: 'API: configmap kube-system/coredns',
            again: `${showCorefile} --show-managed-fields`,
          },
        ],
        cure: [
          'kubectl -n kube-system rollout restart deployment coredns',
          'add a line "reload" to the Corefile: kubectl -n kube-system edit configmap coredns',
        ],
      },
    ];
  },
};

const forwardDead: Rule = {
  id: 'coredns-forward-dead',
  layer: 'dns',
  symptom: 'Pods resolve names of the cluster and no others.',
  cause: 'CoreDNS sends foreign names to a resolver that does not answer.',
  cure: 'Bring that resolver back, or name another one in the Corefile.',
  sources: ['coredns/coredns plugin/forward/README.md'],
  needs: ['api.pods', 'api.configmaps', 'machine.resolvers', 'machine.resolverAnswers', 'machine.kubelet'],
  explains: [],
  find: snapshot => {
    const pods = corednsPods(snapshot);
    const corefile = corefileOf(snapshot)?.data['Corefile'] ?? '';
    const files = resolvConfs(snapshot);
    const answers = machinesWith(snapshot, 'resolverAnswers');
    const isDead = (address: string): boolean => {
      const asked = answers.flatMap(({ value }) => value[address] ?? []);
      return asked.length > 0 && asked.every(({ ok }) => !ok);
    };
    const machines = [...new Set(pods.map(({ spec }) => spec.nodeName).filter(name => name !== ''))];
    const targets = [
      ...new Set(
        forwardsOf(corefile).flatMap(target =>
          target.startsWith('/')
            ? machines.flatMap(name => files.get(name)?.nameservers ?? [target])
            : [addressOf(target)],
        ),
      ),
    ];
    const [first, ...more] = targets;
    if (first === undefined || !targets.every(isDead)) return [];
    return [
      {
        says: `CoreDNS sends foreign names to ${listed(targets)}, and ${more.length > 0 ? 'none of them answers' : 'that resolver does not answer'}: pods resolve only names of the cluster`,
        severity: 'warning',
        certainty: 'certain',
        about: together(`resolver:${first}`, ...more.map((each): Entity => `resolver:${each}`), ...pods.map(podEntity)),
        evidence: [
          {
            says: `forward . ${forwardsOf(corefile).join(' ')}`,
            from: 'API: configmap kube-system/coredns',
            again: showCorefile,
          },
        ],
        cure: [
          `see that ${first} is up and answers on port 53`,
          'or name another one: kubectl -n kube-system edit configmap coredns (forward . ADDRESS)',
        ],
      },
    ];
  },
};

const clusterDnsWrong: Rule = {
  id: 'cluster-dns-wrong',
  layer: 'dns',
  symptom: 'Pods of one machine resolve no names, those of the others do.',
  cause: 'The kubelet of that machine hands out an address for DNS that no Service of the cluster has.',
  cure: "Set clusterDNS of that kubelet to the address of the Service kube-dns, restart it, and make the machine's pods anew.",
  sources: ['kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1 (clusterDNS)'],
  needs: ['api.services', 'machine.kubelet'],
  explains: [],
  find: snapshot => {
    const service = dnsService(snapshot);
    const addresses = new Set(objects(snapshot, 'services').map(({ spec }) => spec.clusterIP));
    const kubelets = machinesWith(snapshot, 'kubelet');
    if (!service || service.spec.clusterIP === '' || service.spec.clusterIP === 'None') return [];
    return kubelets.flatMap(({ machine: { name }, value: { clusterDNS } }): readonly Finding[] => {
      // A cache on each machine (NodeLocal DNSCache) answers on a link-local address.
      if (clusterDNS.length === 0 || clusterDNS.some(each => addresses.has(each) || each.startsWith('169.254.')))
        return [];
      return [
        {
          says: `Pods on ${name} ask ${listed(clusterDNS)} for names, and the cluster's DNS is ${service.spec.clusterIP}`,
          severity: 'error',
          certainty: 'certain',
          about: [machineEntity(name)],
          evidence: [
            {
              says: `clusterDNS: ${clusterDNS.join(', ')}`,
              from: `${name}: /var/lib/kubelet/config.yaml`,
              again: `ssh ${word(name)} grep -A2 clusterDNS /var/lib/kubelet/config.yaml`,
            },
            {
              says: `clusterIP ${service.spec.clusterIP}`,
              from: 'API: service kube-system/kube-dns',
              again: 'kubectl -n kube-system get service kube-dns',
            },
          ],
          cure: [
            `ssh ${word(name)} sudoedit /var/lib/kubelet/config.yaml (clusterDNS: [${service.spec.clusterIP}])`,
            `ssh ${word(name)} sudo systemctl restart kubelet`,
            'restart what runs there, so that its pods get the new address: kubectl -n NAMESPACE rollout restart deployment NAME',
          ],
        },
      ];
    });
  },
};

export const dnsRules: readonly Rule[] = [
  resolverSilent,
  clusterDnsWrong,
  corefileBroken,
  corednsLoop,
  forwardDead,
  corefileStale,
];
