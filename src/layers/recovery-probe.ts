// Proof that what a pod wrote outlives its machine: that machine's power goes, and the pod reads it on another. Only ever by name.
import type { Host, JsonObject } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Probe, ProbeContext } from '../model/plan.ts';
import { readScript, sumOf, writeScript } from '../model/probe-files.ts';
import { ask, volumesOf, withNamespaces } from '../model/probe-namespace.ts';
import { createScript, fieldOf, type LivePod, livePods, probePodSpec } from '../model/probe-pods.ts';
import { evidenceOf } from '../model/probes.ts';
import { sh } from '../model/shell.ts';
import { pauseImage } from '../model/versions.ts';
import { controlPlaneOf, type World } from '../model/world.ts';
import { claim, claimOf } from './volume-life.ts';

export interface RecoveryProof {
  readonly storageClass: string;
  /** The worker whose power goes. */
  readonly lost: Host;
  /** sh on a control plane, with $volume, the PersistentVolume's name: ends well once the volume bears the loss of a machine. */
  readonly settle: string;
}

const namespace = 'homelab-probe-recovery';
const pod = 'row-0';
const kubectl = adminKubectl(20);
/** A watch ends with its request: longer than the time that the first pod is given. */
const patientKubectl = adminKubectl(160);
/** The node is lost after 40 s (50 s from 1.32 on), its pods are given up 300 s later (DefaultTolerationSeconds), then its volume moves. */
const patience = 600;
/** Seconds until a machine without power must be missed. */
const missedWithin = 150;

export function recoveryProbe(world: World, { storageClass, lost, settle }: RecoveryProof): Probe {
  const host = controlPlaneOf(world).name;
  const hint = `see why: kubectl get -n ${namespace} pods -o wide; kubectl get volumeattachments; homelab doctor`;
  const row = {
    id: 'row-elsewhere',
    host,
    title: `what was written on ${lost.name} is read on another machine once its power is gone`,
    expected: 'the same sum',
    reproduce: 'kubectl get pods --all-namespaces -o wide',
    hint,
  };
  const time = {
    id: 'recovery-time',
    host,
    title: 'a pod with a volume is back by itself',
    expected: `within ${patience} s`,
    reproduce: 'kubectl get pods --all-namespaces -o wide --watch',
    hint,
  };
  return {
    ...row,
    kind: 'active',
    id: 'recovery',
    // The namespace's own timer ends everything after 15 minutes.
    timeoutMs: 880_000,
    pieces: [row, time],
    run: context =>
      withNamespaces(context, host, [namespace], async () => {
        try {
          const image = pauseImage(world.cluster.kubernetes.version);
          const begun = await ask(
            context,
            host,
            beginScript(image, storageClass, lost),
            200_000,
            'no row to begin with',
          );
          const first = podOn(begun);
          if (first.node !== lost.name) throw new Error(`the pod came up on ${first.node}, not on ${lost.name}`);
          const sum = sumOf(await ask(context, lost.name, writeScript(first.uid), 60_000, 'nothing was written'));
          await ask(
            context,
            host,
            `volume=$(${volumesOf(namespace)})\n${settle}`,
            200_000,
            'the volume is not safe yet',
          );
          await ask(context, lost.name, powerOff, 30_000, `${lost.name} cannot be switched off`);
          const said = await ask(
            context,
            host,
            watchScript(lost, first),
            (patience + 60) * 1000,
            'the row did not come back',
          );
          const next = podOn(said);
          const read = sumOf(await ask(context, next.node, readScript(next.uid), 60_000, 'nothing was read'));
          const up = fieldOf(said, 'up');
          const after = `${up} s after the power went (missed after ${fieldOf(said, 'missed')} s, pods given up after ${fieldOf(said, 'given-up')} s)`;
          return [
            evidenceOf(
              row,
              read === sum,
              read === sum ? `${row.expected}, on ${next.node}` : `${sum} written, ${read} read`,
            ),
            evidenceOf(time, up !== '' && Number(up) <= patience, after),
          ];
        } finally {
          await forget(context, host, lost);
        }
      }),
  };
}

function podOn(output: string): LivePod {
  const [found] = livePods(output);
  if (!found) throw new Error(`no pod is told: ${output.trim()}`);
  return found;
}

/** As a power cut: nothing is stopped or written first. */
const powerOff = `systemd-run --quiet --collect --on-active=1 --timer-property=AccuracySec=100ms systemctl poweroff --force --force\n`;

const printPod = `${kubectl} get -n ${namespace} pod ${pod} -o jsonpath='pod {.metadata.name} {.spec.nodeName} {.status.podIP} {.metadata.uid}{"\\n"}'\n`;

/** As databases run: one replica with a claim. Its tolerations are those that the API server gives every pod. */
function beginScript(image: string, storageClass: string, { name, taints }: Host): string {
  const labels = { app: namespace };
  const here = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] };
  const set: JsonObject = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'row', namespace },
    spec: {
      replicas: 1,
      serviceName: 'row',
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...probePodSpec(image, { claim }),
          tolerations: taints.map(({ key, effect }) => ({ key, effect, operator: 'Exists' })),
          affinity: {
            nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: here }] },
          },
        },
      },
    },
  };
  return `${createScript([claimOf(namespace, storageClass), set])}${patientKubectl} rollout status -n ${namespace} statefulset/row --timeout=150s >/dev/null || {
${lookAround}  exit 1
}
${printPod}`;
}

const lookAround = `  ${kubectl} get -n ${namespace} pods -o wide >&2
  ${kubectl} get volumeattachments >&2
  ${kubectl} get -n ${namespace} events --field-selector type=Warning -o custom-columns=:.message --no-headers | tail -n 5 >&2
`;

/** Prints 'missed', 'given-up' and 'up' with seconds since it began, then the pod. */
function watchScript({ name }: Host, { uid }: LivePod): string {
  return `uid=${sh(uid)} begin=$(date +%s) missed='' given=''
while :; do
  seconds=$(($(date +%s) - begin))
  if [ -z "$missed" ]; then
    ready=$(${kubectl} get node ${name} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) || ready=
    case $ready in Unknown|False) missed=$seconds; echo "missed $seconds" ;; esac
    [ -n "$missed" ] || [ "$seconds" -le ${missedWithin} ] || { echo "${name} is still there after $seconds s: its power did not go" >&2; exit 1; }
  fi
  now=$(${kubectl} get -n ${namespace} pod ${pod} --ignore-not-found -o jsonpath='{.metadata.uid},{.metadata.deletionTimestamp},{.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) || now=
  case $now in
    ''|"$uid",,*) ;;
    *) [ -n "$given" ] || { given=$seconds; echo "given-up $seconds"; } ;;
  esac
  case $now in
    ''|"$uid",*) ;;
    *,,True) echo "up $seconds"; break ;;
  esac
  [ "$seconds" -le ${patience} ] || {
${lookAround}    exit 1
  }
  sleep 1
done
${printPod}`;
}

/** No kubelet is left there to say that its pod is gone. */
async function forget(context: ProbeContext, host: string, { name }: Host): Promise<void> {
  await context.exec(
    host,
    `${kubectl} delete statefulset -n ${namespace} row --ignore-not-found --wait=false >/dev/null
${kubectl} delete pods -n ${namespace} --field-selector spec.nodeName=${name} --force --grace-period=0 --wait=false >/dev/null 2>&1
`,
    60_000,
  );
}
