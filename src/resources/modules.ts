// Kernel modules: a file for the next boot and loaded now. A module that is built in counts as loaded.
import type { Resource } from '../model/plan.ts';
import { command } from '../model/shell.ts';
import { file } from './file.ts';
import { defineResource } from './resource.ts';

type Loaded = { readonly [name: string]: boolean };

export function modules(name: string, names: readonly string[]): readonly Resource[] {
  const missing = (observed: Loaded) => names.filter(each => observed[each] !== true);
  return [
    file({
      path: `/etc/modules-load.d/homelab-${name}.conf`,
      name: `modules-${name}-file`,
      content: names.map(each => `${each}\n`).join(''),
    }),
    defineResource<Loaded>({
      key: `modules:${name}`,
      name: `modules-${name}`,
      title: `Load ${names.join(', ')}`,
      read: `for name in ${command(...names)}; do
  if [ -d "/sys/module/$name" ] || grep -qs "/\${name}[.]ko" "/lib/modules/$(uname -r)/modules.builtin"; then echo "$name yes"; else echo "$name no"; fi
done
`,
      parse: output =>
        Object.fromEntries(
          output
            .trim()
            .split('\n')
            .map(line => [line.split(' ')[0] ?? '', line.endsWith(' yes')]),
        ),
      blank: Object.fromEntries(names.map(each => [each, false])),
      desired: Object.fromEntries(names.map(each => [each, true])),
      differences: observed => missing(observed).map(each => `${each} is not loaded`),
      act: observed => ({
        action: {
          script: `${command('modprobe', '-a', ...missing(observed))}\n`,
          timeoutMs: 30_000,
          explain: [
            {
              pattern: /not found in directory/,
              message: 'the running kernel has no such module',
              hint: 'install the kernel modules package of the running kernel (uname -r), or reboot into the kernel that is installed',
            },
          ],
        },
      }),
    }),
  ];
}
