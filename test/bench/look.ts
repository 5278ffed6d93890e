// One reading of a lab's machines by the product's own engine, outside of a run.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventBus } from '../../src/engine/events.ts';
import { createMachine, type Machine } from '../../src/engine/machine.ts';
import { questionsOf } from '../../src/engine/questions.ts';
import { type Survey, survey } from '../../src/engine/run.ts';
import { stationOver } from '../../src/engine/station.ts';
import { createVault } from '../../src/engine/vault.ts';
import { loadInventory } from '../../src/inventory/load.ts';
import { connectLasting } from '../../src/io/lasting.ts';
import { createConnect } from '../../src/io/ssh.ts';
import type { Clock } from '../../src/model/ports.ts';
import { phases } from '../../src/phases/index.ts';

const clock: Clock = { now: Date.now, sleep: ms => delay(ms) };

/** What `homelab plan` without a bundle finds, as data. Changes nothing. */
export async function look(inventory: string, signal: AbortSignal): Promise<Survey> {
  const cluster = await loadInventory(inventory);
  const goal = { cluster, bundle: undefined };
  const vault = createVault({ env: process.env, readFile: path => readFile(path, 'utf8'), learn: () => undefined });
  const connect = createConnect({
    trustNewHostKeys: false,
    resolveSecret: vault.resolve,
    env: { home: homedir() },
    onNote: () => undefined,
  });
  const machines: Machine[] = [];
  try {
    for (const host of cluster.hosts) {
      const station = stationOver(await connectLasting(connect, host, { timeoutMs: 30_000, signal }, clock));
      const silent = { onCommand: () => undefined, onNote: () => undefined };
      machines.push(
        createMachine(station, questionsOf(goal, host), { vault, clock, ...silent, run: 'look', who: '-' }),
      );
    }
    return await survey({
      goal,
      phases,
      isChosen: () => true,
      machines: new Map(machines.map(machine => [machine.host, machine])),
      bus: createEventBus({ clock, redact: text => text, sinks: [] }),
      clock,
      fork: cluster.hosts.length,
      steal: false,
      stop: signal,
      abort: signal,
      rehearsal: undefined,
      approve: async () => undefined,
      isApproved: () => false,
    });
  } finally {
    await Promise.all(machines.map(machine => machine.close()));
  }
}
