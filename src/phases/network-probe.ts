// Proof that pods talk: one probe pod a machine (nothing but the sandbox image, which is there already), driven from its machine
// through the pod's network namespace with the machine's own tools. No image is pulled, no tool is needed inside.
import { dnsAnswer } from '../model/dns.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Evidence, Probe, ProbeContext } from '../model/plan.ts';
import { ask, withNamespaces } from '../model/probe-namespace.ts';
import { comeUpScript, createScript, fieldOf, livePods, probePod } from '../model/probe-pods.ts';
import { enterPod, listenScript, probePort, resolve, send, stopListening } from '../model/probe-traffic.ts';
import { sh } from '../model/shell.ts';
import { pauseImage } from '../model/versions.ts';
import { controlPlaneOf, type World } from '../model/world.ts';

const namespace = 'homelab-probe';
/** Many full-size segments: a path that drops them does not pass this. */
const bulkBytes = 4 * 1024 * 1024;
const bulkSum = 'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8';
const record = 'kubernetes.default.svc.cluster.local';
const kubectl = adminKubectl(100);

/** An `active` probe: makes a namespace, proves from every one of these machines, and removes it whatever happens. */
export function networkProbe(world: World, hosts: readonly string[]): Probe {
  const host = controlPlaneOf(world).name;
  const base = {
    host,
    ...(world.about === undefined ? {} : { about: world.about.hosts[0]?.name ?? host }),
    expected: 'an answer',
    reproduce: `sudo ${kubectl} create namespace ${namespace} (homelab verify repeats all of it)`,
  };
  const pieces = hosts.flatMap(each => [
    ...(hosts.length > 1
      ? [
          {
            ...base,
            id: `pods-from-${each}`,
            host: each,
            title: 'its pod sends 4 MiB to pods on other machines',
            expected: 'every sum right',
          },
        ]
      : []),
    {
      ...base,
      id: `service-from-${each}`,
      host: each,
      title: 'its pod reaches a service address',
      expected: 'sum right',
    },
    {
      ...base,
      id: `dns-from-${each}`,
      host: each,
      title: `its pod resolves ${record}`,
      expected: "the API service's address",
    },
  ]);
  return {
    ...base,
    kind: 'active',
    id: 'pod-network',
    title: 'pods reach pods, services and DNS across machines',
    timeoutMs: 300_000,
    pieces,
    run: context =>
      withNamespaces(context, host, [namespace], async () => {
        const set = await setUp(context, host, hosts, pauseImage(world.cluster.kubernetes.version));
        try {
          await Promise.all(hosts.map(each => context.exec(each, listenScript(set.pods.get(each) ?? ''), 30_000)));
          const found = await Promise.all(hosts.map(each => proveFrom(context, each, hosts, set)));
          return found.flat();
        } finally {
          await Promise.all(hosts.map(each => context.exec(each, stopListening, 30_000)));
        }
      }),
  };
}

interface ProbeSet {
  /** Pod address by machine. */
  readonly pods: ReadonlyMap<string, string>;
  readonly service: string;
  readonly dns: string;
  readonly api: string;
}

async function setUp(context: ProbeContext, host: string, hosts: readonly string[], image: string): Promise<ProbeSet> {
  const failure = 'the probe pods did not come up';
  const said = await ask(context, host, setUpScript(hosts, image), 150_000, failure);
  const pods = new Map(livePods(said).map(({ node, address }) => [node, address]));
  const missing = hosts.filter(each => !pods.get(each));
  if (missing.length > 0) throw new Error(`${failure}: none on ${missing.join(', ')}`);
  return { pods, service: fieldOf(said, 'service'), dns: fieldOf(said, 'dns'), api: fieldOf(said, 'api') };
}

function setUpScript(hosts: readonly string[], image: string): string {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'probe', namespace },
    spec: { selector: { app: namespace }, ports: [{ port: probePort, targetPort: probePort }] },
  };
  const pods = hosts.map(node => probePod(namespace, image, { name: `probe-${node}`, node }));
  return `${createScript([service, ...pods])}${comeUpScript(namespace)}echo "service $(${kubectl} get -n ${namespace} service probe -o jsonpath='{.spec.clusterIP}')"
echo "dns $(${kubectl} get -n kube-system service kube-dns -o jsonpath='{.spec.clusterIP}')"
echo "api $(${kubectl} get -n default service kubernetes -o jsonpath='{.spec.clusterIP}')"
`;
}

async function proveFrom(
  context: ProbeContext,
  host: string,
  hosts: readonly string[],
  set: ProbeSet,
): Promise<readonly Evidence[]> {
  const peers = peersOf(host, hosts);
  const script = `${enterPod(set.pods.get(host) ?? '')}bulk() {
  left=20
  until sum=$(${send(bulkBytes, 20)}) && [ -n "$sum" ]; do
    left=$((left - 1)); [ "$left" -gt 0 ] || { sum=silent; break; }; sleep 1
  done
  echo "$2 $sum"
}
${peers.map(peer => `bulk ${sh(set.pods.get(peer) ?? '')} ${sh(`pod:${peer}`)}\n`).join('')}bulk ${sh(set.service)} service
${resolve(set.dns, record)}`;
  const result = await context.exec(host, script, 180_000);
  const answers = new Map(
    result.stdout
      .trim()
      .split('\n')
      .map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
  const failure = result.code === 0 ? undefined : result.stderr.trim();
  const wrong = peers.filter(peer => answers.get(`pod:${peer}`) !== bulkSum);
  const address = dnsAnswer(answers.get('dns') ?? '');
  const enter = `sudo nsenter --net=/run/netns/… (the pod with ${set.pods.get(host)})`;
  return [
    ...(peers.length > 0
      ? [
          {
            id: `pods-from-${host}`,
            host,
            title: 'its pod sends 4 MiB to pods on other machines',
            ok: wrong.length === 0,
            expected: 'every sum right',
            observed:
              failure ??
              (wrong.length === 0
                ? `right from ${peers.join(', ')}`
                : wrong.map(peer => `${peer}: ${answers.get(`pod:${peer}`) ?? 'silent'}`).join(', ')),
            reproduce: `${enter} bash -c 'exec 3<>/dev/tcp/${set.pods.get(peers[0] ?? '')}/${probePort}'`,
          },
        ]
      : []),
    {
      id: `service-from-${host}`,
      host,
      title: 'its pod reaches a service address',
      ok: answers.get('service') === bulkSum,
      expected: 'sum right',
      observed:
        failure ??
        (answers.get('service') === bulkSum
          ? `right from ${set.service}`
          : `${set.service}: ${answers.get('service') ?? 'silent'}`),
      reproduce: `${enter} bash -c 'exec 3<>/dev/tcp/${set.service}/${probePort}'`,
    },
    {
      id: `dns-from-${host}`,
      host,
      title: `its pod resolves ${record}`,
      ok: address === set.api,
      expected: set.api,
      observed: failure ?? `${address} from ${set.dns}`,
      reproduce: `${enter} dig @${set.dns} ${record}`,
    },
  ];
}

/** Everybody in a small cluster; in a large one the first machine and the next three in the ring: every machine sends and receives. */
export function peersOf(host: string, hosts: readonly string[]): readonly string[] {
  const others = hosts.filter(each => each !== host);
  if (hosts.length <= 8) return others;
  const at = hosts.indexOf(host);
  const ring = [1, 2, 3].map(step => hosts[(at + step) % hosts.length] ?? '');
  return [...new Set([hosts[0] ?? '', ...ring])].filter(each => each !== host);
}
