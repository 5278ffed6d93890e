// Releases of Helm: one that hangs keeps every later command from running.

import type { ObjectOf } from '../objects/kinds.ts';
import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

type Revision = ObjectOf<'releases'>;

interface Release {
  readonly namespace: string;
  readonly name: string;
  /** The newest first. */
  readonly revisions: readonly Revision[];
}

const versionOf = ({ metadata }: Revision) => Number(metadata.labels['version'] ?? 0);
const statusOf = (revision: Revision | undefined) => revision?.metadata.labels['status'] ?? '';

/** Helm writes seconds into labels; a Secret that was only made has its own time. */
function changedAt({ metadata }: Revision): number {
  const seconds = Number(metadata.labels['modifiedAt'] ?? metadata.labels['createdAt'] ?? 0);
  return seconds > 0 ? seconds * 1000 : Date.parse(metadata.creationTimestamp);
}

function releases(snapshot: Snapshot): readonly Release[] {
  const found = new Map<string, Release>();
  for (const revision of objects(snapshot, 'releases')) {
    const { namespace, labels } = revision.metadata;
    const name = labels['name'];
    if (labels['owner'] !== 'helm' || name === undefined) continue;
    const before = found.get(`${namespace}/${name}`)?.revisions ?? [];
    const revisions = [...before, revision].sort((one, other) => versionOf(other) - versionOf(one));
    found.set(`${namespace}/${name}`, { namespace, name, revisions });
  }
  return [...found.values()];
}

const historyOf = ({ namespace, name }: Release) => `helm history -n ${namespace} ${word(name)}`;

/** A slow chart waits for its pods as long as its --timeout says; nobody gives it more than this. */
const patienceMs = 20 * 60_000;

export const stuckRelease: Rule = {
  id: 'helm-release-stuck',
  layer: 'platform',
  symptom:
    "helm upgrade says 'another operation (install/upgrade/rollback) is in progress', or the last upgrade failed.",
  cause:
    'An earlier helm was killed, or lost its connection, in the middle: the release stayed pending. Or its last revision failed.',
  cure: 'Roll back to the last revision that was deployed; where there is none, remove the pending one and install again.',
  sources: ['helm/helm#4558', 'helm/helm#8987'],
  needs: ['api.releases'],
  explains: [],
  find: snapshot =>
    releases(snapshot).flatMap((release): readonly Finding[] => {
      const [newest] = release.revisions;
      const status = statusOf(newest);
      if (!newest || !/^(pending-|failed$|uninstalling$)/.test(status)) return [];
      const isPending = status !== 'failed';
      const changed = changedAt(newest);
      if (isPending && snapshot.at - changed < patienceMs) return [];
      const { namespace, name } = release;
      const good = release.revisions.find(revision => /^(deployed|superseded)$/.test(statusOf(revision)));
      const isDated = !Number.isNaN(changed);
      const howLong = isDated ? ` for ${Math.round((snapshot.at - changed) / 60_000)} min` : '';
      return [
        {
          says: isPending
            ? `The Helm release ${namespace}/${name} is ${status}${howLong}: helm refuses to touch it until that is over`
            : `The last upgrade of the Helm release ${namespace}/${name} (revision ${versionOf(newest)}) failed`,
          severity: isPending ? 'error' : 'warning',
          certainty: 'certain',
          about: [`release:${namespace}/${name}`, `namespace:${namespace}`],
          ...(isDated ? { since: new Date(changed).toISOString() } : {}),
          evidence: [
            {
              says: `revision ${versionOf(newest)}: ${status}`,
              from: `release ${namespace}/${name}`,
              again: historyOf(release),
            },
          ],
          cure: good
            ? [`helm rollback -n ${namespace} ${word(name)} ${versionOf(good)}`]
            : [
                `kubectl delete secret -n ${namespace} ${newest.metadata.name}   # only this revision's record; what it installed stays`,
                historyOf(release),
              ],
        },
      ];
    }),
};

export const fieldConflict: Rule = {
  id: 'helm-field-conflict',
  layer: 'platform',
  symptom: 'helm 4 fails on Istio: \'Apply failed with 1 conflict: conflict with "pilot-discovery"\'.',
  cause:
    "istiod itself writes failurePolicy into its webhook; helm 4 applies on the server's side and does not take a field from another owner.",
  cure: 'Istio from 1.28.6 or 1.29 on leaves it to Helm; before, use --force-conflicts for that release.',
  sources: ['istio/istio#59367', 'istio/istio#60497', 'istio/istio#61613'],
  needs: ['api.releases', 'api.validatingwebhookconfigurations'],
  explains: [{ rule: 'helm-release-stuck', by: 'release' }],
  find(snapshot) {
    const webhook = objects(snapshot, 'validatingwebhookconfigurations').find(
      ({ metadata }) =>
        /^istio(d|-validator)/.test(metadata.name) &&
        metadata.managedFields.some(({ manager }) => manager === 'pilot-discovery') &&
        metadata.managedFields.some(({ manager }) => /^helm/.test(manager)),
    );
    if (!webhook) return [];
    return releases(snapshot).flatMap((release): readonly Finding[] => {
      const { namespace, name } = release;
      if (statusOf(release.revisions[0]) !== 'failed' || !/istio/.test(`${namespace}/${name}`)) return [];
      return [
        {
          says: `The Helm release ${namespace}/${name} may have failed because istiod owns a field of ${webhook.metadata.name} too, and helm 4 does not take it away`,
          severity: 'warning',
          certainty: 'possible',
          settledBy: `helm status -n ${namespace} ${word(name)}   (its description names the conflict with "pilot-discovery")`,
          about: [`release:${namespace}/${name}`, `webhook:${webhook.metadata.name}`],
          evidence: [
            {
              says: `managers: ${[...new Set(webhook.metadata.managedFields.map(({ manager }) => manager))].join(', ')}`,
              from: `ValidatingWebhookConfiguration ${webhook.metadata.name}`,
              again: `kubectl get validatingwebhookconfiguration ${webhook.metadata.name} -o yaml --show-managed-fields | grep manager:`,
            },
          ],
          cure: [`helm upgrade -n ${namespace} ${word(name)} CHART --reuse-values --force-conflicts`],
        },
      ];
    });
  },
};
