// Memory, swap and limits of the kernel.
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects } from '../snapshot.ts';
import { plenty, threshold } from './eviction.ts';
import { bytesText, clockOf, entityOf, isCrashing, on, recent, seenOn, timeOn } from './on-machine.ts';

/** Not 'Memory cgroup out of memory': that is a container at its own limit. */
const killed = /(?<!cgroup )[Oo]ut of memory: Kill(?:ed)? process (\d+) \(([^)]*)\)/;

export const memoryShort: Rule = {
  id: 'memory-short',
  layer: 'machine',
  symptom: 'MemoryPressure, evictions, processes killed although no container is at its limit.',
  cause: 'The machine itself has no memory left.',
  cure: 'Find what takes it; give pods requests and limits, the machine more memory, or move pods away.',
  sources: [
    'kubernetes docs: concepts/scheduling-eviction/node-pressure-eviction',
    'kubernetes/node-problem-detector config/kernel-monitor.json',
  ],
  needs: ['machine.memory', 'machine.kubelet', 'machine.kernelLog', 'machine.clock', 'machine.identity'],
  explains: [
    'kubelet-crashes',
    'containerd-stopped',
    'etcd-down',
    'etcd-member-down',
    'apiserver-down',
    'node-pressure',
    'pod-evicted',
  ].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'memory').flatMap(
      ({ machine, value: { totalBytes, availableBytes } }): readonly Finding[] => {
        const { facts } = machine;
        const least = threshold(facts.kubelet, 'memory.available', totalBytes);
        // A threshold that no machine could keep is another rule's.
        const isBelow = least !== undefined && availableBytes < least.least && availableBytes / totalBytes <= plenty;
        const isShort = availableBytes / totalBytes < 0.03;
        // Where the kernel log is the host's, its victims are somebody else's.
        const victim = facts.identity?.container
          ? undefined
          : recent(facts.kernelLog, killed, 3600, timeOn(machine, snapshot)).at(-1);
        if (!isBelow && !isShort && !victim) return [];
        const [, , name = 'a process'] = killed.exec(victim?.text ?? '') ?? [];
        const free = `${bytesText(availableBytes)} of ${bytesText(totalBytes)} available`;
        const kill = victim ? `the kernel killed ${name} at ${clockOf(victim.at, snapshot)}` : '';
        return [
          {
            says:
              isBelow || isShort
                ? `${machine.name} has no memory left: ${free}${isBelow ? `, below the ${least.text} at which the kubelet evicts pods` : ''}${kill && `; ${kill}`}`
                : `${machine.name} ran out of memory: ${kill} (now ${free})`,
            severity: isBelow || isShort ? 'error' : 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            ...(victim ? { since: victim.at } : {}),
            evidence: [
              seenOn(machine, free, 'free -m'),
              ...(victim ? [seenOn(machine, victim.text, "journalctl -k -g 'Out of memory'")] : []),
            ],
            cure: [
              on(machine, 'ps -eo rss,pid,comm --sort=-rss | head -n 15'),
              `kubectl get pods -A -o wide --field-selector spec.nodeName=${machine.name}   # those without memory limits`,
              'to last: requests and limits for what takes it, or more memory',
            ],
          },
        ];
      },
    ),
};

export const swapOn: Rule = {
  id: 'swap-on',
  layer: 'machine',
  symptom: 'The kubelet does not start after a reboot: "running with swap on is not supported".',
  cause: 'Swap is on and the kubelet’s configuration has failSwapOn (the default).',
  cure: 'Switch it off, and what switches it on at boot: the line in /etc/fstab, a swap unit, zram.',
  sources: ['kubernetes/kubeadm#610', 'kubernetes docs: concepts/cluster-administration/swap-memory-management'],
  needs: ['machine.swap', 'machine.kubelet', 'machine.units', 'machine.identity'],
  explains: [{ rule: 'kubelet-crashes', by: 'machine' }],
  find: snapshot =>
    machinesWith(snapshot, 'swap').flatMap(({ machine, value }): readonly Finding[] => {
      const [first] = value;
      const { kubelet, units, identity } = machine.facts;
      const unit = units?.['kubelet'];
      if (!first || kubelet?.failSwapOn !== true || !unit || unit.load === 'not-found') return [];
      // One that somebody stopped is down for another reason, and would not come up for this one.
      const isUp = !isCrashing(unit);
      // The host's swap, which a kubelet inside that runs has already put up with.
      if (identity?.container && isUp) return [];
      const names = value.map(({ name, sizeBytes }) => `${name} (${bytesText(sizeBytes)})`).join(', ');
      return [
        {
          says: isUp
            ? `swap is on on ${machine.name} (${names}): its kubelet will not start again beside it`
            : `swap is on on ${machine.name} (${names}): its kubelet does not start beside it`,
          severity: isUp ? 'warning' : 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `swap: ${names}`, 'swapon --show'),
            seenOn(
              machine,
              'failSwapOn: true',
              'sudo grep failSwapOn /var/lib/kubelet/config.yaml   # true is the default',
            ),
          ],
          cure: [
            on(machine, 'sudo swapoff -a'),
            ...(isUp ? [] : [on(machine, 'sudo systemctl restart kubelet')]),
            on(machine, "sudo sed -i.bak '/\\sswap\\s/s/^/# /' /etc/fstab   # to last"),
            on(machine, 'sudo systemctl mask swap.target   # zram and other units too'),
          ],
          ...(identity?.container === false
            ? {
                fix: {
                  machine: machine.name,
                  title: 'Switch swap off',
                  script: `swapoff -a\n${isUp ? '' : 'systemctl reset-failed kubelet || true\nsystemctl start kubelet\n'}`,
                  undo: 'swapon -a\n',
                },
              }
            : {}),
        },
      ];
    }),
};

