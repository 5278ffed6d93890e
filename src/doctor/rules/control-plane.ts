// The control plane's own processes: their files, the API server, scheduler and controller manager; and an API that is well and not reached.
import type { Evidence, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, objects, type Snapshot } from '../snapshot.ts';
import { message } from './etcd.ts';
import { type Component, containerOf, controlPlanes, endOf, hasEtcd, healthName, isMemberOf, isStarting, lastWords, logOf, processOn, titles } from './members.ts';
import { clockOf, clusterTime, entityOf, list, on, seenOn, span } from './on-machine.ts';

const components = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
const folder = '/etc/kubernetes/manifests';

const apiEntity = (snapshot: Snapshot) => (snapshot.api.state === 'silent' ? (['object:api'] as const) : []);

interface Missing {
  readonly machine: MachineLook;
  readonly component: Component;
  /** Empty where the file is not there. */
  readonly trouble: string;
}

function troubles(snapshot: Snapshot): readonly Missing[] {
  return controlPlanes(snapshot).flatMap(machine => {
    const { manifests, certificates } = machine.facts;
    if (!manifests || !isMemberOf(snapshot, machine)) return [];
    // Without its certificates it cannot be told whether etcd lives elsewhere.
    const expected = components.filter(each => each !== 'etcd' || (certificates !== undefined && hasEtcd(machine)));
    return expected.flatMap((component): readonly Missing[] => {
      const file = manifests.find(({ name }) => name === component);
      return file?.trouble === '' ? [] : [{ machine, component, trouble: file?.trouble ?? '' }];
    });
  });
}

const toAll = [
  { rule: 'etcd-down', by: 'object' },
  { rule: 'etcd-member-down', by: 'object' },
  { rule: 'apiserver-down', by: 'object' },
  { rule: 'scheduler-down', by: 'object' },
  { rule: 'controller-manager-down', by: 'object' },
  { rule: 'api-silent', by: 'object' },
] as const;

export const manifestBroken: Rule = {
  id: 'manifest-broken',
  layer: 'control-plane',
  symptom: 'API server, etcd, scheduler or controller manager is gone, and the kubelet is well.',
  cause: 'Its file in /etc/kubernetes/manifests is not there or cannot be read as a Pod: the kubelet ends what it does not find.',
  cure: 'Put the file right; kubeadm writes it anew.',
  sources: ['kubernetes docs: tasks/configure-pod-container/static-pod', 'kubernetes docs: reference/setup-tools/kubeadm/kubeadm-init-phase'],
  needs: ['machine.manifests', 'machine.certificates', 'machine.health', 'api.nodes'],
  explains: toAll,
  find: snapshot =>
    troubles(snapshot).map(({ machine, component, trouble }): Finding => {
      const isUp = machine.facts.health?.[healthName[component]]?.ok === true;
      const phase = component === 'etcd' ? 'etcd local' : `control-plane ${component.replace('kube-', '')}`;
      const file = `${folder}/${component}.yaml`;
      return {
        says: `${titles[component]} of ${machine.name} ${isUp ? 'runs on for the moment' : 'is not started'}: ${file} ${trouble === '' ? 'is not there' : `is no Pod (${trouble})`}`,
        severity: isUp ? 'warning' : 'error',
        certainty: 'certain',
        about: [
          entityOf(machine),
          processOn(component, machine),
          ...(component === 'etcd' || component === 'kube-apiserver' ? apiEntity(snapshot) : []),
        ],
        evidence: [seenOn(machine, trouble === '' ? `${file} is not there` : `${file}: ${trouble}`, `ls -l ${folder}`)],
        cure: [
          on(machine, `sudo ls -lt /etc/kubernetes/tmp ${folder}   # a good one that somebody or kubeadm saved?`),
          on(machine, `sudo kubeadm init phase ${phase}   # writes it anew; flags of yours that kubeadm does not know are lost`),
        ],
      };
    }),
};

