// What must hold of a machine that was upgraded before the next one is touched.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Probe } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { sh } from '../model/shell.ts';
import { controlPlaneOf, type World } from '../model/world.ts';
import { watchFile } from '../resources/upgrade-watch.ts';
import { asBefore } from '../transitions/upgrade-baseline.ts';
import { controlPlaneProbes } from './control-plane.ts';

const kubectl = adminKubectl(20);

/** Seconds that a machine's own pods, and then everybody's, may take to be well again. */
const nodeSeconds = 180;
const workloadSeconds = 300;

/** `version` with its v. */
export function machineGate(world: World, host: Host, version: string): readonly Probe[] {
  const seat = controlPlaneOf(world).name;
  const { name } = host;
  const ready = `{.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}`;
  return [
    look({
      id: `ready-${name}`,
      host: seat,
      about: name,
      title: `${name} is Ready in its new version`,
      expected: `${version} True`,
      script: until(nodeSeconds, `${kubectl} get node ${sh(name)} -o jsonpath=${sh(ready)}`, `${version} True`),
      timeoutMs: (nodeSeconds + 30) * 1000,
      reproduce: `kubectl get node ${name}`,
      hint: `see why: journalctl -u kubelet on ${name}; then run the same command again`,
    }),
    look({
      id: `static-pods-${name}`,
      host: seat,
      about: name,
      title: `what runs on ${name} for the node itself is ready`,
      expected: 'none is not ready',
      script: until(nodeSeconds, notReady(name), 'none is not ready'),
      timeoutMs: (nodeSeconds + 30) * 1000,
      reproduce: `kubectl get pods -A --field-selector spec.nodeName=${name}`,
      hint: `kubectl get pods -A --field-selector spec.nodeName=${name} names them, kubectl logs and describe say why; then run the same command again`,
    }),
    look({
      id: `workloads-${name}`,
      host: seat,
      about: name,
      title: 'every workload is as well as it was before',
      expected: 'as before',
      script: until(workloadSeconds, asBefore, 'as before'),
      timeoutMs: (workloadSeconds + 30) * 1000,
      reproduce: 'kubectl get deployments,statefulsets,daemonsets -A',
      hint: 'kubectl describe what is named there; once it runs, run the same command again: it goes on from here',
    }),
    ...(host.role === 'control-plane' ? controlPlaneProbes(world, host) : []),
  ];
}

// sh: prints the words as soon as the command says them, what it said last otherwise.
function until(seconds: number, line: string, words: string): string {
  return `end=$(($(date +%s) + ${seconds}))
while :; do
  said=$(${line} 2>/dev/null) || said='no answer of the API server'
  [ "$said" != ${sh(words)} ] && [ "$(date +%s)" -lt "$end" ] || break
  sleep 2
done
printf '%s\\n' "$said"`;
}

// Static pods and those of DaemonSets: they belong to the machine and do not move.
function notReady(node: string): string {
  const pod = `{range .items[*]}{.metadata.ownerReferences[?(@.controller==true)].kind} {.status.conditions[?(@.type=="Ready")].status} {.metadata.namespace}/{.metadata.name}{"\\n"}{end}`;
  return `${kubectl} get pods -A --field-selector ${sh(`spec.nodeName=${node}`)} -o jsonpath=${sh(pod)} | awk '($1 == "Node" || ($1 == "DaemonSet" && $3 ~ /^kube-system\\//)) && $2 != "True" {print $3; bad = 1} END {if (!bad) print "none is not ready"}'`;
}

/** They tell, they do not judge: what is lost when a machine with the only API server is upgraded is no fault of the upgrade. */
export function watchProbes(host: string): readonly Probe[] {
  const kinds = [
    ['service', 'requests that a service behind two pods lost'],
    ['api', 'requests that the API server lost'],
  ] as const;
  return kinds.map(([kind, title]) =>
    look({
      id: `lost-${kind}`,
      host,
      title,
      expected: 'counted',
      script: `cat ${watchFile}`,
      accept: () => true,
      show: output => lostOf(output, kind),
      reproduce: `cat ${watchFile}`,
    }),
  );
}

function lostOf(counts: string, kind: string): string {
  const [, asked, lost, longest] = new RegExp(`^${kind} (\\d+) (\\d+) (\\d+)$`, 'm').exec(counts) ?? [];
  if (asked === undefined) return 'not watched';
  const gap = Number(longest) > 0 ? `, away for ${(Number(longest) / 1000).toFixed(1)} s at most` : '';
  return `${lost} of ${asked}${gap}`;
}
