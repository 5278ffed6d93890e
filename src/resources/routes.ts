// The kernel's routes as they are now, whatever any file says.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface Route {
  readonly subnet: string;
  readonly via: string;
}

type State = { readonly [subnet: string]: string };

/** `unit` is the service that sets them; it is run again where one is missing. */
export function routes(wanted: readonly Route[], unit: string): Resource {
  const desired: State = Object.fromEntries(wanted.map(({ subnet, via }) => [subnet, via]));
  const wrong = (observed: State) => wanted.filter(({ subnet, via }) => observed[subnet] !== via);
  return defineResource<State>({
    key: 'routes:pods',
    name: 'routes',
    title: 'Route to the pods of the other machines',
    inputs: [],
    read: `for subnet in ${command(...wanted.map(({ subnet }) => subnet))}; do
  printf '%s %s\\n' "$subnet" "$(ip -4 route show exact "$subnet" | sed -n 's/.* via \\([0-9.]*\\).*/\\1/p' | head -n 1)"
done
`,
    parse: output =>
      Object.fromEntries(
        output
          .split('\n')
          .filter(Boolean)
          .map(line => line.split(' '))
          .map(([subnet = '', via = '']) => [subnet, via || 'no route']),
      ),
    blank: Object.fromEntries(wanted.map(({ subnet }) => [subnet, 'no route'])),
    desired,
    differences: observed =>
      wrong(observed).map(({ subnet, via }) => `${subnet} goes by ${observed[subnet] ?? 'no route'}, not by ${via}`),
    act: observed => ({
      diff: wrong(observed)
        .map(({ subnet, via }) => `- ${subnet} ${observed[subnet] ?? 'no route'}\n+ ${subnet} via ${via}`)
        .join('\n'),
      action: { script: `systemctl restart ${sh(unit)}\n`, timeoutMs: 60_000 },
    }),
  });
}
