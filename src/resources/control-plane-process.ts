// The processes of a control plane and the certificates they hold: one that began before its files were written holds the old ones.
import { etcdctl } from '../model/etcdctl.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { RemoteAction, Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

const pki = '/etc/kubernetes/pki';

export interface Component {
  readonly name: string;
  /** Where it serves by TLS. */
  readonly port: number;
  /** The file of what it serves; undefined: it signs its own when it starts. */
  readonly serves: string | undefined;
  /** Read when it starts. What it serves, etcd and the API server read again by themselves: that is asked, not concluded. */
  readonly files: readonly string[];
}

/** In the order in which they are restarted. */
export const components: readonly Component[] = [
  {
    name: 'etcd',
    port: 2379,
    serves: `${pki}/etcd/server.crt`,
    files: [`${pki}/etcd/peer.crt`],
  },
  {
    name: 'kube-apiserver',
    port: 6443,
    serves: `${pki}/apiserver.crt`,
    files: ['apiserver-kubelet-client', 'apiserver-etcd-client', 'front-proxy-client'].map(
      name => `${pki}/${name}.crt`,
    ),
  },
  {
    name: 'kube-controller-manager',
    port: 10257,
    serves: undefined,
    files: ['/etc/kubernetes/controller-manager.conf'],
  },
  { name: 'kube-scheduler', port: 10259, serves: undefined, files: ['/etc/kubernetes/scheduler.conf'] },
];

// `listener PORT`: 'ADDRESS PID' of who listens; `age PID`: since when, in seconds since 1970; `shown ADDRESS:PORT`: what it serves.
const functions = `listener() {
  ss -ltnpH "sport = :$1" | sed -n 's/^[^ ]* *[^ ]* *[^ ]* *\\([^ ]*\\):[0-9]* .*pid=\\([0-9]*\\),.*/\\1 \\2/p' | head -n 1 | sed 's/^\\(\\*\\|0\\.0\\.0\\.0\\|\\[::\\]\\) /127.0.0.1 /'
}
began() {
  age=$(ps -o etimes= -p "$1" | tr -d ' ')
  [ -n "$age" ] && echo "$(($(date +%s) - age))"
}
shown() {
  timeout 5 openssl s_client -connect "$1" </dev/null 2>/dev/null | sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p;/^-----END CERTIFICATE-----/q' || true
}
`;

/** sh: 'process NAME PORT SINCE' and what it serves, for every process that a member should have. */
export const lookAtProcesses = `${functions}process() {
  [ "$1" = kubelet ] || [ -e "/etc/kubernetes/manifests/$1.yaml" ] || return 0
  found=$(listener "$2")
  if [ -n "$found" ] && since=$(began "\${found#* }"); then
    echo "process $1 $2 $since"
    shown "\${found% *}:$2"
  else
    echo "process $1 $2 none"
  fi
}
${[...components, { name: 'kubelet', port: 10250 }].map(({ name, port }) => `process ${command(name, String(port))}\n`).join('')}`;

// `state`: 'loaded', 'none' where it does not belong to the machine, or what is wrong. A second is lost in rounding.
function stateOf({ name, port, serves, files }: Component): string {
  return `${functions}state() {
  [ -e ${sh(`/etc/kubernetes/manifests/${name}.yaml`)} ] || { echo none; return; }
  found=$(listener ${port})
  [ -n "$found" ] && since=$(began "\${found#* }") || { echo 'it does not run'; return; }
  for file in ${command(...files)}; do
    [ ! -e "$file" ] || [ "$(stat -c %Y "$file")" -le "$((since + 1))" ] || { echo "it runs since before $file was written"; return; }
  done
${
  serves === undefined
    ? ''
    : `  [ "$(shown "\${found% *}:${port}" | openssl x509 -noout -fingerprint -sha256 2>/dev/null)" = "$(openssl x509 -noout -fingerprint -sha256 -in ${sh(serves)})" ] || {
    echo ${sh(`it serves another certificate than ${serves}`)}
    return
  }
`
}  echo loaded
}
`;
}

/** It runs, and with the certificates that lie there. `renewed`: key of what renews them. */
export function freshProcess(component: Component, address: string, renewed: string): Resource {
  const { name } = component;
  return defineResource<string>({
    key: `process:${name}`,
    name,
    title: `Restart ${name} with the certificates that lie there`,
    read: `${stateOf(component)}state\n`,
    parse: output => output.trim(),
    blank: 'none',
    desired: 'loaded',
    inputs: [renewed],
    differences: (observed, stale) =>
      observed === 'none'
        ? []
        : observed !== 'loaded'
          ? [observed]
          : stale.length > 0
            ? ['its certificates change']
            : [],
    act: () => ({ risk: 'disruptive', action: restart(component, address) }),
  });
}

// The kubelet starts it again. One that ended often waits for minutes: only a new kubelet forgets that.
function restart(component: Component, address: string): RemoteAction {
  const { name, port } = component;
  return {
    script: `${stateOf(component)}${name === 'etcd' ? keepsMajority : ''}if [ "$(state)" != loaded ]; then
  systemctl is-active --quiet kubelet.service || systemctl start kubelet.service || { echo 'homelab: the kubelet does not run' >&2; exit 1; }
  found=$(listener ${port})
  if [ -n "$found" ]; then kill "\${found#* }" || true; else systemctl restart kubelet.service; fi
fi
left=330
until now=$(state) && [ "$now" = loaded ]${wellOf(name, address)}; do
  left=$((left - 1))
  if [ "$left" -le 0 ]; then
    echo ${sh(`homelab: ${name} did not come back`)}": $now" >&2
    tail -n 20 /var/log/pods/kube-system_${name}-*/${name}/*.log >&2 || true
    exit 1
  fi
  sleep 1
done
`,
    timeoutMs: 900_000,
    explain: [
      {
        pattern: /homelab: only (\d+ of \d+) etcd members are healthy/,
        message: 'only $1 etcd members are healthy: without this one there would be no majority',
        hint: 'bring the others back first (homelab verify names them), then run the same command again',
      },
      {
        pattern: /homelab: the kubelet does not run/,
        message: 'its kubelet does not run, and nothing would start it again',
        hint: 'see why: sudo journalctl -u kubelet -n 50 on that machine; then run the same command again',
      },
    ],
  };
}

function wellOf(name: string, address: string): string {
  if (name === 'etcd') return ' && etcdctl endpoint health >/dev/null 2>&1';
  const line = `${adminKubectl(5)} ${command(`--server=https://${address}:6443`)} get --raw /readyz`;
  return name === 'kube-apiserver' ? ` && ${line} >/dev/null 2>&1` : '';
}

// Of two members neither can be spared; of one there is nothing to ask.
const keepsMajority = `${etcdctl}
if etcdctl endpoint health >/dev/null 2>&1; then
  members=$(etcdctl member list | grep -c ', started, ') || members=0
  healthy=$(etcdctl endpoint health --cluster 2>&1 | grep -c ' is healthy') || healthy=0
  if [ "$members" -gt 2 ] && [ "$((healthy - 1))" -lt "$((members / 2 + 1))" ]; then
    echo "homelab: only $healthy of $members etcd members are healthy" >&2
    exit 1
  fi
fi
`;
