// The way in: what a browser's request meets before it reaches a pod.
import type { Finding, Rule } from '../rule.ts';
import { machinesWith, objects } from '../snapshot.ts';
import { crashes, hasLabels, isAlive, labelsText, listed } from './installed.ts';
import { outsideRoutes, podsBehind } from './mesh-lookup.ts';
import { span } from './on-machine.ts';

export const gatewayUnserved: Rule = {
  id: 'gateway-unserved',
  layer: 'mesh',
  symptom: 'A public host answers 404 or nothing, although its pods run.',
  cause:
    'The VirtualService and its Gateway do not meet: the Gateway does not exist, does not serve that host, or no gateway pod runs it.',
  cure: "Make the Gateway's hosts cover the VirtualService's, and its selector find the gateway's pods.",
  sources: ['istio analyzers IST0101, IST0132', 'istio.io: docs/reference/config/networking/gateway'],
  needs: ['api.virtualservices', 'api.gateways', 'api.pods'],
  explains: [],
  find(snapshot) {
    const look = snapshot.lists.gateways;
    if (look.state !== 'seen') return [];
    return outsideRoutes(snapshot).flatMap(({ metadata, spec }): readonly Finding[] => {
      const route = `${metadata.namespace}/${metadata.name}`;
      return spec.gateways
        .filter(name => name !== 'mesh')
        .flatMap((reference): readonly Finding[] => {
          const full = reference.includes('/') ? reference : `${metadata.namespace}/${reference}`;
          const found = look.items.find(each => `${each.metadata.namespace}/${each.metadata.name}` === full);
          const finding = (says: string, evidence: string, cure: string): readonly Finding[] => [
            {
              says,
              severity: 'error',
              certainty: 'certain',
              about: [`object:${route}`, `object:${full}`, `namespace:${metadata.namespace}`],
              evidence: [
                {
                  says: evidence,
                  from: 'VirtualService and Gateway',
                  again: `kubectl get virtualservice -n ${metadata.namespace} ${metadata.name} -o yaml; kubectl get gateways.networking.istio.io -A`,
                },
              ],
              cure: [cure],
            },
          ];
          if (!found) {
            return finding(
              `${listed(spec.hosts)} cannot be reached from outside: VirtualService ${route} names the Gateway ${full}, which does not exist`,
              `spec.gateways: ${spec.gateways.join(', ')}; no Gateway ${full}`,
              `kubectl edit virtualservice -n ${metadata.namespace} ${metadata.name}`,
            );
          }
          const served = found.spec.servers.flatMap(({ hosts }) => hosts);
          const missing = spec.hosts.filter(host => !served.some(each => covers(each, host)));
          const [gatewayNamespace = '', gatewayName = ''] = full.split('/');
          if (missing.length > 0 && missing.length === spec.hosts.length) {
            return finding(
              `${listed(missing)} answers 404: Gateway ${full} serves ${listed(served)} only (VirtualService ${route})`,
              `Gateway hosts: ${served.join(', ')}; VirtualService hosts: ${spec.hosts.join(', ')}`,
              `kubectl edit gateways.networking.istio.io -n ${gatewayNamespace} ${gatewayName}`,
            );
          }
          const isRun = objects(snapshot, 'pods').some(
            pod => isAlive(pod) && !crashes(pod) && hasLabels(found.spec.selector, pod.metadata.labels),
          );
          if (snapshot.lists.pods.state === 'seen' && !isRun) {
            return finding(
              `${listed(spec.hosts)} cannot be reached from outside: no running pod has the labels that Gateway ${full} selects (${labelsText(found.spec.selector)})`,
              `selector ${labelsText(found.spec.selector)} finds no running pod`,
              `kubectl get pods -A --show-labels | grep istio`,
            );
          }
          return [];
        });
    });
  },
};

/** A server's host, perhaps with a namespace before it: 'blog/*.home.shop', '*'. */
export function covers(server: string, host: string): boolean {
  const bare = server.includes('/') ? server.slice(server.indexOf('/') + 1) : server;
  if (bare === '*' || bare === host || host === '*') return true;
  if (bare.startsWith('*.')) return host.endsWith(bare.slice(1));
  return host.startsWith('*.') && bare.endsWith(host.slice(1));
}

export const staleEdge: Rule = {
  id: 'cdn-stale',
  layer: 'mesh',
  symptom: 'A deploy went through and visitors still see the old version.',
  cause: 'The CDN in front answers from its cache with a page that is older than the pods that serve it now.',
  cure: 'Purge its cache after each deploy; let HTML not be cached, or only briefly.',
  sources: [
    'developers.cloudflare.com: cache/concepts/cache-responses',
    'developers.cloudflare.com: cache/how-to/purge-cache',
  ],
  needs: ['api.virtualservices', 'api.services', 'api.pods', 'machine.edge'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'edge').flatMap(({ machine, value }) =>
      value.flatMap(({ host, cache, ageSeconds }): readonly Finding[] => {
        if (!/^(HIT|STALE|UPDATING|REVALIDATED)$/i.test(cache)) return [];
        const pods = outsideRoutes(snapshot)
          .filter(({ spec }) => spec.hosts.includes(host))
          .flatMap(({ metadata, spec }) => spec.http.flatMap(http => podsBehind(snapshot, http, metadata.namespace)));
        const started = pods.map(({ status }) => Date.parse(status.startTime)).filter(time => !Number.isNaN(time));
        const oldest = Math.min(...started);
        // All of them are younger than the answer: whoever made it is gone.
        if (started.length === 0 || snapshot.at - ageSeconds * 1000 >= oldest) return [];
        return [
          {
            says: `${host} is answered from the CDN's cache with a page of ${span(ageSeconds)} ago; the pods that serve it now started ${span((snapshot.at - oldest) / 1000)} ago`,
            severity: 'warning',
            certainty: 'possible',
            settledBy: `the same page past the cache: curl -s -D - -o /dev/null 'https://${host}/?nocache=1'`,
            about: [`object:${host}`],
            since: new Date(oldest).toISOString(),
            evidence: [
              {
                says: `cf-cache-status: ${cache}, age: ${ageSeconds}`,
                from: `https://${host}/ as ${machine.name} sees it`,
                again: `curl -s -D - -o /dev/null https://${host}/ | grep -iE 'cf-cache-status|^age'`,
              },
            ],
            cure: [
              `curl -X POST https://api.cloudflare.com/client/v4/zones/ZONE_ID/purge_cache -H 'Authorization: Bearer '"$CLOUDFLARE_TOKEN" -H 'Content-Type: application/json' -d '{"purge_everything":true}'`,
              'Do the same as the last step of the pipeline that deploys',
            ],
          },
        ];
      }),
    ),
};
