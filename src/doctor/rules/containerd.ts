import type { Explains, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { cgroupDrivers, pluginsIgnored, sandboxImageDiffers, sandboxImageMissing } from './containerd-config.ts';
import { clockOf, entityOf, isCrashing, isRunning, on, recent, seenOn, settledFor, timeOn } from './on-machine.ts';

/** What was started so lately need not answer yet. */
export const graceSeconds = 60;

const consequences: readonly Explains[] = [
  'kubelet-crashes',
  'etcd-down',
  'etcd-member-down',
  'apiserver-down',
  'scheduler-down',
  'controller-manager-down',
  'node-not-ready',
].map(rule => ({ rule, by: 'machine' }));

const show = 'systemctl status containerd';

/** The last thing that it said itself; what systemd says of it is known already. */
function lastWords(machine: MachineLook, snapshot: Snapshot): string | undefined {
  const said = recent(
    machine.facts.journal?.['containerd'],
    /level=(?:fatal|error)|^containerd\[|panic:|containerd: /,
    86_400,
    timeOn(machine, snapshot),
  );
  return said.findLast(({ text }) => /level=fatal|containerd: |panic:/.test(text))?.text ?? said.at(-1)?.text;
}

export const containerdBroken: Rule = {
  id: 'containerd-config-broken',
  layer: 'runtime',
  symptom: 'containerd does not start, or will not start again.',
  cause: 'Its configuration cannot be read.',
  cure: 'Mend /etc/containerd/config.toml; `containerd config dump` says where it is wrong.',
  sources: ['containerd docs: man/containerd-config.toml.5'],
  needs: ['machine.containerd', 'machine.units'],
  explains: [{ rule: 'containerd-stopped', by: 'machine' }, ...consequences],
  find: snapshot =>
    machinesWith(snapshot, 'containerd')
      .filter(({ value }) => value.broken !== '')
      .map(({ machine, value }): Finding => {
        const unit = machine.facts.units?.['containerd'];
        const isUp = unit === undefined || isRunning(unit);
        return {
          says: `containerd on ${machine.name} ${isUp ? 'will not start again' : 'does not start'}: its configuration cannot be read (${value.broken})`,
          severity: isUp ? 'warning' : 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, value.broken, 'sudo containerd config dump')],
          cure: [
            on(machine, 'sudo containerd config dump   # mend /etc/containerd/config.toml where it says'),
            'homelab bootstrap   # writes the file anew, from the inventory',
            on(machine, 'sudo systemctl restart containerd'),
          ],
        };
      }),
};

export const containerdStopped: Rule = {
  id: 'containerd-stopped',
  layer: 'runtime',
  symptom: 'A node is NotReady with "container runtime is down"; its containers cannot be started or looked at.',
  cause: 'containerd does not run: somebody stopped it, it is disabled or masked, or it ends again and again.',
  cure: 'Start it, enable it at boot; where it ends by itself, its last words say why.',
  sources: ['containerd docs: getting-started', 'kubernetes docs: setup/production-environment/container-runtimes'],
  needs: ['machine.units', 'machine.journal', 'machine.clock'],
  explains: consequences,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['containerd'];
      const hasKubelet = value['kubelet'] !== undefined && value['kubelet'].load !== 'not-found';
      if (!unit || !hasKubelet || unit.load === 'not-found' || isRunning(unit)) return [];
      if (unit.active === 'activating' && !isCrashing(unit)) return [];
      const ends = isCrashing(unit);
      const why = ends ? lastWords(machine, snapshot) : undefined;
      const masked = unit.enabled.startsWith('masked');
      const start = [
        ...(masked ? [on(machine, 'sudo systemctl unmask containerd')] : []),
        on(machine, 'sudo systemctl start containerd'),
      ];
      return [
        {
          says: ends
            ? `containerd on ${machine.name} does not stay up (systemd: ${unit.sub || unit.active}${unit.result === 'success' ? '' : `, ${unit.result}`})${why ? `: ${why}` : ''}`
            : `containerd on ${machine.name} ${masked ? 'is masked and ' : ''}was stopped${unit.since ? ` at ${clockOf(unit.since, snapshot)}` : ''} (systemd: ${unit.active})`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          ...(ends || !unit.since ? {} : { since: unit.since }),
          evidence: [
            seenOn(
              machine,
              `ActiveState=${unit.active}, SubState=${unit.sub}, Result=${unit.result}${unit.since ? `, since ${unit.since}` : ''}`,
              show,
            ),
            ...(why ? [seenOn(machine, why, 'sudo journalctl -u containerd -n 50')] : []),
          ],
          cure: [...start, on(machine, 'sudo systemctl enable containerd   # to last')],
          ...(ends || masked
            ? {}
            : {
                fix: {
                  machine: machine.name,
                  title: 'Start containerd',
                  script: 'systemctl start containerd\n',
                  undo: 'systemctl stop containerd\n',
                },
              }),
        },
      ];
    }),
};

export const containerdHangs: Rule = {
  id: 'containerd-hangs',
  layer: 'runtime',
  symptom:
    'A node is NotReady with "PLEG is not healthy" or "context deadline exceeded", and systemd calls containerd active.',
  cause: 'containerd is there and does not answer: stopped by a signal, stuck on its disk, or without its CRI plugin.',
  cure: 'Restart it; containers go on running meanwhile.',
  sources: ['containerd/containerd#9770', 'kubernetes/kubernetes#61117'],
  needs: ['machine.units', 'machine.health', 'machine.clock'],
  explains: consequences,
  find: snapshot =>
    machinesWith(snapshot, 'units').flatMap(({ machine, value }): readonly Finding[] => {
      const unit = value['containerd'];
      const health = machine.facts.health?.['containerd'];
      if (!unit || !isRunning(unit) || (!unit.frozen && health?.ok !== false)) return [];
      if (!unit.frozen && settledFor(unit, machine, snapshot) < graceSeconds) return [];
      return [
        {
          says: unit.frozen
            ? `containerd on ${machine.name} hangs: its process is stopped by a signal (state T), systemd still calls it active`
            : `containerd on ${machine.name} runs and does not answer: ${health?.says}`,
          severity: 'error',
          certainty: unit.frozen || /timed out/.test(health?.says ?? '') ? 'certain' : 'likely',
          ...(unit.frozen ? {} : { settledBy: on(machine, 'sudo timeout 5 ctr version') }),
          about: [entityOf(machine)],
          evidence: [
            ...(unit.frozen
              ? [seenOn(machine, `process ${unit.pid} is in state T`, `ps -o stat= -p ${unit.pid}`)]
              : []),
            ...(health?.ok === false
              ? [seenOn(machine, `its socket: ${health.says}`, 'sudo timeout 5 ctr version')]
              : []),
          ],
          cure: [
            ...(unit.frozen ? [on(machine, `sudo kill -CONT ${unit.pid}`)] : []),
            on(machine, 'sudo systemctl restart containerd'),
            on(
              machine,
              'sudo journalctl -k -g "blocked for more than|I/O error" -n 20   # if it hangs again: its disk',
            ),
          ],
          ...(unit.frozen
            ? {
                fix: {
                  machine: machine.name,
                  title: 'Let containerd go on',
                  script: `kill -CONT ${unit.pid}\n`,
                  undo: `kill -STOP ${unit.pid}\n`,
                },
              }
            : {}),
        },
      ];
    }),
};

export const containerdRules: readonly Rule[] = [
  containerdBroken,
  containerdStopped,
  containerdHangs,
  pluginsIgnored,
  cgroupDrivers,
  sandboxImageDiffers,
  sandboxImageMissing,
];
