// homelab status: one remote command a machine, side by side; whatever does not answer is a line. Changes nothing.
import { randomBytes } from 'node:crypto';
import { health } from '../doctor/looks/control-plane.ts';
import { apiNowFragment } from '../engine/api.ts';
import { clockFragment, factFragments, parseReading, type Reading } from '../engine/facts.ts';
import { type Fragment, type Frame, joinFragments, splitFrames } from '../engine/frames.ts';
import { inLanes } from '../engine/lanes.ts';
import { createRedactor } from '../engine/redact.ts';
import { loadInventory } from '../inventory/load.ts';
import { stateDir } from '../io/journal.ts';
import { lastRun } from '../io/past-runs.ts';
import { backupLastKey } from '../model/backup.ts';
import type { ListedCertificate } from '../model/certificates.ts';
import type { Cluster, Host } from '../model/cluster.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import { type ClusterStatus, isWell, type MachineStatus } from '../model/status.ts';
import { endpointOf } from '../model/world.ts';
import { listCertificates } from '../phases/certificate-list.ts';
import { outputMode } from '../render/choose.ts';
import { paletteFor } from '../render/color.ts';
import { marksFor } from '../render/marks.ts';
import { formatStatus } from '../render/status.ts';
import { isCa, parseCertificates, readCertificates } from '../resources/certificates.ts';
import { connector } from './connector.ts';
import type { Io, RunOptions } from './session.ts';
import { onInterrupt } from './signals.ts';

export type StatusOptions = Pick<RunOptions, 'inventory' | 'exclude' | 'trustNewHostKeys'> & {
  readonly output?: 'plain' | 'json';
};

const connectMs = 5_000;
const lookMs = 30_000;

export async function runStatus(options: StatusOptions, io: Io): Promise<number> {
  const cluster = await loadInventory(options.inventory, { isSketch: true });
  const redactor = createRedactor();
  const interruption = onInterrupt(text => void io.stderr.write(`${text}\n`));
  try {
    const connect = connector(io, options, redactor.add);
    const hosts = cluster.hosts.filter(({ name }) => !options.exclude?.includes(name));
    const results = await inLanes(hosts, hosts.length, async (host): Promise<Seen> => {
      const remote = await connect(host, { timeoutMs: connectMs, signal: interruption.stop });
      try {
        return await lookAt(host, (script, timeoutMs) => remote.exec(script, { timeoutMs, signal: interruption.stop }));
      } finally {
        await remote.close();
      }
    });
    if (interruption.stop.aborted) throw new HomelabError('HL_CANCELLED', 'interrupted; nothing was changed');
    const status = statusOf(cluster, hosts, results, await lastRun(stateDir(io.env), cluster.name));
    const text =
      options.output === 'json' || outputMode({ ...io, output: options.output }) === 'json'
        ? `${JSON.stringify(status)}\n`
        : formatStatus(status, {
            color: await paletteFor(io.stdout, io.env),
            marks: marksFor(io.env),
            nowMs: Date.now(),
          });
    io.stdout.write(redactor.redact(text));
    if (status.machines.some(({ unreached }) => unreached !== undefined)) return exitCodes.reach;
    return isWell(status) ? exitCodes.ok : exitCodes.verify;
  } finally {
    interruption.release();
  }
}

interface Seen {
  readonly reading: Reading;
  readonly parts: NonNullable<MachineStatus['parts']>;
  readonly certificates: readonly ListedCertificate[];
}

/** All of it in one command. */
export function statusFragments({ role }: Pick<Host, 'role'>): readonly Fragment[] {
  return [
    ...factFragments,
    ...(role === 'control-plane' ? [apiNowFragment] : []),
    { id: 'health', script: health.script({ peers: [], endpoint: undefined }) },
    { id: 'certificates', script: readCertificates },
    clockFragment,
  ];
}

async function lookAt(
  host: Host,
  exec: (
    script: string,
    timeoutMs: number,
  ) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>,
): Promise<Seen> {
  const fragments = statusFragments(host);
  const mark = `@${randomBytes(9).toString('hex')}`;
  const sentMs = Date.now();
  const result = await exec(joinFragments(fragments, mark), lookMs);
  if (result.code === 124)
    throw new HomelabError('HL_OBSERVE', `it did not finish answering within ${lookMs / 1000} s`, {
      context: { host: host.name },
    });
  return readStatus(host, splitFrames(result, fragments, mark), sentMs, Date.now());
}

/** A machine without a cluster has neither parts nor certificates. */
export function readStatus(host: Host, frames: ReadonlyMap<string, Frame>, sentMs: number, receivedMs: number): Seen {
  const reading = parseReading(host.name, '', frames, sentMs, receivedMs);
  const isBare = reading.facts.membership.state === 'absent';
  const said = (id: string) => (isBare || frames.get(id)?.code !== 0 ? '' : (frames.get(id)?.stdout ?? ''));
  const times = { beginMs: sentMs, endMs: receivedMs, sentMs, receivedMs };
  return {
    reading,
    parts: said('health') === '' ? {} : (health.parse(said('health'), times).health ?? {}),
    certificates:
      said('certificates') === '' ? [] : listCertificates(host.name, parseCertificates(said('certificates'))),
  };
}

export function statusOf(
  cluster: Cluster,
  hosts: readonly Host[],
  results: readonly PromiseSettledResult<Seen>[],
  last: ClusterStatus['lastRun'],
): ClusterStatus {
  const seen = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
  const api = seen.map(({ reading }) => reading).find(({ nodes }) => nodes !== 'unknown');
  const [first] = seen
    .flatMap(({ certificates }) => certificates)
    // A CA lasts ten years, and nobody renews it.
    .flatMap(({ host, path, endsAt, daysLeft }) =>
      endsAt !== null && daysLeft !== null && !isCa(path) ? [{ host, path, endsAt, daysLeft }] : [],
    )
    .toSorted((left, right) => left.endsAt.localeCompare(right.endsAt));
  const [made, host] = api?.proofs[backupLastKey]?.split(' ') ?? [];
  return {
    cluster: cluster.name,
    endpoint: endpointOf({ cluster, bundle: undefined }),
    wanted: cluster.kubernetes.version,
    ...(api && api.live !== 'unknown' ? { running: api.live.version } : {}),
    machines: hosts.map((each, index) => machineStatus(each, results[index])),
    ...(api && api.nodes !== 'unknown'
      ? {
          nodes: api.nodes.map(({ name, ready, unschedulable, kubeletVersion }) => ({
            name,
            ready,
            cordoned: unschedulable,
            version: `v${kubeletVersion}`,
          })),
        }
      : {}),
    ...(first ? { certificate: first } : {}),
    ...(made !== undefined && host !== undefined ? { backup: { made, host } } : {}),
    ...(last ? { lastRun: { command: last.command, startedAt: last.startedAt, says: last.says } } : {}),
  };
}

function machineStatus({ name, address, role }: Host, result: PromiseSettledResult<Seen> | undefined): MachineStatus {
  if (result?.status === 'fulfilled') {
    const { reading, parts } = result.value;
    const { membership, kubelet, containerd } = reading.facts;
    return { name, address, role, membership: membership.state, kubelet, containerd, parts };
  }
  // Anything but a failure that is known for what it is is our bug.
  if (!(result?.reason instanceof HomelabError)) throw result?.reason;
  return { name, address, role, unreached: result.reason.message };
}
