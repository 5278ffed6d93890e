// What kubelets serve is signed by the cluster's CA: their requests are checked here and approved one by one, never wholesale.
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { command, sh } from '../model/shell.ts';
import { controlPlaneOf, factsOf, reachedHosts, servesClusterCertificates, type World } from '../model/world.ts';
import { approveServing, objection } from '../transitions/approve-serving.ts';
import { phaseNames } from './names.ts';

const kubectl = adminKubectl(20);

export const kubeletCertificates: Phase = {
  ...phaseNames.kubeletCertificates,
  wants(world, host): readonly Want[] {
    if (host.name !== controlPlaneOf(world).name) return [];
    const judged = world.servingRequests.map(request => ({ request, reason: objection(request, world) }));
    return [
      ...judged.flatMap(({ request: { name }, reason }) =>
        reason === undefined
          ? []
          : [
              {
                kind: 'refusal' as const,
                id: name,
                reason: `the request ${name} for a kubelet's serving certificate is not approved: ${reason}`,
                hint: `on ${host.name}: sudo ${kubectl} ${command('certificate', 'deny', name)} (or approve, if you know why it is right)`,
              },
            ],
      ),
      approveServing(judged.flatMap(({ request, reason }) => (reason === undefined ? [request] : []))),
    ];
  },
  probes(world) {
    if (!servesClusterCertificates(world)) return [];
    const served = kubeletsOf(world).map(({ name, address }) =>
      look({
        id: 'serving-certificate',
        host: name,
        title: "kubelet serves a certificate of the cluster's CA for its address",
        expected: 'verified, for more than 14 days',
        script: servedCertificate(address),
        timeoutMs: 60_000,
        reproduce: `openssl s_client -connect ${address}:10250 -CAfile /etc/kubernetes/pki/ca.crt -verify_ip ${address} </dev/null`,
        accept: output => output.startsWith('verified '),
      }),
    );
    return [...served, reachedByApi(world)];
  },
};

// A kubelet that has just been started takes a moment. s_client itself fails where the certificate is not what it must be.
function servedCertificate(address: string): string {
  return `left=20
until timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/10250"' - ${sh(address)} 2>/dev/null || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 1; done
certificate=$(timeout 10 ${command('openssl', 's_client', '-connect', `${address}:10250`, '-CAfile', '/etc/kubernetes/pki/ca.crt', '-verify_ip', address, '-verify_return_error')} </dev/null 2>&1) || {
  printf '%s\\n' "$certificate" | grep -i -m 1 error >&2
  exit 1
}
ends=$(printf '%s\\n' "$certificate" | openssl x509 -noout -enddate -checkend 1209600) && word=verified || word='ends soon:'
echo "$word $(printf '%s\\n' "$ends" | head -n 1)"
`;
}

// A machine whose join was left out has none.
function kubeletsOf(world: World) {
  return reachedHosts(world).filter(host => factsOf(world, host).membership.state !== 'absent');
}

/** What `kubectl logs` and `exec` go by. */
function reachedByApi(world: World): Probe {
  const host = controlPlaneOf(world).name;
  const joining = world.about?.kind === 'join' ? world.about.hosts : undefined;
  const names = (joining ?? kubeletsOf(world)).map(({ name }) => name);
  const pieces = names.map(name => ({
    id: `reached-${name}`,
    host,
    about: name,
    title: `the API server reaches the kubelet of ${name} and trusts it`,
    expected: 'ok',
    reproduce: `sudo ${kubectl} get --raw /api/v1/nodes/${name}/proxy/healthz`,
  }));
  return {
    id: 'kubelets-reached',
    host,
    ...(joining === undefined ? {} : { about: names[0] ?? host }),
    title: 'the API server reaches every kubelet',
    expected: 'ok',
    reproduce: pieces[0]?.reproduce ?? '',
    kind: 'active',
    timeoutMs: 120_000,
    pieces,
    async run({ exec }) {
      const { stdout } = await exec(
        host,
        `for node in ${command(...names)}; do
  echo "$node $(${kubectl} get --raw "/api/v1/nodes/$node/proxy/healthz" 2>&1 | tail -n 1)"
done
`,
        100_000,
      );
      const answers = new Map(stdout.split('\n').map(line => [line.split(' ')[0], line.slice(line.indexOf(' ') + 1)]));
      return pieces.map(piece => {
        const observed = answers.get(piece.about) || 'no answer';
        return { ...piece, observed, ok: observed === piece.expected };
      });
    },
  };
}
