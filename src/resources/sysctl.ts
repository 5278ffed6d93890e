// Kernel settings: a file for the next boot and the live value for this one.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { file } from './file.ts';
import { defineResource } from './resource.ts';

type Values = { readonly [key: string]: string };

/** The file under /etc/sysctl.d and the live values, as two resources. */
export function sysctls(name: string, values: Readonly<Record<string, string>>): readonly Resource[] {
  const keys = Object.keys(values);
  const path = `/etc/sysctl.d/90-homelab-${name}.conf`;
  const wrong = (observed: Values) => keys.filter(key => observed[key] !== values[key]);
  return [
    file({ path, name: `sysctl-${name}-file`, content: keys.map(key => `${key} = ${values[key]}\n`).join('') }),
    defineResource<Values>({
      key: `sysctl:${name}`,
      name: `sysctl-${name}`,
      title: `Set ${keys.join(', ')}`,
      read: `for key in ${command(...keys)}; do printf '%s=%s\\n' "$key" "$(sysctl -n "$key" 2>/dev/null || echo absent)"; done\n`,
      parse: output =>
        Object.fromEntries(
          output
            .trim()
            .split('\n')
            .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).replaceAll('\t', ' ')]),
        ),
      blank: Object.fromEntries(keys.map(key => [key, '0'])),
      desired: values,
      differences: observed => wrong(observed).map(key => `${key} is ${observed[key] ?? 'absent'}, not ${values[key]}`),
      act: observed => ({
        diff: wrong(observed)
          .map(key => `- ${key} = ${observed[key] ?? 'absent'}\n+ ${key} = ${values[key]}`)
          .join('\n'),
        action: {
          script: wrong(observed)
            .map(key => `sysctl -q -w ${sh(`${key}=${values[key]}`)}\n`)
            .join(''),
          timeoutMs: 30_000,
        },
      }),
    }),
  ];
}