export const apiserverDown: Rule = {
  id: 'apiserver-down',
  layer: 'control-plane',
  symptom: 'kubectl says "connection refused" or "was refused - did you specify the right host or port".',
  cause: 'The API server does not run on that control plane, or is not ready.',
  cure: 'Its last words say why: etcd, a certificate, a flag, a port.',
  sources: ['kubernetes docs: tasks/debug/debug-cluster', 'kubernetes docs: reference/using-api/health-checks'],
  needs: ['machine.health', 'machine.controlPlane', 'machine.listening', 'machine.certificates', 'machine.identity', 'machine.units', 'machine.clock', 'api.nodes'],
  explains: [
    { rule: 'api-silent', by: 'object' },
    { rule: 'scheduler-down', by: 'machine' },
    { rule: 'controller-manager-down', by: 'machine' },
  ],
  find: snapshot =>
    controlPlanes(snapshot).flatMap((machine): readonly Finding[] => {
      const health = machine.facts.health?.['apiserver'];
      if (!health || health.ok || !isMemberOf(snapshot, machine) || isStarting(machine, snapshot)) return [];
      const container = containerOf(machine, 'kube-apiserver');
      const isUp = container?.state === 'running';
      const words = isUp ? undefined : lastWords(container);
      const closed = machine.facts.listening?.includes(6443) === false;
      const what = isUp && !closed ? `runs and is not ready (${health.says})` : `is down (${container && !isUp ? endOf(container) : health.says})`;
      return [
        {
          says: `the API server of ${machine.name} ${what}${words ? `; last words: ${message(words)}` : ''}`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine), processOn('kube-apiserver', machine), ...apiEntity(snapshot)],
          ...(container?.state === 'exited' && container.finishedAt ? { since: container.finishedAt } : {}),
          evidence: [
            seenOn(machine, `/readyz: ${health.says}${closed ? '; nobody listens on 6443' : ''}`, 'curl -k -m 3 https://127.0.0.1:6443/readyz?verbose'),
            ...(words ? [seenOn(machine, words, logOf('kube-apiserver'))] : []),
          ],
          cure: [on(machine, logOf('kube-apiserver')), on(machine, 'sudo crictl ps -a --name kube-apiserver'), on(machine, 'sudo journalctl -u kubelet -g kube-apiserver -n 20')],
        },
      ];
    }),
};

/** Renewed every two seconds, and given up after fifteen. */
const leaderSeconds = 60;

