// Webhooks whose pods are ready and which the API server does not get through to.
import { nameOf } from '../objects/common.ts';
import { askedWebhooks } from '../objects/webhooks.ts';
import { listed, machineEntity, together, word } from '../reading.ts';
import type { Entity, Finding, Rule } from '../rule.ts';
import { machinesWith, objects } from '../snapshot.ts';
import { entityOf, on, seenOn } from './on-machine.ts';

const webhookUnreached: Rule = {
  id: 'webhook-unreached',
  layer: 'network',
  symptom:
    'Creating or changing objects fails with "failed calling webhook: context deadline exceeded", and the pods of the webhook are ready.',
  cause:
    'The API server asks from its machine, and its connection does not arrive: a firewall between machines, a network policy, the pod network, nobody who serves Services there.',
  cure: 'Follow the way from the control plane to the pod: the Service’s address, the pod’s address, the port on the pod’s machine.',
  sources: [
    'kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers',
    'istio.io/docs/ops/common-problems/injection (no such hosts, deadline exceeded)',
  ],
  needs: [
    'machine.webhooks',
    'api.validatingwebhookconfigurations',
    'api.mutatingwebhookconfigurations',
    'api.services',
    'api.endpoints',
  ],
  explains: [{ rule: 'pods-not-created', by: 'webhook' }],
  find: snapshot => {
    const asked = askedWebhooks([
      ...objects(snapshot, 'validatingwebhookconfigurations'),
      ...objects(snapshot, 'mutatingwebhookconfigurations'),
    ]);
    return machinesWith(snapshot, 'webhooks').flatMap(({ machine, value }) =>
      value.flatMap(({ service, port, ok, says }): readonly Finding[] => {
        const hooks = asked.filter(each => each.service === service && each.port === port).map(({ name }) => name);
        if (ok || hooks.length === 0) return [];
        const { clusterIP = '' } = objects(snapshot, 'services').find(each => nameOf(each) === service)?.spec ?? {};
        const behind = objects(snapshot, 'endpoints')
          .filter(each => nameOf(each) === service)
          .flatMap(({ subsets }) => subsets.flatMap(({ addresses }) => addresses));
        const address = clusterIP || 'ADDRESS';
        const [pod] = behind;
        return [
          {
            says: `The API server must ask the webhook ${listed([...new Set(hooks)])}, whose pods are ready, and ${machine.name} does not get through to its Service ${service}:${port} (${says})`,
            severity: 'error',
            // One question without an answer may be a machine that has too much to do.
            certainty: 'likely',
            settledBy: on(machine, `nc -zv -w3 ${address} ${port}`),
            about: together(
              `webhook:${hooks[0] ?? service}`,
              ...hooks.map((hook): Entity => `webhook:${hook}`),
              `service:${service}`,
              entityOf(machine),
              ...behind.flatMap(({ nodeName }) => (nodeName === '' ? [] : [machineEntity(nodeName)])),
            ),
            evidence: [seenOn(machine, `${service}:${port}: ${says}`, `nc -zv -w3 ${address} ${port}`)],
            cure: [
              ...(pod ? [on(machine, `ping -c1 -W1 ${pod.ip}`)] : []),
              `kubectl get networkpolicies,ciliumnetworkpolicies -n ${word(service.split('/')[0] ?? '')}`,
              'until it is found, what waits for it can go on with failurePolicy: Ignore',
            ],
          },
        ];
      }),
    );
  },
};

export const webhookRules: readonly Rule[] = [webhookUnreached];
