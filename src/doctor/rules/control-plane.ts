// The processes of a control plane: API server, scheduler, controller manager.
import type { Evidence, Finding, Rule } from '../rule.ts';
import { objects } from '../snapshot.ts';
import { apiSilent, apiUnreached, endpointUnnamed, endpointUnresolved } from './endpoint.ts';
import { message } from './etcd.ts';
import {
  apiEntity,
  containerOf,
  controlPlanes,
  endOf,
  healthName,
  isMemberOf,
  isStarting,
  lastWords,
  logOf,
  manifestFolder,
  processOn,
  titles,
} from './members.ts';
import { clockOf, clusterTime, entityOf, on, seenOn, span } from './on-machine.ts';

export const apiserverDown: Rule = {
  id: 'apiserver-down',
  layer: 'control-plane',
  symptom: 'kubectl says "connection refused" or "was refused - did you specify the right host or port".',
  cause: 'The API server does not run on that control plane, or is not ready.',
  cure: 'Its last words say why: etcd, a certificate, a flag, a port.',
  sources: ['kubernetes docs: tasks/debug/debug-cluster', 'kubernetes docs: reference/using-api/health-checks'],
  needs: [
    'machine.health',
    'machine.controlPlane',
    'machine.listening',
    'machine.certificates',
    'machine.identity',
    'machine.units',
    'machine.clock',
    'api.nodes',
  ],
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
      const what =
        isUp && !closed
          ? `runs and is not ready (${health.says})`
          : `is down (${container && !isUp ? endOf(container) : health.says})`;
      return [
        {
          says: `the API server of ${machine.name} ${what}${words ? `; last words: ${message(words)}` : ''}`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine), processOn('kube-apiserver', machine), ...apiEntity(snapshot)],
          ...(container?.finishedAt ? { since: container.finishedAt } : {}),
          evidence: [
            seenOn(
              machine,
              `/readyz: ${health.says}${closed ? '; nobody listens on 6443' : ''}`,
              'curl -k -m 3 https://127.0.0.1:6443/readyz?verbose',
            ),
            ...(words ? [seenOn(machine, words, logOf('kube-apiserver'))] : []),
          ],
          cure: [
            on(machine, logOf('kube-apiserver')),
            on(machine, 'sudo crictl ps -a --name kube-apiserver'),
            on(machine, 'sudo journalctl -u kubelet -g kube-apiserver -n 20'),
          ],
        },
      ];
    }),
};

/** Renewed every two seconds, and given up after fifteen. */
const leaderSeconds = 60;

function leaderRule(
  row: Pick<Rule, 'id' | 'symptom' | 'explains'> & {
    readonly component: 'kube-scheduler' | 'kube-controller-manager';
    readonly stops: string;
  },
): Rule {
  const { component, stops, ...rule } = row;
  return {
    ...rule,
    layer: 'control-plane',
    cause: 'It runs on no control plane: its file is gone, its certificate ended, or it ends by itself.',
    cure: 'Its last words say why.',
    sources: ['kubernetes docs: concepts/architecture/leases, leader election'],
    needs: [
      'machine.health',
      'machine.clock',
      'machine.controlPlane',
      'machine.identity',
      'machine.units',
      'api.leases',
      'api.nodes',
    ],
    find(snapshot) {
      // Without an API server it holds no lease and needs none.
      if (snapshot.api.state === 'silent') return [];
      const lease = objects(snapshot, 'leases').find(
        ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === component,
      );
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
        {
          says: `lease renewed last at ${renewed}`,
          from: 'API server',
          again: `kubectl -n kube-system get lease ${component}`,
        },
        ...(down
          ? [
              seenOn(
                down.machine,
                `${component}: ${down.health.says}${container ? `; ${endOf(container)}` : ''}`,
                `sudo crictl ps -a --name ${component}`,
              ),
            ]
          : []),
        ...(down && words ? [seenOn(down.machine, words, logOf(component))] : []),
      ];
      const [first] = machines;
      return [
        {
          says: `${titles[component]} has not been heard of for ${span(age)} (since ${clockOf(renewed, snapshot)})${words ? `; its last words: ${message(words)}` : ''}: ${stops}`,
          severity: 'error',
          certainty: down ? 'certain' : 'likely',
          ...(down ? {} : { settledBy: `kubectl -n kube-system get pods -l component=${component}` }),
          about: [
            `object:${component}`,
            ...machines.map(entityOf),
            ...machines.map(machine => processOn(component, machine)),
          ],
          since: renewed,
          evidence,
          cure: first
            ? [
                on(down?.machine ?? first, `ls -l ${manifestFolder}/${component}.yaml`),
                on(down?.machine ?? first, logOf(component)),
              ]
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

export const processRules: readonly Rule[] = [
  apiserverDown,
  schedulerDown,
  controllerManagerDown,
  endpointUnresolved,
  endpointUnnamed,
  apiUnreached,
  apiSilent,
];
