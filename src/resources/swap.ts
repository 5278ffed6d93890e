// No swap, now and after the next boot: kubelet refuses to start beside it.
import type { Resource } from '../model/plan.ts';
import { defineResource } from './resource.ts';

type SwapState = {
  readonly active: readonly string[];
  readonly fstab: readonly string[];
  readonly units: readonly string[];
};

// sh: units that switch swap on at boot. Those that come from fstab go with their line; a generator's own (zram) are masked.
const bootUnits = `systemctl list-unit-files --no-legend --no-pager --type=swap | while read -r unit state _; do
  case $state in
    masked) ;;
    generated) [ "$(systemctl show -p SourcePath --value "$unit")" = /etc/fstab ] || echo "$unit" ;;
    *) echo "$unit" ;;
  esac
done`;

/** fstab lines are commented out with our mark, swap units masked, a file of theirs in the mask's place kept beside it; the swap file itself stays. */
export function noSwap(): Resource {
  return defineResource<SwapState>({
    key: 'swap',
    name: 'swap-off',
    title: 'Switch swap off',
    read: `tail -n +2 /proc/swaps | awk '{print "active " $1}'
[ ! -e /etc/fstab ] || awk '$1 !~ /^#/ && $3 == "swap" {print "fstab " $1}' /etc/fstab
${bootUnits} | sed 's/^/unit /'
`,
    parse(output) {
      const lines = output.trim().split('\n');
      const of = (kind: string) =>
        lines
          .filter(line => line.startsWith(`${kind} `))
          .map(line => line.slice(kind.length + 1))
          .sort();
      return { active: of('active'), fstab: of('fstab'), units: of('unit') };
    },
    blank: { active: [], fstab: [], units: [] },
    desired: { active: [], fstab: [], units: [] },
    differences: observed => [
      ...observed.active.map(each => `swap is on (${each})`),
      ...observed.fstab.map(each => `/etc/fstab switches ${each} on at boot`),
      ...observed.units.map(each => `${each} switches swap on at boot`),
    ],
    act: observed => ({
      risk: observed.active.length > 0 ? 'disruptive' : 'safe',
      action: {
        // A unit's file that somebody wrote stands where the mask would.
        script: `${bootUnits} | while read -r unit; do
  own=/etc/systemd/system/$unit
  if [ -e "$own" ] || [ -L "$own" ]; then mv "$own" "$own.homelab"; fi
  systemctl mask --quiet "$unit"
done
[ ! -e /etc/fstab ] || sed -i -E '/^[[:space:]]*#/!s/^([[:space:]]*[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]].*)?)$/# homelab: \\1/' /etc/fstab
systemctl daemon-reload
swapoff -a
`,
        timeoutMs: 300_000,
      },
    }),
  });
}
