// Traffic of a probe's pod, made with the machine's own tools in the pod's network namespace, as scripts for its machine.
import { dnsQuery } from './dns.ts';
import { sh } from './shell.ts';

const listener = 'homelab-probe-listener';
export const probePort = 8080;

/** Leaves the pod's network namespace in `pod`. containerd keeps every one mounted under /run/netns. */
export function enterPod(address: string): string {
  return `for found in /run/netns/*; do
  if nsenter --net="$found" ip -4 -o address show 2>/dev/null | grep -qF ${sh(` ${address}/`)}; then pod=$found; fi
done
[ -n "\${pod-}" ] || { echo ${sh(`no network namespace with the address ${address}`)} >&2; exit 1; }
`;
}

/** Takes 'COUNT', then COUNT bytes; answers with their sum. */
export function listenScript(address: string): string {
  return `${enterPod(address)}${stopListening}systemd-run --quiet --collect --unit=${listener} --property=RuntimeMaxSec=240 --property=NetworkNamespacePath="$pod" \\
  systemd-socket-activate --listen=0.0.0.0:${probePort} --inetd --accept /bin/sh -c 'read -r count && head -c "$count" | sha256sum'
`;
}

export const stopListening = `systemctl stop ${listener}.service 2>/dev/null || true\n`;

/** After `enterPod`: one attempt to send so many zeros to the listener at `$1`; prints the sum that it answers with. */
export function send(bytes: number, seconds: number): string {
  return `nsenter --net="$pod" timeout ${seconds} bash -c 'exec 3<>"/dev/tcp/$1/${probePort}" && { echo ${bytes}; head -c ${bytes} /dev/zero; } >&3 && cut -c -64 <&3' - "$1" 2>/dev/null`;
}

/** After `enterPod`: prints 'dns ANSWER', for `dnsAnswer`. */
export function resolve(server: string, name: string): string {
  return `# bash flushes printf at every newline, and a label of ten letters is one: dd makes it one datagram again
left=10
until answer=$(nsenter --net="$pod" timeout 5 bash -c 'exec 3<>"/dev/udp/$1/53" && printf "$2" | dd bs=512 iflag=fullblock >&3 2>/dev/null && timeout 3 dd bs=512 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d " \\n"' - ${sh(server)} ${sh(dnsQuery(name))}) && [ -n "$answer" ]; do
  left=$((left - 1)); [ "$left" -gt 0 ] || { answer=silent; break; }; sleep 1
done
echo "dns $answer"
`;
}
