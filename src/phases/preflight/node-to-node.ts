// Machines reach each other on Kubernetes' ports, with packets of full size: real ones, to listeners that stand for what will listen there.
import type { Host } from '../../model/cluster.ts';
import type { Evidence, Probe, ProbeContext } from '../../model/plan.ts';
import { sh } from '../../model/shell.ts';
import { factsOf, reachedHosts, type World } from '../../model/world.ts';
import { peersOf } from '../network-probe.ts';
import { listenerUnit } from './check.ts';

/** Many full-size segments: a path that drops them answers the handshake and nothing more. */
const bytes = 256 * 1024;
const sum = '8a39d2abd3999ab73c34db2476849cddf303ce389b35826850f9a700589b4a90';

/** What others connect to: the kubelet everywhere; the API server and etcd on control planes. */
const portsOf = (to: Host, from: Host): readonly number[] => [
  10250,
  ...(to.role === 'control-plane' ? [6443] : []),
  ...(to.role === 'control-plane' && from.role === 'control-plane' ? [2379, 2380] : []),
];

interface Path {
  readonly to: Host;
  readonly port: number;
  /** A member's ports are its own services': they answer, and take no bytes of ours. */
  readonly isMember: boolean;
}

/** Nothing where everybody is a member already, or alone. */
export function nodeToNode(world: World): readonly Probe[] {
  const hosts = reachedHosts(world);
  const newcomers = hosts.filter(host => isNew(world, host));
  const [first] = newcomers;
  if (!first || hosts.length < 2) return [];
  const paths = new Map(hosts.map(from => [from, pathsFrom(world, from)]));
  const senders = hosts.filter(from => (paths.get(from) ?? []).length > 0);
  const pieceOf = (from: Host) => ({
    id: `reach-from-${from.name}`,
    host: from.name,
    title: `reaches the other machines on Kubernetes' ports`,
    expected: 'every port answers and takes packets of full size',
    reproduce: `timeout 5 bash -c 'exec 3<>/dev/tcp/ADDRESS/PORT' (refused is fine while nothing listens; silence is not)`,
    hint: 'open these ports between the machines',
  });
  return [
    {
      ...pieceOf(first),
      kind: 'active',
      id: 'node-to-node',
      timeoutMs: 60_000,
      pieces: senders.map(pieceOf),
      async run(context) {
        try {
          const open = new Map(
            await Promise.all(newcomers.map(async host => [host, await listen(context, host)] as const)),
          );
          return await Promise.all(
            senders.map(async from => {
              const asked = (paths.get(from) ?? []).filter(
                ({ to, port, isMember }) => isMember || open.get(to)?.includes(port),
              );
              return { ...pieceOf(from), ...(await verdict(context, from, asked)) } satisfies Evidence;
            }),
          );
        } finally {
          await Promise.all(
            newcomers.map(host =>
              context.exec(host.name, `systemctl stop ${listenerUnit}.service 2>/dev/null || true\n`, 20_000),
            ),
          );
        }
      },
    },
  ];
}

function isNew(world: World, host: Host): boolean {
  const isAbout = world.about?.hosts.some(({ name }) => name === host.name) ?? true;
  return isAbout && factsOf(world, host).membership.state === 'absent';
}

// Control planes and everybody, both ways; among the others a ring. Two members have proven it to each other.
function pathsFrom(world: World, from: Host): readonly Path[] {
  const hosts = reachedHosts(world);
  const ring = peersOf(
    from.name,
    hosts.map(host => host.name),
  );
  return (
    hosts
      .filter(to => to !== from && (isNew(world, to) || isNew(world, from)))
      // What a half-made member listens on is nobody's knowledge, and a machine that waits for a run of its own listens on nothing.
      .filter(to => isNew(world, to) || factsOf(world, to).membership.state === 'joined')
      .filter(to => [to.role, from.role].includes('control-plane') || ring.includes(to.name))
      .flatMap(to => portsOf(to, from).map(port => ({ to, port, isMember: !isNew(world, to) })))
  );
}

