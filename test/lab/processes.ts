// Processes that we started: recognised by pid and start time, so that a pid used again is never mistaken for ours.
import { readdir, readFile } from 'node:fs/promises';
import process from 'node:process';
import { isMissing, readText } from './files.ts';

export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks from the host's boot to the process's start: field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

interface Stat extends ProcessRecord {
  readonly parent: number;
  readonly state: string;
}

/** The command name stands in parentheses and may hold anything, so fields are counted after the last one. */
export function parseStat(text: string): Stat | undefined {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, startTime] = [fields[0], fields[1], fields[19]];
  if (!Number.isSafeInteger(pid) || state === undefined || parent === undefined || startTime === undefined) return;
  return { pid, startTime, parent: Number(parent), state };
}

async function readStat(pid: number): Promise<Stat | undefined> {
  try {
    return parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The record when it is alive and still the same process; a zombie is not alive. */
export async function alive(record: ProcessRecord): Promise<boolean> {
  const stat = await readStat(record.pid);
  return stat !== undefined && stat.startTime === record.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Ends the recorded process and nothing else. */
export async function kill(record: ProcessRecord): Promise<void> {
  if (await alive(record)) signalKill(record.pid);
}

/** For pids just read from a control group that is ours. */
export function signalKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** The grandchild that is process 1 of its own namespace: a guest's init, below nspawn, below its power supply. */
export async function findInit(grandparent: number): Promise<ProcessRecord | undefined> {
  const stats: Stat[] = [];
  for (const name of await readdir('/proc')) {
    const stat = /^[0-9]+$/.test(name) ? await readStat(Number(name)) : undefined;
    if (stat !== undefined && stat.state !== 'Z') stats.push(stat);
  }
  const parents = new Set(stats.filter(({ parent }) => parent === grandparent).map(({ pid }) => pid));
  for (const { pid, parent, startTime } of stats) {
    if (!parents.has(parent)) continue;
    const status = (await readText(`/proc/${pid}/status`)) ?? '';
    if (/^NSpid:(\t[0-9]+)+\t1$/m.test(status)) return { pid, startTime };
  }
  return undefined;
}
