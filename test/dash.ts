// Scripts run by the shell that machines run them with: Debian's sh, stdin closed off, C locale.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DashOptions {
  /** Stands before everything else on PATH: a folder of stand-ins for apt-get and friends. */
  readonly bin?: string;
  /** What the shell is started by: ['unshare', '-m']. */
  readonly by?: readonly string[];
  readonly timeoutMs?: number;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function dash(script: string, { bin, by = [], timeoutMs = 15_000 }: DashOptions = {}): Said {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-dash-'));
  try {
    const file = join(dir, 'script');
    writeFileSync(file, script);
    const [command = '', ...args] = [...by, 'dash', file];
    const { status, stdout, stderr, error } = spawnSync(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { LC_ALL: 'C', PATH: bin === undefined ? path : `${bin}:${path}` },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      timeout: timeoutMs,
    });
    if (error) throw error;
    return { code: status ?? -1, stdout, stderr };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