/** Listens on the ports that are free and says which. Takes 'COUNT', then COUNT bytes; answers with their sum. */
async function listen(context: ProbeContext, host: Host): Promise<readonly number[]> {
  const wanted = host.role === 'control-plane' ? [2379, 2380, 6443, 10250] : [10250];
  const script = `systemctl stop ${listenerUnit}.service 2>/dev/null || true
taken=" $(ss -Hltn | awk '{sub(/.*:/, "", $4); printf "%s ", $4}')"
set --
for port in ${wanted.join(' ')}; do
  case $taken in *" $port "*) ;; *) set -- "$@" "--listen=${host.address}:$port"; echo "$port" ;; esac
done
[ $# -gt 0 ] || exit 0
systemd-run --quiet --collect --unit=${listenerUnit} --property=RuntimeMaxSec=90 \\
  systemd-socket-activate "$@" --inetd --accept /bin/sh -c 'read -r count && head -c "$count" | sha256sum'
left=50
until [ "$(ss -Hltn | grep -cF ${sh(`${host.address}:`)})" -ge $# ] || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 0.1; done
`;
  const { code, stdout } = await context.exec(host.name, script, 30_000);
  return code === 0 ? stdout.split('\n').filter(Boolean).map(Number) : [];
}

async function verdict(
  context: ProbeContext,
  from: Host,
  paths: readonly Path[],
): Promise<Pick<Evidence, 'ok' | 'observed' | 'hint'>> {
  if (paths.length === 0) return { ok: true, observed: 'nobody listens: the ports are taken' };
  const { code, stdout, stderr } = await context.exec(from.name, sendScript(paths), 45_000);
  if (code !== 0) return { ok: false, observed: stderr.trim() || `exit ${code}` };
  const answers = new Map(
    stdout.split('\n').map(line => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
  );
  const bad = paths.flatMap(({ to, port, isMember }) => {
    const answer = answers.get(`${to.address}:${port}`) ?? 'silent';
    return answer === (isMember ? 'open' : sum)
      ? []
      : [{ to, port, answer: answer === 'open' ? 'large packets get lost' : answer }];
  });
  const names = [...new Set(paths.map(({ to }) => to.name))];
  if (bad.length === 0)
    return {
      ok: true,
      observed: `${paths.length === 1 ? 'one port' : `${paths.length} ports`} of ${names.join(', ')}`,
    };
  const [first] = bad;
  return {
    ok: false,
    observed: bad.map(({ to, port, answer }) => `${to.name}:${port} ${answer}`).join(', '),
    hint:
      first?.answer === 'large packets get lost'
        ? `find the size that passes: ping -M do -s 1472 ${first.to.address}, and set that MTU (plus 28) on both machines' network cards and on what is between them`
        : `let ${from.address} in: ${[...new Set(bad.map(({ to }) => to.name))]
            .map(
              name =>
                `on ${name} TCP ${bad
                  .filter(({ to }) => to.name === name)
                  .map(({ port }) => port)
                  .join(', ')}`,
            )
            .join('; ')}; with ufw there: sudo ufw allow from ${from.address}`,
  };
}

// One line a path: ADDRESS:PORT and the sum, 'open' when the connection stood and nothing came back, or why there was none.
function sendScript(paths: readonly Path[]): string {
  const lines = paths.map(({ to, port, isMember }) => `send ${sh(to.address)} ${port} ${isMember ? 0 : bytes} &\n`);
  return `send() {
  said=$(timeout 8 bash -c 'exec 3<>"/dev/tcp/$1/$2" && echo open && if [ "$3" -gt 0 ]; then { echo "$3"; head -c "$3" /dev/zero; } >&3 && cut -c -64 <&3; fi' - "$1" "$2" "$3" 2>&1) || true
  case $said in
    *refused*) said='refuses' ;;
    *'No route'*|*unreachable*) said='is unreachable' ;;
    '') said=silent ;;
    *) said=$(printf '%s\\n' "$said" | tail -n 1) ;;
  esac
  printf '%s\\n' "$1:$2 $said"
}
${lines.join('')}wait
`;
}
