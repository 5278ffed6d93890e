// The API’s endpoint: a name that leads nowhere, a certificate without it, packets that are lost; and the mere silence.
import { word } from '../reading.ts';
import type { Rule } from '../rule.ts';
import { machinesWith, type Snapshot } from '../snapshot.ts';
import { controlPlanes } from './members.ts';
import { entityOf, list, on, seenOn } from './on-machine.ts';

function saysRule(
  row: Pick<Rule, 'id' | 'symptom' | 'cause' | 'cure' | 'sources'> & {
    readonly pattern: RegExp;
    readonly says: (found: RegExpExecArray, snapshot: Snapshot) => string;
    readonly commands: (found: RegExpExecArray, snapshot: Snapshot) => readonly string[];
  },
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

const address = (snapshot: Snapshot) =>
  snapshot.declared?.hosts.find(({ role }) => role === 'control-plane')?.address ?? 'ADDRESS';

export const endpointUnresolved = saysRule({
  id: 'endpoint-unresolved',
  symptom: 'kubectl says "no such host" about the API’s endpoint.',
  cause:
    'The name of the endpoint does not resolve where it is asked: its line in /etc/hosts is gone, or the DNS record.',
  cure: 'Put the name back; homelab keeps it in /etc/hosts of every machine.',
  sources: ['kubernetes docs: setup/production-environment/tools/kubeadm/high-availability, control-plane endpoint'],
  pattern:
    /lookup ([\w.-]+)(?: on [\d.:]+)?: (?:no such host|server misbehaving|i\/o timeout|Temporary failure in name resolution)/,
  says: ([, name], { api }) => `the name of the API’s endpoint, ${name}, does not resolve on ${api.from}`,
  commands: ([, name], snapshot) => [
    `getent hosts ${name}   # on ${snapshot.api.from}`,
    'homelab bootstrap   # writes it into /etc/hosts of every machine',
    `echo '${address(snapshot)} ${name}' | sudo tee -a /etc/hosts   # by hand`,
  ],
});

export const endpointUnnamed = saysRule({
  id: 'endpoint-not-in-certificate',
  symptom: 'kubectl says "certificate is valid for …, not …".',
  cause: 'The API server’s certificate does not name the endpoint that is asked.',
  cure: 'Ask by a name that it has, or make the certificate anew with the other one.',
  sources: ['kubernetes docs: reference/setup-tools/kubeadm/kubeadm-init, --apiserver-cert-extra-sans'],
  pattern: /certificate is valid for (.+?), not ([\w.-]+)/,
  says: ([, , name]) => `the API server’s certificate does not name ${name}, by which it is asked`,
  commands: ([, names, name]) => [
    `use one of ${word(names ?? '')} as the endpoint`,
    `homelab bootstrap   # with ${name} in kubernetes.certSANs; it says what changes`,
  ],
});

export const apiUnreached: Rule = {
  id: 'api-unreached',
  layer: 'control-plane',
  symptom: 'kubectl times out, and on the control plane itself the API server is well.',
  cause: 'The endpoint leads elsewhere, or something between drops the packets.',
  cure: 'Compare the endpoint with the control planes’ addresses, then look for a firewall.',
  sources: ['kubernetes docs: setup/production-environment/tools/kubeadm/high-availability'],
  needs: ['machine.health', 'machine.reach', 'api.nodes'],
  explains: [{ rule: 'api-silent', by: 'object' }],
  find(snapshot) {
    if (snapshot.api.state !== 'silent' || !/timed? ?out|timeout|deadline|no route|refused/i.test(snapshot.api.says))
      return [];
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
          seenOn(
            first.machine,
            `/readyz: ${first.value['apiserver']?.says ?? 'ok'}`,
            'curl -k -m 3 https://127.0.0.1:6443/readyz',
          ),
          ...(row
            ? [seenOn(first.machine, `${row.to}:${row.port}: ${row.says}`, `nc -zv -w2 ${row.to} ${row.port}`)]
            : []),
        ],
        cure: [
          `getent hosts ${row?.to ?? 'ENDPOINT'}   # one of ${list(controlPlanes(snapshot).map(each => each.address))}?`,
          on(first.machine, 'sudo nft list ruleset'),
        ],
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
            cure: [
              'homelab doctor   # with an inventory: it asks the control planes’ machines, which answer without an API',
            ],
          },
        ],
};
