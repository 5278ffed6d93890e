// What users of the cluster notice while it is upgraded: a service behind two pods and the API server, asked four times a second from a
// control plane by a unit that outlives every connection.
import { adminKubectl } from '../model/kubectl.ts';
import type { Resource } from '../model/plan.ts';
import { command, printing } from '../model/shell.ts';
import { defineResource } from './resource.ts';

type State = { readonly unit: boolean; readonly objects: boolean };

export interface WatchOptions {
  readonly isOn: boolean;
  /** 'name-or-address:6443'. */
  readonly endpoint: string;
}

/** Where the unit keeps count: `KIND asked lost longest-gap-in-milliseconds` a line. */
export const watchFile = '/run/homelab-watch/counts';

const folder = '/run/homelab-watch';

const unitName = 'homelab-watch.service';
const namespace = 'homelab-watch';
const name = 'watched';
const port = 8080;
const kubectl = adminKubectl(60);

export function upgradeWatch({ isOn, endpoint }: WatchOptions): Resource {
  return defineResource<State>({
    key: 'upgrade-watch',
    name: 'watch',
    title: isOn ? 'Watch a service and the API server' : 'End the watch',
    read: `echo "$(systemctl is-active ${unitName} || true) $(${kubectl} get namespace ${namespace} --ignore-not-found -o name 2>/dev/null || true)"\n`,
    parse: output => ({ unit: /^active /.test(output), objects: output.includes(`namespace/${namespace}`) }),
    blank: { unit: false, objects: false },
    desired: { unit: isOn, objects: isOn },
    differences: observed =>
      observed.unit === isOn && observed.objects === isOn
        ? []
        : [isOn ? 'nobody would know how many requests get lost' : 'the upgrade is over'],
    act: () => ({ action: { script: isOn ? begin(endpoint) : end, timeoutMs: 240_000 } }),
  });
}

// CoreDNS's image is on every machine, answers HTTP and runs without rights. Where the cluster has another DNS, only the API is watched.
function begin(endpoint: string): string {
  return `${kubectl} create namespace ${namespace} --dry-run=client -o yaml | ${kubectl} apply -f - >/dev/null
image=$(${kubectl} get deployment coredns -n kube-system --ignore-not-found -o jsonpath='{.spec.template.spec.containers[0].image}')
service=
if [ -n "$image" ]; then
  objects=$(cat <<'OBJECTS'
${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })}
OBJECTS
)
  printf '%s\\n' "\${objects%%IMAGE*}$image\${objects#*IMAGE}" | ${kubectl} apply -f - >/dev/null
  ${kubectl} rollout status deployment/${name} -n ${namespace} --timeout=60s >/dev/null &&
    service=$(${kubectl} get service ${name} -n ${namespace} -o jsonpath='{.spec.clusterIP}')
fi
install -d -m 700 ${folder}
{
${printing(loop)}} > ${folder}/watch
systemctl reset-failed ${unitName} 2>/dev/null || true
systemctl is-active --quiet ${unitName} || systemd-run --quiet --unit=${unitName} --property=RuntimeMaxSec=12h /bin/bash ${folder}/watch "$service" ${command(...endpoint.split(':'))}
`;
}

const end = `systemctl stop ${unitName} 2>/dev/null || true
rm -rf ${folder}
${kubectl} delete namespace ${namespace} --ignore-not-found --timeout=50s >/dev/null
`;

// Any answer counts: a 401 is an API server that is there. Nothing but what every machine has.
const loop = `declare -A asked lost since longest
now() { local t=\${EPOCHREALTIME/[.,]/}; echo "\${t%???}"; }
ask() {
  asked[$1]=$((\${asked[$1]:-0} + 1))
  if "answer_$1"; then since[$1]=; return; fi
  lost[$1]=$((\${lost[$1]:-0} + 1))
  [ -n "\${since[$1]:-}" ] || since[$1]=$2
  local gap=$(($(now) - \${since[$1]}))
  [ "$gap" -le "\${longest[$1]:-0}" ] || longest[$1]=$gap
}
answers() { local said; read -r -N 5 said && [ "$said" = HTTP/ ]; }
answer_service() {
  printf 'GET /health HTTP/1.0\\r\\n\\r\\n' | timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/80"; cat >&3; cat <&3' - "$service" 2>/dev/null | answers
}
answer_api() {
  printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' | timeout 2 openssl s_client -quiet -connect "$api" 2>/dev/null | answers
}
service=$1 api=
! command -v openssl >/dev/null || api=$2:$3
round=0
while :; do
  at=$(now)
  [ -z "$service" ] || ask service "$at"
  [ -z "$api" ] || ask api "$(now)"
  round=$((round + 1))
  if [ $((round % 8)) = 0 ]; then
    for kind in "\${!asked[@]}"; do echo "$kind \${asked[$kind]} \${lost[$kind]:-0} \${longest[$kind]:-0}"; done > ${watchFile}.new
    mv ${watchFile}.new ${watchFile}
  fi
  left=$((250 - ($(now) - at)))
  [ "$left" -le 0 ] || sleep "0.$(printf %03d "$left")"
done`;

const labels = { app: name };
const objects = [
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    // It answers for 5 s after it was told to go: as a service does that is made for rolling updates.
    data: { Corefile: `.:5353 {\n  health :${port} {\n    lameduck 5s\n  }\n  whoami\n}\n` },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          // Where every worker is emptied at once they must have somewhere to go.
          tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' }],
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: labels },
            },
          ],
          containers: [
            {
              name: 'web',
              image: 'IMAGE',
              imagePullPolicy: 'IfNotPresent',
              args: ['-conf', '/etc/watched/Corefile'],
              ports: [{ containerPort: port }],
              readinessProbe: { httpGet: { path: '/health', port }, periodSeconds: 1 },
              resources: { requests: { cpu: '5m', memory: '20Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'] },
                readOnlyRootFilesystem: true,
                runAsNonRoot: true,
                runAsUser: 65534,
                seccompProfile: { type: 'RuntimeDefault' },
              },
              volumeMounts: [{ name: 'config', mountPath: '/etc/watched' }],
            },
          ],
          volumes: [{ name: 'config', configMap: { name } }],
        },
      },
    },
  },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: labels, ports: [{ port: 80, targetPort: port }] },
  },
];
