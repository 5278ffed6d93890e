// Helm waits for pods until its time is over. An image that does not come will not come in a quarter of an hour either: that ends sooner.
import { adminKubectl } from '../model/kubectl.ts';
import { sh } from '../model/shell.ts';

const kubectl = adminKubectl(30);
/** Looks ten seconds apart. The kubelet has tried about five times then: it waits 10, 20, 40… s (pkg/kubelet, imageBackOff). */
const looks = 18;

const pods =
  'custom-columns=N:.metadata.name,H:.spec.nodeName,P:.status.phase,R:.status.containerStatuses[*].ready,W:.status.containerStatuses[*].state.waiting.reason,I:.status.initContainerStatuses[*].state.waiting.reason';
const workloads = String.raw`custom-columns=K:.kind,W:.metadata.name,R:.metadata.annotations.meta\.helm\.sh/release-name,I:.metadata.labels.app\.kubernetes\.io/instance,C:.metadata.creationTimestamp,H:.metadata.annotations.helm\.sh/hook`;

/**
 * A pod is called like its workload and some more. Helm writes its name on what it installs and not on hooks (pkg/action/hooks.go): a hook's job
 * is the release's where no label says otherwise and no earlier run left it. For other jobs Helm does not wait.
 */
const imageless = `$1 == "+" {if ($2 == "Job" ? $7 != "<none>" && ($5 == release || $5 == "<none>") && $6 >= begun : $4 == release) own[$3]; next}
/ErrImage|ImagePull|InvalidImageName/ {for (each in own) if (index($1, each "-") == 1) {print $1; exit}}`;

const waiting = `$3 != "Succeeded" && $4 !~ /^true(,true)*$/ {
  why = $5 != "<none>" ? $5 : $6 != "<none>" ? $6 : $3 == "Running" ? "not ready" : $3
  print "waits: " $1, why, "on", $2
}`;

const recent = `$1 >= begun {$1 = "event:"; print}`;

/** sh: `helm` at work, ended before its time where one of the release's own images does not come. It leaves Helm's words in $work/said. */
export function watched(helm: string, name: string, namespace: string): string {
  const list = `${kubectl} get -n ${sh(namespace)} --no-headers -o`;
  return `begun=$(date -u +%Y-%m-%dT%H:%M:%SZ)
${helm} >"$work/said" 2>&1 &
helm_pid=$!
second=0 stuck=0
while sleep 1; kill -0 "$helm_pid" 2>/dev/null; do
  second=$((second + 1))
  [ $((second % 10)) -eq 0 ] || continue
  found=$({ ${list} ${sh(workloads)} deployments,daemonsets,statefulsets,jobs | sed 's/^/+ /'; ${list} ${sh(pods)} pods; } 2>/dev/null | awk -v release=${sh(name)} -v begun="$begun" ${sh(imageless)})
  if [ -n "$found" ]; then stuck=$((stuck + 1)); else stuck=0; fi
  [ "$stuck" -ne ${looks} ] || { echo "homelab: an image of $found does not come" >&2; kill "$helm_pid"; }
done
wait "$helm_pid"`;
}

/** sh: what pods there wait for, and what was noted of them since it began. Words of others: `ofHelm` passes them over. */
export function whyNotUp(namespace: string): string {
  const list = `${kubectl} get -n ${sh(namespace)} --no-headers -o`;
  return `${list} ${sh(pods)} pods 2>/dev/null | awk ${sh(waiting)} | head -n 10 >&2
  ${list} custom-columns=:.lastTimestamp,:.involvedObject.name,:.message --field-selector type=Warning --sort-by=.lastTimestamp events 2>/dev/null | awk -v begun="$begun" ${sh(recent)} | tail -n 5 >&2`;
}

/** The pattern where Helm itself says it, and not a pod or an event. */
export function ofHelm({ source, flags }: RegExp): RegExp {
  return new RegExp(`^(?!waits: |event: ).*?(?:${source})`, `${flags}m`);
}
