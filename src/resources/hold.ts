// Packages that no upgrade may move by itself, as far as they are installed. Says nothing about their versions.
import type { Resource } from '../model/plan.ts';
import { command } from '../model/shell.ts';
import { defineResource } from './resource.ts';

/** The state: what is installed and not on hold. */
export function hold(names: readonly string[]): Resource {
  return defineResource<readonly string[]>({
    key: `hold:${names.join(',')}`,
    name: 'hold',
    title: `Hold ${names.join(', ')}, as far as they are installed`,
    read: `dpkg-query -W -f '\${db:Status-Want} \${db:Status-Status} \${Package}\\n' ${command(...names)} 2>/dev/null | awk '$1 != "hold" && $2 == "installed" {print $3}'\n`,
    parse: output => output.split('\n').filter(Boolean),
    blank: [],
    desired: [],
    differences: observed => observed.map(name => `${name} is not on hold`),
    act: observed => ({
      diff: observed.map(name => `+ hold ${name}`).join('\n'),
      action: { script: `${command('apt-mark', 'hold', ...observed)} >/dev/null\n`, timeoutMs: 60_000 },
    }),
  });
}
