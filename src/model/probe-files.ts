// A file in the volume of a probe's pod, written and read from the pod's machine through the mounts of its container.
import { volumePath } from './probe-pods.ts';
import { sh } from './shell.ts';

const file = 'proof';
const bytes = 1024 * 1024;

/** sh on the pod's machine: writes random bytes, prints 'sum SUM'. */
export function writeScript(uid: string): string {
  return `${enterVolume(uid)}head -c ${bytes} /dev/urandom >"$volume/${file}"
sync -f "$volume/${file}"
${sumLine}`;
}

/** sh on the pod's machine: prints 'sum SUM', or 'sum no file'. */
export function readScript(uid: string): string {
  return `${enterVolume(uid)}[ -e "$volume/${file}" ] || { echo 'sum no file'; exit 0; }
${sumLine}`;
}

/** sh on a machine: the same of a folder of its own. */
export function sumIn(folder: string): string {
  return `volume=${sh(folder)}
[ -e "$volume/${file}" ] || { echo 'sum no file'; exit 0; }
${sumLine}`;
}

const sumLine = `echo "sum $(sha256sum <"$volume/${file}" | cut -c -64)"\n`;

// systemd's driver writes the pod's uid with underscores. The sandbox of the pod is no container of it: it has no volume.
function enterVolume(uid: string): string {
  return `for found in /proc/[0-9]*; do
  if grep -qsE 'pod(${uid}|${uid.replaceAll('-', '_')})' "$found/cgroup" && grep -qs ' ${volumePath} ' "$found/mountinfo"; then volume=$found/root${volumePath}; fi
done
[ -n "\${volume-}" ] || { echo 'no process of the pod ${uid} has its volume' >&2; exit 1; }
`;
}

export function sumOf(output: string): string {
  return /^sum (.+)$/m.exec(output)?.[1] ?? 'nothing';
}