export const conntrackFull: Rule = {
  id: 'conntrack-full',
  layer: 'machine',
  symptom: 'New connections fail at random, old ones go on; "nf_conntrack: table full, dropping packet".',
  cause: 'The kernel’s table of connections is full.',
  cure: 'Raise its limit, and find who opens so many.',
  sources: [
    'kernel docs: networking/nf_conntrack-sysctl',
    'kubernetes/node-problem-detector config/plugin/network_problem.sh',
  ],
  needs: ['machine.conntrack', 'machine.kernelLog', 'machine.clock'],
  explains: ['api-port-blocked', 'kubelet-port-blocked'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'conntrack').flatMap(({ machine, value: { count, max } }): readonly Finding[] => {
      if (max <= 0 || count / max < 0.9) return [];
      const dropped = recent(machine.facts.kernelLog, /nf_conntrack: .*table full/, 3600, timeOn(machine, snapshot)).at(
        -1,
      );
      const isFull = count / max >= 0.98 || dropped !== undefined;
      return [
        {
          says: `the connection table of ${machine.name} is ${isFull ? 'full' : 'nearly full'} (${count} of ${max})${isFull ? ': new connections are dropped' : ''}`,
          severity: isFull ? 'error' : 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              `${count} of ${max}`,
              'sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max',
            ),
            ...(dropped ? [seenOn(machine, dropped.text, 'journalctl -k -g nf_conntrack')] : []),
          ],
          cure: [
            on(machine, `sudo sysctl -w net.netfilter.nf_conntrack_max=${max * 4}`),
            on(
              machine,
              `echo net.netfilter.nf_conntrack_max = ${max * 4} | sudo tee /etc/sysctl.d/90-conntrack.conf   # to last`,
            ),
            on(machine, 'sudo conntrack -S'),
          ],
          fix: {
            machine: machine.name,
            title: `Raise nf_conntrack_max to ${max * 4}`,
            script: `sysctl -w net.netfilter.nf_conntrack_max=${max * 4}\n`,
            undo: `sysctl -w net.netfilter.nf_conntrack_max=${max}\n`,
          },
        },
      ];
    }),
};

const noWatches =
  /inotify_init1?: too many open files|failed to create fsnotify watcher|inotify_add_watch.*no space left|no space left on device.*inotify|too many open files.*(?:inotify|fsnotify)/i;

