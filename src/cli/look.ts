// The look itself: every machine over SSH and the API through a control plane, side by side, within a deadline. Whatever does not answer is a result.
import { randomBytes } from 'node:crypto';
import { access, constants, readFile } from 'node:fs/promises';
import { machineFragments, readMachine } from '../doctor/gather.ts';
import { apiScript, readApi } from '../doctor/looks/api.ts';
import { edgeScript, readEdge } from '../doctor/looks/edge.ts';
import { logsScript, readLogs } from '../doctor/looks/logs-of-pods.ts';
import { readWebhooks, webhooksScript } from '../doctor/looks/webhooks.ts';
import type { MachineFacts } from '../doctor/machine-facts.ts';
import { listsOf } from '../doctor/objects/read.ts';
import type { MachineLook, Snapshot } from '../doctor/snapshot.ts';
import { joinFragments, splitFrames } from '../engine/frames.ts';
import { inLanes } from '../engine/lanes.ts';
import type { Redactor } from '../engine/redact.ts';
import { createVault } from '../engine/vault.ts';
import { loadInventory } from '../inventory/load.ts';
import { runHere } from '../io/here.ts';
import { stateDir } from '../io/journal.ts';
import { openRuns } from '../io/past-runs.ts';
import { createConnect } from '../io/ssh.ts';
import { tookConnection } from '../io/ssh-errors.ts';
import type { Cluster, Host } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { ExecResult, Remote } from '../model/ports.ts';
import { command } from '../model/shell.ts';
import type { Io, RunOptions } from './session.ts';
import { onInterrupt } from './signals.ts';

/** A machine that has not taken the connection after this long does not answer, milliseconds. */
const connectMs = 5_000;
/** One that took it may be busy. */
const loginMs = 12_000;
/** Whatever a machine has not told by then is not waited for. One that is overloaded is slow, and has the most to tell. */
const machineMs = 30_000;
const apiMs = 15_000;
/** For what is asked once the objects are known. */
const secondMs = 5_000;

export interface LookOptions extends Pick<RunOptions, 'inventory' | 'exclude' | 'trustNewHostKeys'> {
  /** The API is asked with this one, from here. */
  readonly kubeconfig?: string;
}

export async function look(options: LookOptions, io: Io, redactor: Redactor): Promise<Snapshot> {
  const cluster = await loadInventory(options.inventory, { isSketch: true });
  if (options.kubeconfig !== undefined) {
    // Otherwise a slip of the keyboard would look like an API server that is down.
    await access(options.kubeconfig, constants.R_OK).catch((cause: unknown) => {
      throw new HomelabError('HL_USAGE', `--kubeconfig: ${options.kubeconfig} cannot be read`, {
        cause,
        hint: 'leave it out: a control plane is asked over SSH then',
      });
    });
  }
  const interruption = onInterrupt(text => void io.stderr.write(`${text}\n`));
  const open: Remote[] = [];
  try {
    if (io.stderr.isTTY) io.stderr.write(`looking at ${cluster.hosts.length} machines and the API server ...\n`);
    return await lookAt(cluster, options, io, redactor, open, interruption.stop);
  } finally {
    interruption.release();
    await Promise.all(open.map(remote => remote.close()));
  }
}

async function lookAt(
  cluster: Cluster,
  options: LookOptions,
  io: Io,
  redactor: Redactor,
  open: Remote[],
  signal: AbortSignal,
): Promise<Snapshot> {
  const { HOME: home = '', SSH_AUTH_SOCK: sshAuthSock } = io.env;
  const vault = createVault({ env: io.env, readFile: path => readFile(path, 'utf8'), learn: redactor.add });
  const connect = createConnect({
    trustNewHostKeys: options.trustNewHostKeys ?? false,
    resolveSecret: vault.resolve,
    env: { home, ...(sshAuthSock ? { sshAuthSock } : {}) },
    onNote: text => void io.stderr.write(`${text}\n`),
  });
  const hosts = cluster.hosts.filter(({ name }) => !options.exclude?.includes(name));
  const at = Date.now();
  const remotes = new Map<string, Promise<Remote>>(
    hosts.map(host => {
      const remote = connect(host, { timeoutMs: connectMs, loginMs, signal });
      remote.then(
        each => open.push(each),
        () => {},
      );
      return [host.name, remote];
    }),
  );
  const peers = cluster.hosts.map(({ name, address, role }) => ({ name, address, role }));
  const [machines, { asker, ...api }] = await Promise.all([
    inLanes(hosts, hosts.length, host =>
      lookAtMachine(
        host,
        remotes.get(host.name),
        machineFragments({ name: host.name, peers, endpoint: cluster.kubernetes.endpoint }),
        signal,
      ),
    ),
    lookAtApi(askersOf(cluster, hosts, remotes, options, signal)),
  ]);
  throwIfAborted(signal);
  const excluded = cluster.hosts.filter(({ name }) => options.exclude?.includes(name));
  const seen = machines.map((result, index) =>
    result.status === 'fulfilled' ? result.value : unreached(hosts[index], result.reason),
  );
  return {
    at: at + clockOf(api.api.from, seen),
    machines: [
      ...seen.map(each => (each.name === api.api.from ? { ...each, facts: { ...each.facts, ...asker } } : each)),
      ...excluded.map(host => ({
        ...namedAs(host),
        unreached: { kind: 'not asked' as const, says: 'left out by --exclude' },
        facts: {},
        missed: {},
      })),
    ],
    ...api,
    declared: {
      cluster: cluster.name,
      version: cluster.kubernetes.version,
      endpoint: cluster.kubernetes.endpoint ?? '',
      hosts: peers,
    },
    openRuns: await openRuns(stateDir(io.env), cluster.name),
  };
}

