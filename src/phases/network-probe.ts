// Proof that pods talk: one probe pod a machine (nothing but the sandbox image, which is there already), driven from its machine
// through the pod's network namespace with the machine's own tools. No image is pulled, no tool is needed inside.
import { adminKubectl } from '../model/kubectl.ts';
import type { Evidence, Probe, ProbeContext } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { pauseImage } from '../model/versions.ts';
import { controlPlaneOf, type World } from '../model/world.ts';
import { dnsAnswer, dnsQuery } from './dns.ts';

const namespace = 'homelab-probe';
const listener = 'homelab-probe-listener';
const port = 8080;
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
    async run(context) {
      try {
        const set = await setUp(context, host, hosts, pauseImage(world.cluster.kubernetes.version));
        await Promise.all(hosts.map(each => context.exec(each, listenScript(set.pods.get(each) ?? ''), 30_000)));
        const found = await Promise.all(hosts.map(each => proveFrom(context, each, hosts, set)));
        return found.flat();
      } finally {
        await cleanUp(context, host, hosts);
      }
    },
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
  const result = await context.exec(host, setUpScript(hosts, image), 150_000);
  const lines = result.stdout
    .trim()
    .split('\n')
    .map(line => line.split(' '));
  const fieldOf = (kind: string) => lines.find(line => line[0] === kind)?.[1] ?? '';
  const pods = new Map(lines.filter(line => line[0] === 'pod').map(([, node = '', address = '']) => [node, address]));
  if (result.code !== 0 || hosts.some(each => !pods.get(each))) {
    throw new Error(`the probe pods did not come up: ${result.stderr.trim() || result.stdout.trim()}`);
  }
  return { pods, service: fieldOf('service'), dns: fieldOf('dns'), api: fieldOf('api') };
}

function setUpScript(hosts: readonly string[], image: string): string {
  const pods = hosts.map(node => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `probe-${node}`, namespace, labels: { app: namespace } },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'probe',
          image,
          imagePullPolicy: 'IfNotPresent',
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            runAsNonRoot: true,
            runAsUser: 65534,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
      ],
    },
  }));
  const items = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'probe', namespace },
      spec: { selector: { app: namespace }, ports: [{ port, targetPort: port }] },
    },
    ...pods,
  ];
  return `${removeScript}${kubectl} create namespace ${namespace} >/dev/null
left=30
until ${kubectl} get serviceaccount -n ${namespace} default >/dev/null 2>&1 || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 1; done
${kubectl} create -f - >/dev/null <<'ITEMS'
${JSON.stringify({ apiVersion: 'v1', kind: 'List', items })}
ITEMS
${kubectl} wait -n ${namespace} --for=condition=Ready --timeout=90s pod --all >/dev/null || {
  ${kubectl} get -n ${namespace} pods -o wide >&2
  ${kubectl} get -n ${namespace} events --field-selector type=Warning -o custom-columns=:.involvedObject.name,:.message --no-headers | tail -n 5 >&2
  exit 1
}
${kubectl} get -n ${namespace} pods -o jsonpath='{range .items[*]}pod {.spec.nodeName} {.status.podIP}{"\\n"}{end}'
echo "service $(${kubectl} get -n ${namespace} service probe -o jsonpath='{.spec.clusterIP}')"
echo "dns $(${kubectl} get -n kube-system service kube-dns -o jsonpath='{.spec.clusterIP}')"
echo "api $(${kubectl} get -n default service kubernetes -o jsonpath='{.spec.clusterIP}')"
`;
}

const removeScript = `${kubectl} delete namespace ${namespace} --ignore-not-found --wait --timeout=90s >/dev/null\n`;

// containerd keeps every pod's namespace mounted under /run/netns.
function namespaceOf(address: string): string {
  return `for found in /run/netns/*; do
  if nsenter --net="$found" ip -4 -o address show 2>/dev/null | grep -qF ${sh(` ${address}/`)}; then pod=$found; fi
done
[ -n "\${pod-}" ] || { echo ${sh(`no network namespace with the address ${address}`)} >&2; exit 1; }
`;
}

/** Takes 'COUNT', then COUNT bytes; answers with their sum. */
function listenScript(address: string): string {
  return `${namespaceOf(address)}systemctl stop ${listener}.service 2>/dev/null || true
systemd-run --quiet --collect --unit=${listener} --property=RuntimeMaxSec=240 --property=NetworkNamespacePath="$pod" \\
  systemd-socket-activate --listen=0.0.0.0:${port} --inetd --accept /bin/sh -c 'read -r count && head -c "$count" | sha256sum'
`;
}

async function proveFrom(
  context: ProbeContext,
  host: string,
  hosts: readonly string[],
  set: ProbeSet,
): Promise<readonly Evidence[]> {
  const peers = peersOf(host, hosts);
  const script = `${namespaceOf(set.pods.get(host) ?? '')}bulk() {
  left=20
  until sum=$(nsenter --net="$pod" timeout 20 bash -c 'exec 3<>"/dev/tcp/$1/${port}" && { echo ${bulkBytes}; head -c ${bulkBytes} /dev/zero; } >&3 && cut -c -64 <&3' - "$1" 2>/dev/null) && [ -n "$sum" ]; do
    left=$((left - 1)); [ "$left" -gt 0 ] || { sum=silent; break; }; sleep 1
  done
  echo "$2 $sum"
}
${peers.map(peer => `bulk ${sh(set.pods.get(peer) ?? '')} ${sh(`pod:${peer}`)}\n`).join('')}bulk ${sh(set.service)} service
# bash flushes printf at every newline, and a label of ten letters is one: dd makes it one datagram again
left=10
until answer=$(nsenter --net="$pod" timeout 5 bash -c 'exec 3<>"/dev/udp/$1/53" && printf "$2" | dd bs=512 iflag=fullblock >&3 2>/dev/null && timeout 3 dd bs=512 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d " \\n"' - ${sh(set.dns)} ${sh(dnsQuery(record))}) && [ -n "$answer" ]; do
  left=$((left - 1)); [ "$left" -gt 0 ] || { answer=silent; break; }; sleep 1
done
echo "dns $answer"
`;
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
            reproduce: `${enter} bash -c 'exec 3<>/dev/tcp/${set.pods.get(peers[0] ?? '')}/${port}'`,
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
      reproduce: `${enter} bash -c 'exec 3<>/dev/tcp/${set.service}/${port}'`,
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

async function cleanUp(context: ProbeContext, host: string, hosts: readonly string[]): Promise<void> {
  await Promise.all(
    hosts.map(each => context.exec(each, `systemctl stop ${listener}.service 2>/dev/null || true\n`, 30_000)),
  );
  await context.exec(host, removeScript, 120_000);
}