function leaderRule(row: Pick<Rule, 'id' | 'symptom' | 'explains'> & { readonly component: 'kube-scheduler' | 'kube-controller-manager'; readonly stops: string }): Rule {
  const { component, stops, ...rule } = row;
  return {
    ...rule,
    layer: 'control-plane',
    cause: 'It runs on no control plane: its file is gone, its certificate ended, or it ends by itself.',
    cure: 'Its last words say why.',
    sources: ['kubernetes docs: concepts/architecture/leases, leader election'],
    needs: ['machine.health', 'machine.clock', 'machine.controlPlane', 'machine.certificates', 'machine.identity', 'machine.units', 'api.leases', 'api.nodes'],
    find(snapshot) {
      // Without an API server it holds no lease and needs none.
      if (snapshot.api.state === 'silent') return [];
      const lease = objects(snapshot, 'leases').find(({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === component);
      const age = lease ? (clusterTime(snapshot) - Date.parse(lease.spec.renewTime)) / 1000 : Number.NaN;
      if (!lease || !(age > leaderSeconds)) return [];
      const machines = controlPlanes(snapshot);
      if (machines.length > 0 && machines.every(machine => isStarting(machine, snapshot))) return [];
      const asked = machines.flatMap(machine => {
        const health = machine.facts.health?.[healthName[component]];
        return health ? [{ machine, health }] : [];
      });
      const [down] = asked.filter(({ health }) => !health.ok);
      const container = down && containerOf(down.machine, component);
      const words = container?.state === 'running' ? undefined : lastWords(container);
      const renewed = lease.spec.renewTime;
      const evidence: readonly Evidence[] = [
        { says: `lease renewed last at ${renewed}`, from: 'API server', again: `kubectl -n kube-system get lease ${component}` },
        ...(down ? [seenOn(down.machine, `${component}: ${down.health.says}${container ? `; ${endOf(container)}` : ''}`, `sudo crictl ps -a --name ${component}`)] : []),
        ...(down && words ? [seenOn(down.machine, words, logOf(component))] : []),
      ];
      const [first] = machines;
      return [
        {
          says: `${titles[component]} has not been heard of for ${span(age)} (since ${clockOf(renewed, snapshot)})${words ? `; its last words: ${message(words)}` : ''}: ${stops}`,
          severity: 'error',
          certainty: down ? 'certain' : 'likely',
          ...(down ? {} : { settledBy: `kubectl -n kube-system get pods -l component=${component}` }),
          about: [`object:${component}`, ...machines.map(entityOf), ...machines.map(machine => processOn(component, machine))],
          since: renewed,
          evidence,
          cure: first
            ? [on(down?.machine ?? first, `ls -l ${folder}/${component}.yaml`), on(down?.machine ?? first, logOf(component))]
            : [`kubectl -n kube-system describe pods -l component=${component}`],
        },
      ];
    },
  };
}

export const schedulerDown = leaderRule({
  id: 'scheduler-down',
  component: 'kube-scheduler',
  symptom: 'New pods stay Pending, without a node and without an event that says why.',
  stops: 'new pods get no machine',
  explains: [{ rule: 'pod-pending', by: 'everything' }],
});

export const controllerManagerDown = leaderRule({
  id: 'controller-manager-down',
  component: 'kube-controller-manager',
  symptom: 'A scaled Deployment gets no pods, dead nodes stay Ready, nothing is cleaned up.',
  stops: 'workloads get no pods, dead nodes are not noticed',
  explains: [],
});

function saysRule(
  row: Pick<Rule, 'id' | 'symptom' | 'cause' | 'cure' | 'sources'> & { readonly pattern: RegExp; readonly says: (found: RegExpExecArray, snapshot: Snapshot) => string; readonly commands: (found: RegExpExecArray, snapshot: Snapshot) => readonly string[] },
): Rule {
  const { pattern, says, commands, ...rule } = row;
  return {
    ...rule,
    layer: 'control-plane',
    needs: [],
    explains: [{ rule: 'api-silent', by: 'object' }],
    find(snapshot) {
      const found = snapshot.api.state === 'silent' ? pattern.exec(snapshot.api.says) : null;
      if (!found) return [];
      return [
        {
          says: says(found, snapshot),
          severity: 'error',
          certainty: 'certain',
          about: ['object:api'],
          evidence: [{ says: snapshot.api.says, from: snapshot.api.from, again: 'kubectl get --raw /readyz' }],
          cure: commands(found, snapshot),
        },
      ];
    },
  };
}

const address = (snapshot: Snapshot) => snapshot.declared?.hosts.find(({ role }) => role === 'control-plane')?.address ?? 'ADDRESS';

export const endpointUnresolved = saysRule({
  id: 'endpoint-unresolved',
  symptom: 'kubectl says "no such host" about the API’s endpoint.',
  cause: 'The name of the endpoint does not resolve where it is asked: its line in /etc/hosts is gone, or the DNS record.',
  cure: 'Put the name back; homelab keeps it in /etc/hosts of every machine.',
  sources: ['kubernetes docs: setup/production-environment/tools/kubeadm/high-availability, control-plane endpoint'],
  pattern: /lookup ([\w.-]+)(?: on [\d.:]+)?: (?:no such host|server misbehaving|i\/o timeout|Temporary failure in name resolution)/,
  says: ([, name], { api }) => `the name of the API’s endpoint, ${name}, does not resolve on ${api.from}`,
  commands: ([, name], snapshot) => [`getent hosts ${name}   # on ${snapshot.api.from}`, 'homelab bootstrap   # writes it into /etc/hosts of every machine', `echo '${address(snapshot)} ${name}' | sudo tee -a /etc/hosts   # by hand`],
});

export const endpointUnnamed = saysRule({
  id: 'endpoint-not-in-certificate',
  symptom: 'kubectl says "certificate is valid for …, not …".',
  cause: 'The API server’s certificate does not name the endpoint that is asked.',
  cure: 'Ask by a name that it has, or make the certificate anew with the other one.',
  sources: ['kubernetes docs: reference/setup-tools/kubeadm/kubeadm-init, --apiserver-cert-extra-sans'],
  pattern: /certificate is valid for (.+?), not ([\w.-]+)/,
  says: ([, , name]) => `the API server’s certificate does not name ${name}, by which it is asked`,
  commands: ([, names, name]) => [`use one of ${names} as the endpoint`, `homelab bootstrap   # with ${name} in kubernetes.certSANs; it says what changes`],
});

export const apiUnreached: Rule = {
  id: 'api-unreached',
  layer: 'control-plane',
  symptom: 'kubectl times out, and on the control plane itself the API server is well.',
  cause: 'The endpoint leads elsewhere, or something between drops the packets.',
  cure: 'Compare the endpoint with the control planes’ addresses, then look for a firewall.',
  sources: ['kubernetes docs: setup/production-environment/tools/kubeadm/high-availability'],
  needs: ['machine.health', 'machine.reach'],
  explains: [{ rule: 'api-silent', by: 'object' }],
  find(snapshot) {
    if (snapshot.api.state !== 'silent' || !/timed? ?out|timeout|deadline|no route|refused/i.test(snapshot.api.says)) return [];
    if (/lookup /.test(snapshot.api.says)) return [];
    const well = machinesWith(snapshot, 'health').filter(({ value }) => value['apiserver']?.ok);
    const [first] = well;
    if (!first) return [];
    const row = first.machine.facts.reach?.find(({ port, ok }) => port === 6443 && !ok);
    return [
      {
        says: `the API server of ${list(well.map(({ machine }) => machine.name))} is well, and ${row ? `${row.to}:${row.port} is not reached even there (${row.says})` : 'its endpoint is not reached'}: ${snapshot.api.says}`,
        severity: 'error',
        certainty: row ? 'certain' : 'likely',
        ...(row ? {} : { settledBy: `getent hosts ENDPOINT and nc -zv ENDPOINT 6443, on ${snapshot.api.from}` }),
        about: ['object:api', ...well.map(({ machine }) => entityOf(machine))],
        evidence: [
          seenOn(first.machine, `/readyz: ${first.value['apiserver']?.says ?? 'ok'}`, 'curl -k -m 3 https://127.0.0.1:6443/readyz'),
          ...(row ? [seenOn(first.machine, `${row.to}:${row.port}: ${row.says}`, `nc -zv -w2 ${row.to} ${row.port}`)] : []),
        ],
        cure: [`getent hosts ${row?.to ?? 'ENDPOINT'}   # one of ${list(controlPlanes(snapshot).map(each => each.address))}?`, on(first.machine, 'sudo nft list ruleset')],
      },
    ];
  },
};

export const apiSilent: Rule = {
  id: 'api-silent',
  layer: 'control-plane',
  symptom: 'The API server does not answer.',
  cause: 'It is down on every control plane, or the way to it is.',
  cure: 'Look at the control planes’ machines: they answer without it.',
  sources: ['kubernetes docs: tasks/debug/debug-cluster'],
  needs: [],
  explains: [],
  symptomOnly: true,
  find: ({ api }) =>
    api.state !== 'silent'
      ? []
      : [
          {
            says: `the API server does not answer (asked on ${api.from}): ${api.says}`,
            severity: 'error',
            certainty: 'certain',
            about: ['object:api'],
            evidence: [{ says: api.says, from: api.from, again: 'kubectl get --raw /readyz' }],
            cure: ['homelab doctor   # with an inventory: it asks the control planes’ machines, which answer without an API'],
          },
        ],
};

/** Files before processes: etcd's own rules stand between. */
export const manifestRules: readonly Rule[] = [manifestBroken];
export const processRules: readonly Rule[] = [
  apiserverDown,
  schedulerDown,
  controllerManagerDown,
  endpointUnresolved,
  endpointUnnamed,
  apiUnreached,
  apiSilent,
];
