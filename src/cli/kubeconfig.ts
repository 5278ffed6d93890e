// The cluster's admin kubeconfig as people keep it: under the cluster's name, alone or beside the contexts they have. Pure.
import { X509Certificate } from 'node:crypto';
import { dump, load } from 'js-yaml';
import { z } from 'zod';
import { HomelabError } from '../model/errors.ts';

const entry = z.looseObject({ name: z.string() });
const kubeconfig = z.looseObject({
  clusters: z.array(entry).nullish(),
  users: z.array(entry).nullish(),
  contexts: z.array(entry).nullish(),
  'current-context': z.string().nullish(),
});
const adminConf = z.object({
  clusters: z.tuple([z.object({ cluster: z.looseObject({ server: z.string() }) })]),
  users: z.tuple([z.object({ user: z.looseObject({}) })]),
});

type Kubeconfig = z.output<typeof kubeconfig>;

/** kubeadm's admin.conf with context and cluster named after the cluster. `server`: another address of the API server. */
export function namedKubeconfig(text: string, name: string, server: string | undefined): string {
  const { clusters, users } = adminConf.parse(load(text));
  const { cluster } = clusters[0];
  const user = `${name}-admin`;
  return render({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name, cluster: { ...cluster, ...(server === undefined ? {} : { server: `https://${server}:6443` }) } },
    ],
    users: [{ name: user, user: users[0].user }],
    contexts: [{ name, context: { cluster: name, user } }],
    'current-context': name,
  });
}

/**
 * `ours` in `theirs`: entries of the same names are replaced, everything else stays. The current context changes when `use` says
 * so or there was none.
 */
export function mergeKubeconfig(theirs: string, ours: string, file: string, use: boolean): string {
  const before = parseTheirs(theirs, file);
  const added = kubeconfig.parse(load(ours));
  const merged = (key: 'clusters' | 'users' | 'contexts') => {
    const mine = added[key] ?? [];
    const others = (before[key] ?? []).filter(each => !mine.some(({ name }) => name === each.name));
    return [...others, ...mine];
  };
  return render({
    ...before,
    apiVersion: 'v1',
    kind: 'Config',
    clusters: merged('clusters'),
    users: merged('users'),
    contexts: merged('contexts'),
    'current-context': use ? added['current-context'] : before['current-context'] || added['current-context'],
  });
}

/**
 * `theirs` with the certificate of `ours` in the entry that an earlier merge left; its server, which may be another, stays. Undefined
 * where there is no such entry, it is another cluster's, or it has a certificate that lasts longer.
 */
export function renewKubeconfig(theirs: string, ours: string, file: string): string | undefined {
  const before = parseTheirs(theirs, file);
  const fresh = parseOurs(ours);
  const cluster = before.clusters?.find(({ name }) => name === fresh.cluster.name);
  const user = before.users?.find(({ name }) => name === fresh.user.name);
  if (!cluster || !user || authorityOf(cluster) !== authorityOf(fresh.cluster)) return undefined;
  if (!(endOf(user) < endOf(fresh.user))) return undefined;
  return render({ ...before, users: (before.users ?? []).map(each => (each === user ? fresh.user : each)) });
}

function parseOurs(text: string) {
  const { clusters, users } = z.object({ clusters: z.tuple([entry]), users: z.tuple([entry]) }).parse(load(text));
  return { cluster: clusters[0], user: users[0] };
}

function authorityOf(cluster: z.output<typeof entry>): string | undefined {
  const read = z.object({ cluster: z.object({ 'certificate-authority-data': z.string() }) }).safeParse(cluster);
  return read.data?.cluster['certificate-authority-data'];
}

/** Not a number where it holds no certificate. */
function endOf(user: z.output<typeof entry>): number {
  const read = z.object({ user: z.object({ 'client-certificate-data': z.string() }) }).safeParse(user);
  try {
    const pem = Buffer.from(read.data?.user['client-certificate-data'] ?? '', 'base64');
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return Number.NaN;
  }
}

/** The file that kubectl writes to: the first of KUBECONFIG, else ~/.kube/config. */
export function kubeconfigPath(env: Readonly<Record<string, string | undefined>>): string {
  const [first] = (env['KUBECONFIG'] ?? '').split(':').filter(Boolean);
  return first ?? `${env['HOME'] ?? ''}/.kube/config`;
}

function parseTheirs(text: string, file: string): Kubeconfig {
  if (text.trim() === '') return {};
  try {
    return kubeconfig.parse(load(text));
  } catch (cause) {
    throw new HomelabError('HL_USAGE', `${file} is no kubeconfig that can be merged into; it was left as it is`, {
      cause,
      hint: 'mend it (kubectl config view says where it is wrong), or write another file: homelab kubeconfig --out FILE',
    });
  }
}

function render(config: Kubeconfig): string {
  return dump(config, { lineWidth: -1, noRefs: true });
}
