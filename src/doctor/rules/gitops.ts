// Argo CD and Argo Rollouts at the same object; Cloudflare at the door.
import type { ObjectOf } from '../objects/kinds.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { logEvidence, machineEntity, podEntity, podName } from './installed.ts';
import { failingThatSay } from './observability.ts';

const rollouts = /^rollouts-controller$/;
const argoCd = /^argocd-(application-)?controller$/;

/** The Application that applies this VirtualService. */
function applicationOf(snapshot: Snapshot, namespace: string, name: string): ObjectOf<'applications'> | undefined {
  return objects(snapshot, 'applications').find(({ status }) =>
    status.resources.some(
      each =>
        each.kind === 'VirtualService' && each.name === name && (each.namespace === '' || each.namespace === namespace),
    ),
  );
}

function leavesWeights({ spec }: ObjectOf<'applications'>, name: string): boolean {
  return spec.ignoreDifferences.some(
    each =>
      /^(VirtualService|\*)$/.test(each.kind) &&
      (each.name === '' || each.name === name) &&
      (each.managedFieldsManagers.some(manager => rollouts.test(manager)) ||
        [...each.jqPathExpressions, ...each.jsonPointers].some(path => /http|spec$/.test(path))),
  );
}

export const weightsFought: Rule = {
  id: 'rollout-weights-reverted',
  layer: 'platform',
  symptom: 'A canary does not advance: its weights jump back to 100/0.',
  cause: 'Argo Rollouts writes the weights into the VirtualService, and Argo CD takes them back to what stands in Git.',
  cure: 'Let Argo CD ignore the weights (ignoreDifferences), and respect that when it syncs (RespectIgnoreDifferences=true).',
  sources: [
    'argoproj/argo-rollouts: docs/features/traffic-management/istio.md',
    'argoproj/argo-cd#2913',
    'argoproj/argo-rollouts#3854',
  ],
  needs: ['api.rollouts', 'api.virtualservices', 'api.applications'],
  explains: [],
  find: snapshot =>
    objects(snapshot, 'rollouts').flatMap(({ metadata, spec, status }): readonly Finding[] => {
      const istio = spec.strategy?.canary?.trafficRouting?.istio;
      const names = [istio?.virtualService?.name ?? '', ...(istio?.virtualServices ?? []).map(({ name }) => name)];
      return names.flatMap((full): readonly Finding[] => {
        const [bare = '', other = metadata.namespace] = full.split('.');
        const service = objects(snapshot, 'virtualservices').find(
          each => each.metadata.name === bare && each.metadata.namespace === other,
        );
        if (!service) return [];
        const timeOf = (pattern: RegExp) =>
          service.metadata.managedFields
            .filter(({ manager }) => pattern.test(manager))
            .map(({ time }) => time)
            .sort()
            .at(-1);
        const [byRollouts, byArgo] = [timeOf(rollouts), timeOf(argoCd)];
        const application = applicationOf(snapshot, other, bare);
        if (application && leavesWeights(application, bare)) return [];
        const heals = application?.spec.syncPolicy?.automated?.selfHeal === true;
        const isUnderWay = /^(Progressing|Paused|Degraded)$/.test(status.phase);
        // Not a number where one of them has not written.
        const laterMs = Date.parse(byArgo ?? '') - Date.parse(byRollouts ?? '');
        // In a fight either may have written last.
        const wasTakenBack = laterMs > 0 || (heals && Math.abs(laterMs) < 120_000);
        // Both write: that is shown by what they left, or by who applies it and heals.
        if (!wasTakenBack && !heals) return [];
        const isNow = isUnderWay && wasTakenBack;
        const app = application ? `${application.metadata.namespace}/${application.metadata.name}` : undefined;
        const rollout = `${metadata.namespace}/${metadata.name}`;
        return [
          {
            says: isNow
              ? `The canary ${rollout} does not advance: Argo CD takes back the weights that Rollouts wrote into VirtualService ${other}/${bare}`
              : `Argo CD will take back the weights of the canary ${rollout}: ${app === undefined ? 'it' : `Application ${app}`} applies VirtualService ${other}/${bare} and does not ignore them`,
            severity: isNow ? 'error' : 'warning',
            certainty: isNow && application ? 'certain' : 'likely',
            ...(isNow && application
              ? {}
              : {
                  settledBy: `kubectl get virtualservice -n ${other} ${bare} -w -o jsonpath='{.spec.http[0].route[*].weight}'   (during a canary)`,
                }),
            about: [`workload:${rollout}`, `object:${other}/${bare}`, `namespace:${metadata.namespace}`],
            ...(isNow && byArgo !== undefined ? { since: byArgo } : {}),
            evidence: [
              {
                says: `written by rollouts-controller at ${byRollouts ?? 'no known time'}, by Argo CD at ${byArgo ?? 'no known time'}; the rollout is ${status.phase || 'in no known phase'}`,
                from: `VirtualService ${other}/${bare}`,
                again: `kubectl get virtualservice -n ${other} ${bare} -o yaml --show-managed-fields | grep -E 'manager|time'`,
              },
              ...(app === undefined
                ? []
                : [
                    {
                      says: `ignoreDifferences names no weights of a VirtualService; selfHeal: ${heals}`,
                      from: `Application ${app}`,
                      again: `kubectl get application -n ${application?.metadata.namespace} ${application?.metadata.name} -o yaml | grep -A6 ignoreDifferences`,
                    },
                  ]),
            ],
            cure: [
              `in ${app === undefined ? "the Application's" : `${app}'s`} manifest: ignoreDifferences: [{group: networking.istio.io, kind: VirtualService, jqPathExpressions: ['.spec.http[].route[].weight']}]`,
              'and syncPolicy.syncOptions: [RespectIgnoreDifferences=true]',
            ],
          },
        ];
      });
    }),
};

