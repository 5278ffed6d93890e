// The kernel's routes as they are now, whatever any file says.
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

export interface Route {
  readonly subnet: string;
  readonly via: string;
}

type State = { readonly [subnet: string]: string };

/**
 * Exactly these routes lead to other machines' pods. `unit` is the service that sets them: it is run again where one is missing; a route
 * to a machine that left is deleted.
 */
export function routes(wanted: readonly Route[], podSubnet: string, unit: string): Resource {
  const desired: State = Object.fromEntries(wanted.map(({ subnet, via }) => [subnet, via]));
  const wrong = (observed: State) => wanted.filter(({ subnet, via }) => observed[subnet] !== via);
  const extra = (observed: State) => Object.keys(observed).filter(subnet => desired[subnet] === undefined);
  return defineResource<State>({
    key: 'routes:pods',
    name: 'routes',
    title: 'Route to the pods of the other machines',
    inputs: [],
    read: `ip -4 route show root ${sh(podSubnet)} | sed -n 's/^\\([0-9./]*\\) via \\([0-9.]*\\) .*/\\1 \\2/p'\n`,
    parse: output =>
      Object.fromEntries(
        output
          .split('\n')
          .filter(Boolean)
          .map(line => line.split(' '))
          .map(([subnet = '', via = '']) => [subnet, via]),
      ),
    blank: {},
    desired,
    differences: observed => [
      ...wrong(observed).map(({ subnet, via }) => `${subnet} goes by ${observed[subnet] ?? 'no route'}, not by ${via}`),
      ...extra(observed).map(subnet => `${subnet} goes by ${observed[subnet]}, which is no machine of this cluster`),
    ],
    act: observed => ({
      diff: [
        ...wrong(observed).map(
          ({ subnet, via }) => `- ${subnet} ${observed[subnet] ?? 'no route'}\n+ ${subnet} via ${via}`,
        ),
        ...extra(observed).map(subnet => `- ${subnet} via ${observed[subnet]}`),
      ].join('\n'),
      action: {
        script: `${extra(observed)
          .map(subnet => `${command('ip', '-4', 'route', 'delete', subnet)}\n`)
          .join('')}systemctl restart ${sh(unit)}\n`,
        timeoutMs: 60_000,
      },
    }),
  });
}
