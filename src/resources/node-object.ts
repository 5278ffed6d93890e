// Labels and taints of a node, as the inventory has them; what others put there stays. Read and written on a control plane.
// Taints that keep pods away where no other machine could run them are taken off.

import type { Host, Taint } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { defineResource } from './resource.ts';

const kubectl = adminKubectl(20);

/** 'label KEY' → value, 'taint KEY:EFFECT' → value; 'absent' where it is not there. */
type State = { readonly [what: string]: string };

export function nodeObject({ name, labels, taints }: Host, without: readonly Taint[] = []): Resource {
  const desired: State = Object.fromEntries([
    ...without.map(taint => [taintName(taint), 'absent']),
    ...Object.entries(labels).map(([key, value]) => [`label ${key}`, value]),
    ...taints.map(taint => [taintName(taint), taint.value ?? '']),
  ]);
  const wanted = Object.keys(desired);
  const wrong = (observed: State) => wanted.filter(what => observed[what] !== desired[what]);
  return defineResource<State>({
    key: `node:${name}`,
    name: `node-${name}`,
    title: `Label and taint ${name}`,
    read: `[ -e /etc/kubernetes/admin.conf ] || exit 0
${kubectl} label --list node ${sh(name)} 2>/dev/null | sed 's/^/label /' || true
${kubectl} get node ${sh(name)} --ignore-not-found -o jsonpath='{range .spec.taints[*]}taint {.key}:{.effect}={.value}{"\\n"}{end}' 2>/dev/null || true
`,
    parse(output) {
      const found = new Map(
        output
          .split('\n')
          .filter(Boolean)
          .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      return Object.fromEntries(wanted.map(what => [what, found.get(what) ?? 'absent']));
    },
    // Kubeadm's own taints are not there either: init leaves them out.
    blank: Object.fromEntries(wanted.map(what => [what, 'absent'])),
    desired,
    differences: observed =>
      wrong(observed).map(what => `${what} is ${observed[what] || "''"}, not ${desired[what] || "''"}`),
    act: observed => ({
      diff: wrong(observed)
        .map(what => `- ${what}=${observed[what]}${desired[what] === 'absent' ? '' : `\n+ ${what}=${desired[what]}`}`)
        .join('\n'),
      action: {
        script: [
          ...Object.entries(labels).map(
            ([key, value]) =>
              `${kubectl} ${command('label', '--overwrite', 'node', name, `${key}=${value}`)} >/dev/null\n`,
          ),
          ...taints.map(
            ({ key, value, effect }) =>
              `${kubectl} ${command('taint', '--overwrite', 'node', name, `${key}=${value ?? ''}:${effect}`)} >/dev/null\n`,
          ),
          ...without
            .filter(taint => observed[taintName(taint)] !== 'absent')
            .map(({ key, effect }) => `${kubectl} ${command('taint', 'node', name, `${key}:${effect}-`)} >/dev/null\n`),
        ].join(''),
        timeoutMs: 60_000,
      },
    }),
  });
}

function taintName({ key, effect }: Taint): string {
  return `taint ${key}:${effect}`;
}
