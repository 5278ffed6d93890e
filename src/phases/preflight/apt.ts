// A package tool that works. What is waited for (its lock) or mended by installing (an install of ours that was cut off) is none of this.
import type { World } from '../../model/world.ts';
import { prerequisites } from '../host-base.ts';
import { type Checks, check } from './check.ts';

// What another dpkg has half done it will have done when its lock is free.
const unlessAtWork = 'if pgrep -x dpkg >/dev/null; then exit 0; fi\n';

export const apt: Checks = (world, host) => {
  const ours = installed(world);
  return [
    check({
      id: 'dpkg',
      host,
      title: 'has no broken packages',
      expected: 'none that must be installed again',
      script: `${unlessAtWork}dpkg-query -W -f '\${Package} \${db:Status-Eflag} \${db:Status-Status}\\n' | awk '$2 != "ok" || $3 == "half-installed" {print $1}'\n`,
      reproduce: 'sudo dpkg --audit',
      judge(output) {
        const names = output.split('\n').filter(name => name !== '' && !ours.includes(name));
        return {
          ok: names.length === 0,
          observed: names.join(', ') || 'none',
          hint: `sudo apt-get install --reinstall ${names.join(' ')}; if it cannot be had any more: sudo dpkg --remove --force-remove-reinstreq ${names.join(' ')}`,
        };
      },
    }),
    check({
      id: 'apt',
      host,
      title: 'has apt in order',
      expected: 'sources that can be read, no unmet dependency',
      script: `${unlessAtWork}said=$(apt-get -o Debug::NoLocking=1 -q check 2>&1) || printf '%s\\n' "$said"\n`,
      reproduce: 'sudo apt-get check',
      timeoutMs: 60_000,
      judge(output) {
        // Its progress stands before them on their line.
        const errors = output.split('\n').flatMap(line => /E: .*/.exec(line)?.[0] ?? []);
        const sources = errors.filter(line => /list file|list of sources|Signed-By|stanza/.test(line));
        const unmet = output.split('\n').flatMap(line => /^ *(\S+) : /.exec(line)?.[1] ?? []);
        const theirs = unmet.filter(name => !ours.includes(name));
        if (sources.length > 0) {
          const file = /\/etc\/apt\/\S+?(?=[ :(]|$)/.exec(sources.join(' '))?.[0] ?? '/etc/apt/sources.list';
          const hint = `correct the line it names: sudo nano ${file}; then sudo apt-get check`;
          return { ok: false, observed: sources.join(' · '), hint };
        }
        return theirs.length > 0
          ? {
              ok: false,
              observed: `${theirs.join(', ')}: unmet dependencies`,
              hint: 'sudo apt-get --fix-broken install',
            }
          : { ok: true, observed: 'in order' };
      },
    }),
  ];
};

/** Packages that this run installs itself, with what they bring along. */
function installed({ cluster }: World): readonly string[] {
  return [
    ...prerequisites,
    'kubeadm',
    'kubelet',
    'kubectl',
    'kubernetes-cni',
    'cri-tools',
    cluster.containerd.package,
    ...broughtAlong,
  ];
}

// What they depend on and a small Debian has not (packages.debian.org/bookworm, "depends" of each; kubelet's are in its own package).
const broughtAlong = [
  ...['runc', 'libseccomp2', 'ebtables', 'openssl', 'netbase', 'libwrap0', 'libmnl0', 'libxtables12', 'libnftnl11'],
  ...['libip4tc2', 'libip6tc2', 'libnfnetlink0', 'libnetfilter-conntrack3'],
];
