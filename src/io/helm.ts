// Helm on this machine: what a chart becomes with these values. It reaches nothing, and nothing of the user's own Helm counts.
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import type { JsonObject } from '../model/cluster.ts';

export interface Rendered {
  /** What was made of it, YAML documents; undefined: Helm refused. */
  readonly manifest: string | undefined;
  readonly stderr: string;
}

export interface RenderOptions {
  /** A chart's .tgz. */
  readonly chart: string;
  readonly release: string;
  readonly namespace: string;
  /** 'v1.31.1'. */
  readonly kubernetes: string;
  readonly values: JsonObject;
}

/** `file` is copied first: a bundle may be on a disk that nothing is run from, and its files need not be executable. */
export async function withHelm<T>(
  file: string,
  signal: AbortSignal,
  work: (render: (options: RenderOptions) => Promise<Rendered>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'homelab-helm-'));
  const helm = join(folder, 'helm');
  const places = ['CACHE', 'CONFIG', 'DATA'].map(each => [`HELM_${each}_HOME`, join(folder, each.toLowerCase())]);
  try {
    await copyFile(file, helm);
    await chmod(helm, 0o700);
    return await work(async ({ chart, release, namespace, kubernetes, values }) => {
      const target = ['--namespace', namespace, '--kube-version', kubernetes];
      // Values on stdin: they may hold secrets. Pods of a chart's tests are never made.
      const argv = ['template', release, resolve(chart), ...target, '--skip-tests', '--values', '-'];
      const result = await execa(helm, argv, {
        cwd: folder,
        env: { HOME: folder, ...Object.fromEntries(places) },
        extendEnv: false,
        input: JSON.stringify(values),
        reject: false,
        cancelSignal: signal,
        timeout: 120_000,
      });
      return {
        manifest: result.failed ? undefined : result.stdout,
        stderr: result.stderr || String(result.shortMessage ?? ''),
      };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
