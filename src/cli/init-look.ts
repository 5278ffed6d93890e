// Looks at machines that no inventory has yet: as many as there are side by side; what does not answer is said, and is no failure.
import { dirname, resolve } from 'node:path';
import { lookFirst } from '../engine/first-look.ts';
import { inLanes } from '../engine/lanes.ts';
import { createRedactor } from '../engine/redact.ts';
import { parseReference } from '../inventory/secrets.ts';
import type { Host } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import type { FirstLook } from '../model/first-look.ts';
import { otherKubernetesScript } from '../phases/preflight/leftovers.ts';
import { connector } from './connector.ts';
import type { NamedMachine } from './init-flags.ts';
import type { Io } from './session.ts';

export interface Way {
  readonly user: string | undefined;
  readonly identityFile: string | undefined;
  readonly sudoPassword: string | undefined;
  /** Of the inventory: what its references are relative to. */
  readonly out: string;
}

/** Keys that nobody knew: 'k8s-cp (192.168.0.10 port 22)' → 'ssh-ed25519 SHA256:…'. */
export type NewKeys = ReadonlyMap<string, string>;

export interface Looked {
  readonly machine: NamedMachine;
  readonly seen: FirstLook | HomelabError;
}

const connectMs = 10_000;
const lookMs = 45_000;
const atATime = 10;

/** `trusted`: keys that the user said yes to, or all of them. `shown` is filled with those that nobody knew. */
export async function lookAtMachines(
  machines: readonly NamedMachine[],
  way: Way,
  trusted: 'all' | NewKeys,
  shown: Map<string, string>,
  io: Io,
  signal: AbortSignal,
): Promise<readonly Looked[]> {
  const connect = connector(
    io,
    {
      trustNewHostKeys: (machine, key) => {
        if (trusted === 'all' || trusted.get(machine) === key) return true;
        shown.set(machine, key);
        return false;
      },
    },
    createRedactor().add,
  );
  const results = await inLanes(machines, atATime, async machine => {
    const remote = await connect(hostOf(machine, way, io.env['HOME'] ?? ''), { timeoutMs: connectMs, signal });
    try {
      return await lookFirst(remote, otherKubernetesScript, { timeoutMs: lookMs, signal });
    } finally {
      await remote.close();
    }
  });
  if (signal.aborted) throw new HomelabError('HL_CANCELLED', 'interrupted; nothing was written');
  return machines.map((machine, index): Looked => {
    const result = results[index];
    if (result?.status === 'fulfilled') return { machine, seen: result.value };
    // Anything but a failure that is known for what it is is our bug.
    if (!(result?.reason instanceof HomelabError)) throw result?.reason;
    return { machine, seen: result.reason };
  });
}

function hostOf({ name, address, port, role = 'worker' }: NamedMachine, way: Way, home: string): Host {
  const places = { dir: dirname(resolve(way.out)), home };
  return {
    name: name ?? address,
    role,
    address,
    labels: {},
    taints: [],
    nicPower: { level: 1, remedies: [] },
    ssh: {
      user: way.user,
      port,
      identityFile: way.identityFile,
      knownHosts: undefined,
      hostKey: undefined,
      proxyJump: undefined,
      sudoPassword: way.sudoPassword === undefined ? undefined : parseReference(way.sudoPassword, places),
    },
  };
}