async function lookAtMachine(
  host: Host,
  connecting: Promise<Remote> | undefined,
  fragments: ReturnType<typeof machineFragments>,
  signal: AbortSignal,
): Promise<MachineLook> {
  const remote = await connecting;
  if (!remote) throw new Error(`${host.name} was not connected`);
  const mark = `@${randomBytes(9).toString('hex')}`;
  const sentMs = Date.now();
  const said = await remote.exec(joinFragments(fragments, mark), { timeoutMs: machineMs, signal });
  return { ...namedAs(host), ...readMachine(splitFrames(said, fragments, mark), sentMs, Date.now()) };
}

const thisComputer = 'this computer';

/** Somebody who can run kubectl. */
interface Asker {
  readonly from: string;
  readonly kubectl: string;
  exec(script: string, timeoutMs: number): Promise<ExecResult>;
}

/** The first one that has an answer; what the last one said where none has. */
async function lookAtApi(
  askers: readonly Promise<Asker | undefined>[],
): Promise<Pick<Snapshot, 'api' | 'lists' | 'logs'> & { readonly asker: Pick<MachineFacts, 'edge' | 'webhooks'> }> {
  const says = 'no control plane could be asked';
  let answer: Pick<Snapshot, 'api' | 'lists'> = {
    api: { state: 'silent', says, from: '' },
    lists: listsOf(new Map(), says),
  };
  for (const asking of askers) {
    const asker = await asking;
    const said = await asker?.exec(apiScript(asker.kubectl), apiMs).catch(() => undefined);
    if (!asker || !said) continue;
    answer = readApi(said, asker.from);
    if (answer.api.state !== 'answers') continue;
    const second = async (script: string | undefined) =>
      script === undefined ? undefined : await asker.exec(script, secondMs).catch(() => undefined);
    // These are facts of a machine: asked from here they would be nobody's.
    const isMachine = asker.from !== thisComputer;
    const [lines, pages, hooks] = await Promise.all([
      second(logsScript(asker.kubectl, answer.lists)),
      isMachine ? second(edgeScript(answer.lists)) : undefined,
      isMachine ? second(webhooksScript(answer.lists)) : undefined,
    ]);
    return {
      ...answer,
      logs: lines ? readLogs(lines) : [],
      asker: { ...(pages && { edge: readEdge(pages) }), ...(hooks && { webhooks: readWebhooks(hooks) }) },
    };
  }
  return { ...answer, logs: [], asker: {} };
}

const requestSeconds = 5;

/** Control planes, beside the reading of their own facts; then this computer, where a kubeconfig was named or none of them is reached. */
function askersOf(
  cluster: Cluster,
  hosts: readonly Host[],
  remotes: ReadonlyMap<string, Promise<Remote>>,
  { kubeconfig }: LookOptions,
  signal: AbortSignal,
): readonly Promise<Asker | undefined>[] {
  const there = hosts
    .filter(({ role }) => role === 'control-plane')
    .map(async ({ name }): Promise<Asker | undefined> => {
      const remote = await remotes.get(name)?.catch(() => undefined);
      return (
        remote && {
          from: name,
          kubectl: adminKubectl(requestSeconds),
          exec: (script, timeoutMs) => remote.exec(script, { timeoutMs, signal, beside: true }),
        }
      );
    });
  const which = kubeconfig === undefined ? command(`--context=${cluster.name}`) : command(`--kubeconfig=${kubeconfig}`);
  const here: Asker = {
    from: thisComputer,
    kubectl: `kubectl ${which} --request-timeout=${requestSeconds}s`,
    exec: (script, timeoutMs) => runHere(script, { timeoutMs, signal }),
  };
  if (kubeconfig !== undefined) return [Promise.resolve(here)];
  // Who was logged in on a control plane has asked the API server itself.
  const fallback = Promise.all(there).then(askers => (askers.some(Boolean) ? undefined : here));
  return [...there, fallback];
}

/** What the clock that the API's times come from is ahead of ours, milliseconds: rules compare with those times. */
export function clockOf(from: string, machines: readonly MachineLook[]): number {
  const { offsetMs = 0, uncertaintyMs = 0 } = machines.find(({ name }) => name === from)?.facts.clock ?? {};
  return Math.abs(offsetMs) > uncertaintyMs ? offsetMs : 0;
}

function namedAs({ name, address, role }: Host): Pick<MachineLook, 'name' | 'address' | 'role'> {
  return { name, address, role };
}

function unreached(host: Host | undefined, reason: unknown): MachineLook {
  // Anything but a failure that is known for what it is is our bug.
  if (!host || !(reason instanceof HomelabError)) throw reason;
  const answered =
    reason.code === 'HL_SSH_AUTH' || reason.code === 'HL_SUDO' || reason.code.startsWith('HL_SSH_HOST_KEY');
  return {
    ...namedAs(host),
    unreached: {
      kind: answered ? 'refused' : 'no answer',
      says: reason.message,
      ...(tookConnection(reason) ? { tookConnection: true } : {}),
    },
    facts: {},
    missed: {},
  };
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new HomelabError('HL_CANCELLED', 'interrupted; nothing was changed');
}