export const cloudflareToken: Rule = {
  id: 'cloudflare-token-refused',
  layer: 'workload',
  symptom: 'The public name keeps an old address, a certificate is not renewed, or the tunnel does not come up.',
  cause:
    'Cloudflare refuses the token: it was rolled or revoked, lacks a permission for the zone, or may not be used from this address.',
  cure: 'Make a token with Zone:Read and DNS:Edit for the zone, put it into the Secret and restart the pod.',
  sources: ['favonia/cloudflare-ddns#897', 'kubernetes-sigs/external-dns#4263', 'khuedoan/homelab#108'],
  needs: ['api.pods'],
  explains: [
    { rule: 'container-crashing', by: 'pod' },
    { rule: 'pod-not-ready', by: 'pod' },
  ],
  find: snapshot =>
    failingThatSay(
      snapshot,
      /external-dns|cloudflare|ddns|cloudflared|cert-manager/,
      /Invalid access token|Invalid request headers|Cannot use the access token from location|Authentication error.*(10000|cloudflare)|cloudflare.*Authentication error|\((9109|10000|6003)\)|"code":\s*(9109|10000|6003)|Provided Tunnel token is not valid|Invalid tunnel secret/i,
    ).map(({ pod, line }): Finding => {
      const isPlace = /from location/.test(line.line);
      return {
        says: `Cloudflare refuses the token of ${podName(pod)}${isPlace ? ' from this address: it is limited to others' : ''}`,
        severity: 'error',
        certainty: 'certain',
        about: [podEntity(pod), ...machineEntity(pod.spec.nodeName)],
        evidence: [logEvidence(pod, line)],
        cure: [
          'dash.cloudflare.com → My Profile → API Tokens: Zone:Read and DNS:Edit for the zone, no filter of addresses that the house does not have',
          `kubectl rollout restart -n ${pod.metadata.namespace} the workload, after its Secret has the new token`,
        ],
      };
    }),
};
