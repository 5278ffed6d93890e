// Machines that answer from a cassette: the same commands in the same order, or the test fails with the one that nobody expected.
import { createMachine, type Machine } from '../src/engine/machine.ts';
import { questionsOf } from '../src/engine/questions.ts';
import { createRedactor } from '../src/engine/redact.ts';
import { stationOver } from '../src/engine/station.ts';
import { createVault } from '../src/engine/vault.ts';
import { anyRun, type Cassette, type Exchange, markPlace, marks } from '../src/io/cassette.ts';
import type { Clock, LastingRemote } from '../src/model/ports.ts';
import { hostsOf } from '../src/model/world.ts';
import { endlessSleep } from './stations.ts';

export interface Replay {
  readonly machines: ReadonlyMap<string, Machine>;
  /** Exchanges that nobody asked for, by machine. */
  left(): Readonly<Record<string, number>>;
}

export function replay({ goal, exchanges }: Cassette): Replay {
  const redactor = createRedactor();
  const vault = createVault({
    env: process.env,
    readFile: async path => {
      throw new Error(`${path} is not on the cassette`);
    },
    learn: redactor.add,
  });
  const left = new Map(Object.entries(exchanges).map(([host, list]) => [host, [...list]]));
  const machines = hostsOf(goal)
    .filter(host => left.has(host.name))
    .map(host => {
      const mine = left.get(host.name) ?? [];
      const { remote, clock } = playing(host.name, mine, redactor.redact);
      return createMachine(stationOver(remote), questionsOf(goal, host), {
        ...anyRun,
        vault,
        clock,
        onCommand: () => undefined,
        onNote: () => undefined,
      });
    });
  return {
    machines: new Map(machines.map(machine => [machine.host, machine])),
    left: () => Object.fromEntries([...left].map(([host, list]) => [host, list.length])),
  };
}

function playing(host: string, exchanges: Exchange[], redact: (text: string) => string) {
  let now = 0;
  const clock: Clock = { now: () => now, sleep: endlessSleep };
  const remote: LastingRemote = {
    host,
    async exec(script) {
      const next = exchanges.shift();
      const asked = redact(script.replace(marks, markPlace));
      if (next === undefined || 'upload' in next || next.script !== asked) {
        throw new Error(`${host}: not on the cassette:\n${difference(next, asked)}`);
      }
      const { code, stdout, stderr, sentMs, receivedMs } = next;
      now = sentMs;
      // The clock moves between question and answer, as it did.
      await Promise.resolve();
      now = receivedMs;
      const [mark = markPlace] = script.match(marks) ?? [];
      const said = (text: string) => text.replaceAll(markPlace, mark);
      return { code, stdout: said(stdout), stderr: said(stderr), durationMs: receivedMs - sentMs };
    },
    async upload(_, remotePath, { sha256 }) {
      const next = exchanges.shift();
      if (next === undefined || !('upload' in next) || next.upload !== remotePath || next.sha256 !== sha256)
        throw new Error(`${host}: not on the cassette: upload of ${remotePath}`);
    },
    async reconnect() {
      throw new Error(`${host}: a cassette has no connection to lose`);
    },
    close: async () => undefined,
  };
  return { remote, clock };
}

function difference(next: Exchange | undefined, asked: string): string {
  if (next === undefined) return `nothing more was recorded, asked was\n${asked}`;
  if ('upload' in next) return `recorded was an upload of ${next.upload}, asked was\n${asked}`;
  const [recorded, now] = [next.script.split('\n'), asked.split('\n')];
  const at = recorded.findIndex((line, index) => line !== now[index]);
  return `line ${at + 1} was\n  ${recorded[at]}\nand is\n  ${now[at]}\nin\n${asked.slice(0, 400)}`;
}
