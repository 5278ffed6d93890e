// Bootstrap tokens that we made: none, except while machines join.
import { adminKubectl } from '../model/kubectl.ts';
import type { Resource } from '../model/plan.ts';
import { defineResource } from './resource.ts';

/** Tells our tokens from other people's. */
export const tokenDescription = 'homelab';

const kubectl = adminKubectl(20);

/** sh: the Secrets of all bootstrap tokens that we made, one name a line. */
export const ourTokens = `${kubectl} get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o jsonpath='{range .items[*]}{.metadata.name} {.data.description}{"\\n"}{end}' |
  awk -v ours="$(printf %s ${tokenDescription} | base64)" '$2 == ours {print $1}'`;

/** sh: deletes them. After a failed init there is no API server to ask, and no token either. */
export const deleteOurTokens = `[ -e /etc/kubernetes/admin.conf ] || exit 0
${ourTokens} | xargs -r ${kubectl} delete secret -n kube-system --ignore-not-found >/dev/null
`;

/** For clusters where nobody is joining: a run that was killed may have left its token. */
export function noTokens(): Resource {
  return defineResource<readonly string[]>({
    key: 'bootstrap-tokens',
    name: 'join-tokens-left',
    title: 'Delete join tokens that an earlier run left',
    read: `[ -e /etc/kubernetes/admin.conf ] || exit 0\n${ourTokens}\n`,
    parse: output => output.split('\n').filter(Boolean),
    blank: [],
    desired: [],
    differences: observed => observed.map(name => `${name} is left`),
    act: () => ({ action: { script: deleteOurTokens, timeoutMs: 60_000 } }),
  });
}
