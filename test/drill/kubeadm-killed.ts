// kubeadm ends in each of its phases, as when the power fails. Afterwards the plain re-run, or the cure that it names, must lead to a cluster.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Lab } from '../lab/machines.ts';
import { failuresOf, finished, type HomelabRun } from '../lab/run-homelab.ts';
import { freshLab, homelab, inside, inventoryOf } from '../lab/test-lab.ts';

export const kinds = ['init', 'join', 'join-control-plane'] as const;

type Which = (typeof kinds)[number];

/** Words in brackets that kubeadm 1.31 prints, in its order (cmd/kubeadm/app/cmd/phases). */
const phases: Readonly<Record<Which, readonly string[]>> = {
  init: [
    'preflight',
    'certs',
    'kubeconfig',
    'etcd',
    'control-plane',
    'kubelet-start',
    'wait-control-plane',
    'api-check',
    'upload-config',
    'mark-control-plane',
    'bootstrap-token',
    'kubelet-finalize',
    'addons',
  ],
  join: ['preflight', 'kubelet-start', 'kubelet-check'],
  'join-control-plane': [
    'preflight',
    'download-certs',
    'certs',
    'kubeconfig',
    'control-plane',
    'check-etcd',
    'kubelet-start',
    'kubelet-check',
    'etcd',
    'mark-control-plane',
  ],
};

const victimOf = { init: 'k8s-cp', join: 'k8s-worker1', 'join-control-plane': 'k8s-worker1' } as const;

const rolesIn = {
  init: { 'k8s-cp': 'control-plane' },
  join: { 'k8s-cp': 'control-plane', 'k8s-worker1': 'worker' },
  'join-control-plane': { 'k8s-cp': 'control-plane', 'k8s-worker1': 'control-plane' },
} as const;

interface Outcome {
  /** What the machine had been left as: the re-run went on from there, or said what to type. */
  readonly then: string;
  readonly seconds: number;
  readonly ok: boolean;
}

/** Exit code: 0 when every case ended in a proven cluster. */
export async function kubeadmKilled(options: { readonly only?: Which; readonly anew?: boolean }): Promise<number> {
  const file = path.join(tmpdir(), 'homelab-drill-kubeadm-killed.json');
  const done: Record<string, Outcome> =
    options.anew || !existsSync(file) ? {} : (JSON.parse(await readFile(file, 'utf8')) as Record<string, Outcome>);
  for (const which of kinds.filter(each => (options.only ?? each) === each)) {
    const left = phases[which].filter(phase => done[`${which}/${phase}`]?.ok !== true);
    if (left.length === 0) continue;
    const lab = await freshLab('drill-kubeadm', Object.keys(rolesIn[which]).length);
    const inventory = await inventoryOf(lab, which, rolesIn[which]);
    const run = (...args: readonly string[]) => homelab(lab, [...args, '--yes'], inventory);
    try {
      for (const phase of left) {
        const outcome = await drill(lab, run, which, phase);
        // The next case begins with a bare machine, however this one ended.
        if (!outcome.ok) await run('reset', victimOf[which]);
        done[`${which}/${phase}`] = outcome;
        await writeFile(file, JSON.stringify(done));
        console.log(lineOf(`${which}/${phase}`, outcome));
      }
    } finally {
      await lab.down();
    }
  }
  console.log(`\nall so far (${file}):`);
  for (const [name, outcome] of Object.entries(done)) console.log(lineOf(name, outcome));
  return Object.values(done).every(({ ok }) => ok) ? 0 : 1;
}

type Run = (...args: readonly string[]) => Promise<HomelabRun>;

async function drill(lab: Lab, run: Run, which: Which, phase: string): Promise<Outcome> {
  const begun = performance.now();
  const victim = victimOf[which];
  const bootstrap = () => run('bootstrap', '--bundle', lab.bundle ?? '');
  await inside(lab, victim, `rm -f ${logOf(which)}`);
  await inside(lab, victim, killer(which, phase));
  const first = await bootstrap();
  if (first.code === 0) {
    await run('reset', victim);
    return after(begun, 'it came through before the kill: nothing was shown', false);
  }
  const again = await bootstrap();
  const cure = again.code === 0 ? undefined : cureOf(again, victim);
  if (again.code !== 0 && cure === undefined)
    return after(begun, `exit ${again.code} without a cure: ${saidBy(again)}`, false);
  if (cure !== undefined) {
    const reset = await run('reset', victim);
    if (reset.code !== 0) return after(begun, `${cure} ended with ${reset.code}`, false);
  }
  const last = cure === undefined ? again : await bootstrap();
  const ok = last.code === 0 && finished(last).predictionErrors === 0;
  const clean = await run('reset', victim);
  return after(begun, cure ?? 'went on by itself', ok && clean.code === 0);
}

const logOf = (which: Which): string => `/var/log/homelab/kubeadm-${which === 'init' ? 'init' : 'join'}.log`;

function saidBy(run: HomelabRun): string {
  return failuresOf(run)
    .map(({ message, details, stderr }) => [message, ...details, stderr].join(' '))
    .join('; ');
}

function cureOf(run: HomelabRun, host: string): string | undefined {
  const said = failuresOf(run).flatMap(({ details }) => details);
  return said.some(line => line.includes(`homelab reset ${host}`)) ? `homelab reset ${host}` : undefined;
}

/** sh: waits in the background for kubeadm to name the phase, and kills it there. */
function killer(which: Which, phase: string): string {
  return `systemctl stop homelab-drill.service 2>/dev/null || true
systemd-run --quiet --collect --unit=homelab-drill --property=RuntimeMaxSec=1800 \\
  sh -c 'until grep -qF "[${phase}]" ${logOf(which)} 2>/dev/null; do sleep 0.02; done; pkill -9 -x kubeadm'
`;
}

function after(begun: number, then: string, ok: boolean): Outcome {
  return { then, seconds: Math.round((performance.now() - begun) / 1000), ok };
}

function lineOf(name: string, { then, seconds, ok }: Outcome): string {
  return `${ok ? '✔' : '✖'} ${name.padEnd(26)} ${String(seconds).padStart(4)} s  ${then}`;
}
