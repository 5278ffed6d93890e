// The outside, as the engine sees it. io/ implements these for real, tests with fakes.
import type { Host } from './cluster.ts';

export interface ExecOptions {
  /** Enforced on the machine (timeout --kill-after) and, a little later, here. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** On a channel of its own, beside whatever runs: a sign of life must not wait for an upload. */
  readonly beside?: boolean;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface UploadOptions {
  readonly sha256: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** sh that ends with another status than 0 when it may not be: before anything is written, and again before the file gets its name. */
  readonly guard?: string;
}

/** One open connection to one machine. Calls queue: one remote command at a time. */
export interface Remote {
  readonly host: string;
  /**
   * Runs a POSIX sh script as root. The script travels on stdin, never in argv; its own stdin is /dev/null.
   * Resolves with any exit code, 124 when the remote deadline struck. Throws HomelabError HL_SSH_LOST when the connection
   * ends first, HL_SUDO when root is not to be had, HL_CANCELLED when the signal aborted.
   */
  exec(script: string, options: ExecOptions): Promise<ExecResult>;
  /** Copies a local file to a root-owned path (0600), unless a file with that sum is there already. */
  upload(localPath: string, remotePath: string, options: UploadOptions): Promise<void>;
  close(): Promise<void>;
}

/** A machine rather than a connection: one that was lost can be had again. */
export interface LastingRemote extends Remote {
  /** Closes what is left of the connection and waits for a new one; throws like `Connect`. */
  reconnect(options: ExecOptions): Promise<void>;
}

export interface ConnectOptions extends ExecOptions {
  /** For a machine that took the connection within timeoutMs and is slow to log us in; as long as timeoutMs without it. */
  readonly loginMs?: number;
}

/** Opens connections; throws HomelabError HL_SSH_* with the next thing to type. */
export type Connect = (host: Host, options: ConnectOptions) => Promise<Remote>;

/** Time comes in from outside so that tests own it. */
export interface Clock {
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
