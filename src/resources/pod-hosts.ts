// kube-proxy knows the endpoint by the machine's /etc/hosts as it was when its container started: kubelet gives it a copy.
import type { Resource } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import { blockIn } from './hosts-block.ts';
import { defineResource } from './resource.ts';

/** A control plane that left or joined after that is unknown to it until it starts again. Where it does not run, nothing is wanted. */
export function proxyKnows(lines: readonly string[]): Resource {
  const desired = lines.map(line => `${line}\n`).join('');
  const copy = (pid: string) => `${blockIn(`"/proc/${pid}/root/etc/hosts"`)} 2>/dev/null`;
  return defineResource<string>({
    key: 'block:kube-proxy/etc/hosts',
    name: 'kube-proxy-hosts',
    title: 'Start kube-proxy again with the endpoint as it is now',
    // One that goes while it is looked at is none.
    read: `if pid=$(pgrep -ox kube-proxy) && hosts=$(${copy('$pid')}); then
  [ -z "$hosts" ] || printf '%s\\n' "$hosts"
else
  echo none
fi
`,
    parse: output => (output.trim() === 'none' ? desired : output),
    blank: desired,
    desired,
    differences: observed => (observed === desired ? [] : ['kube-proxy started with other addresses of the endpoint']),
    act: () => ({
      action: {
        // The rules that it made stay while it starts; kubelet starts it at once.
        script: `kill "$(pgrep -ox kube-proxy)"
left=60
until pid=$(pgrep -ox kube-proxy) && [ "$(${copy('$pid')})" = ${sh(desired.trimEnd())} ]; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo 'homelab: kube-proxy did not come back' >&2; exit 1; }
  sleep 1
done
`,
        timeoutMs: 90_000,
      },
    }),
  });
}
