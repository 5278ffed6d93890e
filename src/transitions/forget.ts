// node that the API server knows → no such node.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import type { World } from '../model/world.ts';

const kubectl = adminKubectl(30);

export function forget(world: World, { name }: Host): Transition {
  const isKnown = world.nodes === 'unknown' || world.nodes.some(node => node.name === name);
  return {
    kind: 'transition',
    name: `forget-${name}`,
    title: `Delete the node object of ${name}`,
    now: isKnown ? 'registered' : 'absent',
    to: 'absent',
    change: !isKnown
      ? undefined
      : world.nodes === 'unknown'
        ? { refuse: 'no API server answers', hint: 'see why: homelab verify --only control-plane' }
        : {
            why: 'the API server still knows it',
            risk: 'disruptive',
            action: { script: forgetScript(name, world.about?.dead ?? false), timeoutMs: 60_000 },
          },
    predict: before => ({
      ...before,
      nodes: before.nodes === 'unknown' ? before.nodes : before.nodes.filter(node => node.name !== name),
    }),
  };
}

function forgetScript(name: string, isDead: boolean): string {
  return `${forgetFunction(isDead)}forget ${sh(name)}\n`;
}

/**
 * sh: defines `forget NODE`. A dead machine's pods would count as running until the garbage collector comes, a minute later: perhaps
 * all of the cluster's DNS. What it asked the cluster to sign and nobody answered would be a riddle to the next run.
 */
export function forgetFunction(isDead: boolean): string {
  return `forget() {
  ${kubectl} delete node "$1" --ignore-not-found >/dev/null
${isDead ? `  ${kubectl} delete pods --all-namespaces --field-selector "spec.nodeName=$1" --force --grace-period=0 >/dev/null\n` : ''}  ${kubectl} get certificatesigningrequests -o jsonpath="{range .items[?(@.spec.username==\\"system:node:$1\\")]}{.metadata.name}{\\"\\\\n\\"}{end}" |
    xargs -r ${kubectl} delete certificatesigningrequests >/dev/null
}
`;
}
