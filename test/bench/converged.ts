// A second run that has nothing to do, against three ways to find that out.
import { parseEvents } from './critical-path.ts';
import type { BenchLab } from './lab.ts';
import { labMissing } from './lab.ts';
import { look } from './look.ts';
import { type Measurement, pairedRatio, seconds } from './measurement.ts';
import { rivalsMissing, rivalsOf } from './rivals.ts';
import type { Row, RowContext } from './row.ts';
import { timed } from './timed.ts';

const mostCommands = 3;
const leastTimesFaster = 20;

export const converged: Row = {
  id: 'converged',
  title: 'converged bootstrap of four machines against Ansible, pyinfra and four parallel ssh HOST true',
  missing: async () => (await labMissing()) ?? (await rivalsMissing()),
  async run(context: RowContext) {
    const { runs = 3, log, signal } = context;
    const bench = await context.lab();
    // The row before this one may have built the cluster; then this only adds the repositories, which everybody checks too.
    await bench.bootstrap('bundle');
    await bench.bootstrap('repositories');
    const rivals = await rivalsOf(bench, await look(bench.lab.inventoryPath, signal), log);
    const contestants = [
      { name: 'homelab', run: () => bench.bootstrap('repositories') },
      ...rivals,
      { name: 'ssh HOST true', run: () => fourConnections(bench) },
    ];
    const wallMs = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
    let commands = 0;
    // In turn, so that every run of ours has a neighbour of each; the first round warms caches and is not counted.
    for (let run = -1; run < runs; run++) {
      for (const { name, run: once } of contestants) {
        const result = await once();
        log(`converged, run ${run + 1}: ${name} ${(result.wallMs / 1000).toFixed(2)} s`);
        if (run < 0) continue;
        wallMs.get(name)?.push(result.wallMs);
        if (name === 'homelab') commands = Math.max(commands, commandsOf(result.stdout));
      }
    }
    const of = (name: string) => wallMs.get(name) ?? [];
    const ours = of('homelab');
    return [
      {
        what: 'remote commands, of the machine with most',
        value: commands,
        unit: 'commands',
        budget: { atMost: mostCommands },
      },
      { ...pairedRatio('Ansible / homelab', of('Ansible'), ours), budget: { atLeast: leastTimesFaster } },
      pairedRatio('pyinfra / homelab', of('pyinfra'), ours),
      pairedRatio('homelab / four parallel ssh HOST true', ours, of('ssh HOST true')),
      ...contestants.map(({ name }): Measurement => seconds(name, of(name))),
    ];
  },
};

function commandsOf(stdout: string): number {
  const finished = parseEvents(stdout).find(event => event.type === 'run-finished');
  return Math.max(0, ...Object.values(finished?.remoteCommands ?? {}));
}

async function fourConnections({ lab }: BenchLab) {
  const begun = performance.now();
  await Promise.all(lab.hosts.map(({ name }) => timed([...lab.sshArgv(name), 'true'])));
  return { wallMs: performance.now() - begun, stdout: '', stderr: '' };
}