export const inotifyUsedUp: Rule = {
  id: 'inotify-used-up',
  layer: 'machine',
  symptom:
    '"too many open files" or "failed to create fsnotify watcher" from the kubelet, a log agent or kubectl logs -f.',
  cause:
    'The kernel’s inotify instances (128 by default) are used up: one is needed for every watched file of logs and configuration.',
  cure: 'Raise fs.inotify.max_user_instances and max_user_watches.',
  sources: ['kubermatic/kubermatic#7490', 'grafana/loki#1153', 'kubernetes/kops#2913'],
  needs: ['machine.sysctl', 'machine.journal', 'machine.clock', 'api.pods'],
  explains: [
    { rule: 'kubelet-crashes', by: 'machine' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find: snapshot =>
    snapshot.machines.flatMap((machine): readonly Finding[] => {
      const { sysctl, journal } = machine.facts;
      const now = timeOn(machine, snapshot);
      const unitLine = ['kubelet', 'containerd']
        .map(unit => ({ unit, line: recent(journal?.[unit], noWatches, 900, now).at(-1)?.text }))
        .find(({ line }) => line !== undefined);
      const here = objects(snapshot, 'pods').filter(({ spec }) => spec.nodeName === machine.name);
      const log = snapshot.logs
        .filter(({ pod }) => here.some(({ metadata }) => `${metadata.namespace}/${metadata.name}` === pod))
        .map(({ pod, lines }) => ({ pod, line: lines.find(each => noWatches.test(each)) }))
        .find(({ line }) => line !== undefined);
      const said = unitLine?.line ?? log?.line;
      if (said === undefined) return [];
      const limit = sysctl?.['fs.inotify.max_user_instances'];
      return [
        {
          says: `${machine.name} has no inotify instances left${limit === undefined ? '' : ` (fs.inotify.max_user_instances is ${limit})`}: ${log && !unitLine ? `pod ${log.pod}` : `its ${unitLine?.unit}`} cannot watch files`,
          severity: 'error',
          certainty: limit !== undefined && Number(limit) < 8192 ? 'certain' : 'likely',
          settledBy: on(machine, 'sysctl fs.inotify.max_user_instances fs.inotify.max_user_watches'),
          about: log ? [entityOf(machine), `pod:${log.pod}`] : [entityOf(machine)],
          evidence: [
            log && !unitLine
              ? {
                  says: said,
                  from: log.pod,
                  again: `kubectl -n ${log.pod.split('/')[0]} logs ${log.pod.split('/')[1]}`,
                }
              : seenOn(machine, said, `journalctl -u ${unitLine?.unit} -n 50`),
            ...(limit === undefined
              ? []
              : [seenOn(machine, `fs.inotify.max_user_instances = ${limit}`, 'sysctl fs.inotify.max_user_instances')]),
          ],
          cure: [
            on(machine, 'sudo sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=1048576'),
            'homelab bootstrap   # makes it last: it writes them to /etc/sysctl.d',
          ],
        },
      ];
    }),
};

const mapsTooLow = /max virtual memory areas vm\.max_map_count \[?(\d+)\]? (?:is|likely) too low/;

export const mapCountLow: Rule = {
  id: 'map-count-low',
  layer: 'machine',
  symptom:
    'Wazuh’s indexer, OpenSearch or Elasticsearch ends: "max virtual memory areas vm.max_map_count [65530] is too low".',
  cause: 'The kernel’s limit is the default, and this program refuses to run below 262144.',
  cure: 'Set vm.max_map_count on every machine that may run it.',
  sources: ['wazuh/wazuh-kubernetes indexer StatefulSet', 'opensearch docs: install-and-configure, vm.max_map_count'],
  needs: ['machine.sysctl', 'api.pods'],
  explains: [{ rule: 'pod-not-ready', by: 'pod' }],
  find: snapshot =>
    snapshot.logs.flatMap(({ pod, container, lines }): readonly Finding[] => {
      const line = lines.find(each => mapsTooLow.test(each));
      if (line === undefined) return [];
      const [namespace = '', name = ''] = pod.split('/');
      const nodeName =
        objects(snapshot, 'pods').find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
          ?.spec.nodeName ?? '';
      const value = snapshot.machines.find(machine => machine.name === nodeName)?.facts.sysctl?.['vm.max_map_count'];
      // Raised since: the next start will do.
      if (value !== undefined && Number(value) >= 262_144) return [];
      return [
        {
          says: `${pod} does not start because vm.max_map_count is too low on ${nodeName || 'its machine'} (${value ?? mapsTooLow.exec(line)?.[1]}, it wants 262144)`,
          severity: 'error',
          certainty: value === undefined ? 'likely' : 'certain',
          settledBy: `ssh ${nodeName || 'MACHINE'} sysctl vm.max_map_count`,
          about: [`pod:${pod}`, ...(nodeName ? [entityOf({ name: nodeName })] : [])],
          evidence: [
            {
              says: line,
              from: `${pod} (${container})`,
              again: `kubectl -n ${namespace} logs ${name} -c ${container} --previous`,
            },
          ],
          cure: [
            `ssh ${nodeName || 'MACHINE'} sudo sysctl -w vm.max_map_count=262144`,
            `ssh ${nodeName || 'MACHINE'} 'echo vm.max_map_count = 262144 | sudo tee /etc/sysctl.d/90-map-count.conf'   # to last, on every machine it may run on`,
          ],
        },
      ];
    }),
};

export const memoryRules: readonly Rule[] = [memoryShort, swapOn, conntrackFull, inotifyUsedUp, mapCountLow];
