// What a run asks of a machine when it changes it. Over SSH it is sh; a simulation answers without a machine.
import type { FenceRequest } from '../model/fence.ts';
import type { Upload } from '../model/plan.ts';
import type { ExecOptions, ExecResult, LastingRemote } from '../model/ports.ts';
import { type Asker, fenceScript, guarded, type Work, waitScript, workScript } from './fence-script.ts';

export interface Station {
  readonly host: string;
  /** Claim, renew or release. */
  ask(request: FenceRequest, asker: Asker, options: ExecOptions): Promise<ExecResult>;
  /** Begins a work, or waits for the one of this number; ends with what it ended with. */
  work(work: Work, run: string, asker: Asker, options: ExecOptions): Promise<ExecResult>;
  /** Waits for what an interrupted run began. */
  wait(unit: string, options: ExecOptions): Promise<ExecResult>;
  /** A script that changes nothing of importance. With `claim` it runs only while the run holds the machine. */
  exec(
    script: string,
    options: ExecOptions,
    claim?: { readonly run: string; readonly asker: Asker },
  ): Promise<ExecResult>;
  /** Only while the run holds the machine. */
  upload(upload: Upload, run: string, asker: Asker, options: ExecOptions): Promise<void>;
  reconnect(options: ExecOptions): Promise<void>;
  close(): Promise<void>;
}

// Beyond the unit's own deadline: systemd ends it, and tells.
const graceMs = 20_000;

export function stationOver(remote: LastingRemote): Station {
  return {
    host: remote.host,
    ask: (request, asker, options) => remote.exec(fenceScript(request, asker), options),
    work: (work, run, asker, { timeoutMs, ...options }) =>
      remote.exec(workScript(work, run, asker), { ...options, timeoutMs: timeoutMs + graceMs }),
    wait: (unit, options) => remote.exec(waitScript(unit), options),
    exec: (script, options, claim) => remote.exec(claim ? guarded(script, claim.run, claim.asker) : script, options),
    upload: ({ localPath, remotePath, sha256 }, run, asker, options) =>
      remote.upload(localPath, remotePath, { ...options, sha256, guard: fenceScript({ kind: 'renew', run }, asker) }),
    reconnect: options => remote.reconnect(options),
    close: () => remote.close(),
  };
}
