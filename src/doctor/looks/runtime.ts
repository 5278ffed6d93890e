// containerd: what it runs with, not what its file says; and whether the file is believed at all.
import { redacted } from '../redact.ts';
import { type Look, linesOf, sectionsOf } from './look.ts';

export const containerd: Look = {
  id: 'containerd',
  lane: 'runtime',
  facts: ['containerd'],
  // Registries' passwords may stand in both: only headers and the few keys that a rule reads are printed.
  script: () => `command -v containerd >/dev/null || exit 0
echo '@version'
dpkg-query -W -f '\${db:Status-Status} \${Version}\\n' containerd containerd.io 2>/dev/null | sed -n 's/^installed //p' | grep . || timeout 3 containerd --version
echo '@file'
[ ! -e /etc/containerd/config.toml ] || sed -n '/^ *version *=/p; /^ *\\[ *plugins *\\./p; /^ *disabled_plugins *=/p' /etc/containerd/config.toml
echo '@dump'
said=$(timeout 5 containerd config dump 2>&1) && code=0 || code=$?
# Not to have been in time says nothing about its configuration.
case $code in 124 | 137) exit "$code" ;; esac
if [ "$code" = 0 ]; then
  printf '%s\\n' "$said" | sed -n '/^ *version *=/p; /^ *\\[/p; /^ *\\(SystemdCgroup\\|sandbox\\|sandbox_image\\|default_runtime_name\\) *=/p'
else
  echo "@broken $code"
  printf '%s\\n' "$said" | tail -n 3 | cut -c -600
fi
`,
  parse(output) {
    if (output.trim() === '') return {};
    const sections = sectionsOf(output);
    const body = (word: string) => sections.find(section => section.word === word)?.body ?? '';
    if (!sections.some(({ word }) => word === 'dump')) throw new Error('the answer is cut off');
    const file = linesOf(body('file'));
    const dump = valuesOf(body('dump'));
    const find = (key: RegExp) => [...dump].find(([name]) => key.test(name))?.[1];
    const configVersion = Number(valuesOf(file.join('\n')).get('version') ?? (file.length > 0 ? 1 : NaN));
    const runtime = find(/(^|\.)default_runtime_name$/) ?? 'runc';
    const systemd = [...dump].find(([name]) => name.endsWith(`.runtimes.${runtime}.options.SystemdCgroup`))?.[1];
    const broken = sections.find(({ word }) => word === 'broken');
    return {
      containerd: {
        version: /\d+\.\d+\.\d+/.exec(body('version'))?.[0] ?? '',
        configVersion: Number.isNaN(configVersion) ? 0 : configVersion,
        ...(systemd === undefined ? {} : { systemdCgroup: systemd === 'true' }),
        sandboxImage: find(/pinned_images\.sandbox$|\.sandbox_image$/) ?? '',
        ignoredPlugins: configVersion >= 3 ? ignoredIn(file) : [],
        broken: broken ? redacted(broken.body.trim()) || `exit ${broken.rest}` : '',
      },
    };
  },
};

/** 'table.key' → value, of the lines of a TOML file that are tables or plain values; quotes are taken off. */
function valuesOf(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let table = '';
  for (const line of linesOf(text)) {
    const header = /^\s*\[([^\]]+)\]\s*$/.exec(line)?.[1];
    if (header !== undefined) {
      table = `${header.replace(/["']/g, '').trim()}.`;
      continue;
    }
    const [, key, value] = /^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) values.set(`${table}${key}`, value.replace(/^(["'])(.*)\1$/, '$2'));
  }
  return values;
}

// In a file of version 3 the parts of the old plugin have names of their own; what stands under the old one is read by nobody.
function ignoredIn(file: readonly string[]): string[] {
  const found = file.flatMap(line => /["'](io\.containerd\.grpc\.v1\.cri)["']/.exec(line)?.[1] ?? []);
  const isOld = file.some(line => /grpc\.v1\.cri["']\s*\.\s*(containerd|cni|registry)/.test(line));
  return isOld ? [...new Set(found)] : [];
}
