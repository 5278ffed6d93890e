// What carries a lab's machines: containers that share this machine's kernel, or QEMU machines that have their own.
import type { RootOptions } from './debian-root.ts';
import type { ExecOptions, GuestKeys } from './guest.ts';
import type { ProcessRecord } from './processes.ts';
import type { Output } from './run.ts';
import type { GuestState, LabState } from './state.ts';

export interface Carrier {
  /** The folder that all disks are made from. */
  ensureBase(options: RootOptions): Promise<string>;
  /** Once: what tells this machine from the others is written. */
  prepareDisk(lab: LabState, guest: GuestState, keys: GuestKeys): Promise<void>;
  /** Switches it on; one that is on stays as it is. Returns before it has booted. */
  start(lab: LabState, guest: GuestState): Promise<void>;
  /** As a power cut. */
  end(lab: LabState, guest: GuestState): Promise<void>;
  dismantle(lab: LabState, guest: GuestState): Promise<void>;
  exec(lab: LabState, guest: GuestState, argv: readonly [string, ...string[]], options?: ExecOptions): Promise<Output>;
  /** The process that the machine is or lives in; undefined while it is off. */
  running(lab: LabState, guest: GuestState): Promise<ProcessRecord | undefined>;
  isFrozen(lab: LabState, guest: GuestState): Promise<boolean>;
  setFrozen(lab: LabState, guest: GuestState, frozen: boolean): Promise<void>;
  setCable(lab: LabState, guest: GuestState, state: 'up' | 'down'): Promise<void>;
  /** A tidy one; resolves when the new boot has begun. */
  reboot(lab: LabState, guest: GuestState): Promise<void>;
  /** How long a boot may take. */
  readonly bootMs: number;
  /** How long sshd may take to answer. */
  readonly answerMs: number;
}
