// Which packages a node is made of, whether they are held, and what apt did to them lately.
import { redacted } from '../redact.ts';
import { type Look, linesOf } from './look.ts';

const names = [
  ...['kubeadm', 'kubelet', 'kubectl', 'kubernetes-cni', 'cri-tools', 'containerd', 'containerd.io', 'runc'],
  ...['open-iscsi', 'multipath-tools', 'nfs-common', 'unattended-upgrades', 'open-vm-tools', 'chrony'],
];

export const packages: Look = {
  id: 'packages',
  lane: 'quick',
  facts: ['packages'],
  script: () =>
    `command -v dpkg-query >/dev/null || { echo 'there is no dpkg' >&2; exit 3; }
timeout 3 dpkg-query -W -f '\${db:Status-Status} \${db:Status-Want} \${Package} \${Version}\\n' ${names.join(' ')} 2>/dev/null || [ "$?" = 1 ]
`,
  parse: output => ({
    packages: linesOf(output).flatMap(line => {
      const [status, wanted, name, version] = line.split(' ');
      if (status !== 'installed' || name === undefined || version === undefined) return [];
      return [{ name, version, held: wanted === 'hold' }];
    }),
  }),
};

const ours = /\b(?:kube[a-z-]*|kubernetes-cni|containerd[a-z.]*|cri-tools|runc)(?::[a-z0-9]+)? \([^)]*\)/g;

export const packageLog: Look = {
  id: 'package-log',
  lane: 'quick',
  facts: ['packageLog'],
  // Its times are local; the last twenty of them are turned.
  script: () => `find /var/log/apt -name 'history.log*' -mtime -60 2>/dev/null | sort -V -r | xargs -r zcat -f |
  awk 'BEGIN { RS = ""; ORS = "\\n\\n" } /(kube|containerd|cri-tools|runc)/' | cut -c -4000 | tail -n 200 | while IFS= read -r line; do
  case $line in
    Start-Date:*) printf 'at %s\\n' "$(date -u -d "\${line#*: }" +%Y-%m-%dT%H:%M:%SZ)" ;;
    *) printf '%s\\n' "$line" ;;
  esac
done
`,
  parse: output => ({
    packageLog: output
      .split(/^at /m)
      .slice(1)
      .flatMap(entry => {
        const [at = '', ...lines] = linesOf(entry);
        const get = (name: string) => lines.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
        const done = ['Install', 'Upgrade', 'Downgrade', 'Reinstall', 'Remove', 'Purge'].flatMap(verb => {
          const of = get(verb).match(ours);
          return of ? [`${verb}: ${of.join(', ')}`] : [];
        });
        const by = get('Requested-By');
        const text = [
          ...done,
          ...(by === '' ? [] : [`by ${by}`]),
          ...(get('Error') ? [`failed: ${get('Error')}`] : []),
        ];
        return done.length === 0
          ? []
          : [{ at, command: redacted(get('Commandline')).slice(0, 300), text: redacted(text.join('; ')) }];
      })
      .slice(-20),
  }),
};
