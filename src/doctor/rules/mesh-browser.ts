// What a browser asks before a page may call an API, and who does not answer it.

import type { ObjectOf } from '../objects/kinds.ts';
import { oneLine, word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { isAlive, labelsText, listed, type Pod, podName, podsOf } from './installed.ts';
import { appliesTo, hasSidecar, isGateway, outsideRoutes, podsBehind, type VirtualService } from './mesh-lookup.ts';

type Policy = ObjectOf<'authorizationpolicies'>;

/** Lets a request with this method through, as far as methods go. */
function allows({ spec }: Policy, method: string): boolean {
  return spec.rules.some(
    ({ to, from }) =>
      from.every(({ source }) => source.requestPrincipals.length === 0) &&
      (to.length === 0 ||
        to.some(
          ({ operation: { methods, notMethods } }) =>
            !notMethods.includes(method) &&
            (methods.length === 0 || methods.some(each => each === '*' || each === method)),
        )),
  );
}

function methodsOf(policies: readonly Policy[]): readonly string[] {
  return [
    ...new Set(
      policies.flatMap(({ spec }) => spec.rules.flatMap(({ to }) => to.flatMap(({ operation }) => operation.methods))),
    ),
  ];
}

export const preflightDenied: Rule = {
  id: 'mesh-preflight-denied',
  layer: 'mesh',
  symptom: "A page's call to an API fails with 403 'RBAC: access denied' in the browser, while curl gets its answer.",
  cause:
    'The browser asks first, with OPTIONS, whether it may; no AuthorizationPolicy of the pod allows the method OPTIONS.',
  cure: "Add OPTIONS to the policy's methods, or a second ALLOW policy for OPTIONS alone (they add up).",
  sources: ['istio/istio#31335', 'istio/istio#45716', 'istio/istio#55318'],
  needs: ['api.authorizationpolicies', 'api.virtualservices', 'api.services', 'api.pods'],
  explains: [],
  find(snapshot) {
    const allow = objects(snapshot, 'authorizationpolicies').filter(
      ({ spec }) => (spec.action === '' || spec.action === 'ALLOW') && !spec.provider,
    );
    if (allow.length === 0) return [];
    const guarded = objects(snapshot, 'pods').filter(pod => isAlive(pod) && (hasSidecar(pod) || isGateway(pod)));
    // Pods that the same policies guard are one finding.
    const found = new Map<string, { readonly policies: readonly Policy[]; readonly pods: Pod[] }>();
    for (const pod of guarded) {
      const policies = allow.filter(policy => !isTargeted(policy) && appliesTo(policy, pod));
      // Without a method named, it is no policy about HTTP; and whoever denies everything means it.
      if (methodsOf(policies).length === 0 || policies.some(policy => allows(policy, 'OPTIONS'))) continue;
      const key = policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(' ');
      const group = found.get(key) ?? { policies, pods: [] };
      group.pods.push(pod);
      found.set(key, group);
    }
    return [...found.values()].flatMap(({ policies, pods }) => preflightFinding(snapshot, policies, pods));
  },
};

function isTargeted({ spec }: Policy): boolean {
  return spec.targetRef !== undefined && spec.targetRef !== null ? true : spec.targetRefs.length > 0;
}

function preflightFinding(snapshot: Snapshot, policies: readonly Policy[], pods: readonly Pod[]): readonly Finding[] {
  const [pod] = pods;
  const policy = policies.find(each => methodsOf([each]).length > 0);
  if (!pod || !policy) return [];
  const names = pods.map(({ metadata }) => metadata.name);
  const isHere = (each: Pod) =>
    each.metadata.namespace === pod.metadata.namespace && names.includes(each.metadata.name);
  const routes = outsideRoutes(snapshot).flatMap(service =>
    service.spec.http.flatMap(http =>
      pods.some(isGateway) || podsBehind(snapshot, http, service.metadata.namespace).some(isHere)
        ? [{ service, http }]
        : [],
    ),
  );
  // A gateway whose route has a corsPolicy answers the question itself: it never reaches the pod.
  if (!pods.some(isGateway) && routes.length > 0 && routes.every(({ http }) => answersItself(http))) return [];
  const isOpen = objects(snapshot, 'services').some(
    service => /^(NodePort|LoadBalancer)$/.test(service.spec.type) && podsOf(snapshot, service).some(isHere),
  );
  const methods = methodsOf(policies);
  const isApi =
    methods.some(method => !/^(GET|HEAD)$/.test(method)) ||
    routes.some(({ service, http }) => looksLikeApi(service, http)) ||
    policies.some(({ spec }) =>
      spec.rules.some(({ to }) => to.some(({ operation }) => operation.paths.some(path => /api/.test(path)))),
    );
  const isPublic = routes.length > 0 || isOpen;
  if (!isPublic && !isApi) return [];
  const { namespace, name } = policy.metadata;
  const host = routes.flatMap(({ service }) => service.spec.hosts)[0] ?? 'HOST';
  const index = policy.spec.rules.findIndex(({ to }) => to.some(({ operation }) => operation.methods.length > 0));
  const place = policy.spec.rules[index]?.to.findIndex(({ operation }) => operation.methods.length > 0) ?? 0;
  const labels = policy.spec.selector?.matchLabels;
  return [
    {
      says: `Browsers that call ${pod.metadata.namespace}/${labels ? labelsText(labels) : pod.metadata.name} from another site get 403: AuthorizationPolicy ${namespace}/${name} allows ${methods.join(', ')}, and not OPTIONS, with which they ask first`,
      severity: isPublic && isApi ? 'error' : isPublic ? 'warning' : 'note',
      certainty: isPublic && isApi ? 'likely' : 'possible',
      settledBy: `curl -s -o /dev/null -w '%{http_code}' -X OPTIONS -H 'Origin: https://SITE' -H 'Access-Control-Request-Method: GET' ${word(`https://${host}/PATH`)}   (403 = this)`,
      about: [`object:${namespace}/${name}`, `namespace:${pod.metadata.namespace}`],
      evidence: [
        {
          says: `methods: ${methods.join(', ')}; no ALLOW policy of these pods has OPTIONS`,
          from: `AuthorizationPolicy ${policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')}`,
          again: `kubectl get authorizationpolicy -n ${namespace} ${name} -o yaml`,
        },
        ...routes.slice(0, 1).map(({ service: { metadata, spec } }) => ({
          says: `${spec.hosts.join(', ')} leads to ${podName(pod)}`,
          from: `VirtualService ${metadata.namespace}/${metadata.name}`,
          again: `kubectl get virtualservice -n ${metadata.namespace} ${metadata.name} -o yaml`,
        })),
      ],
      cure: [
        `kubectl patch authorizationpolicy -n ${namespace} ${name} --type json -p '[{"op":"add","path":"/spec/rules/${index}/to/${place}/operation/methods/-","value":"OPTIONS"}]'`,
        'Put the same into the Git repository it comes from, or Argo CD takes it back',
      ],
    },
  ];
}

function answersItself({ corsPolicy }: VirtualService['spec']['http'][number]): boolean {
  return (
    corsPolicy !== undefined &&
    corsPolicy !== null &&
    corsPolicy.allowOrigins.length + corsPolicy.allowOrigin.length > 0
  );
}

function looksLikeApi({ spec }: VirtualService, http: VirtualService['spec']['http'][number]): boolean {
  return (
    spec.hosts.some(host => /^api[.-]/.test(host)) ||
    http.match.some(({ uri }) => /api/.test(`${uri?.prefix ?? ''}${uri?.exact ?? ''}${uri?.regex ?? ''}`))
  );
}

type Cors = NonNullable<VirtualService['spec']['http'][number]['corsPolicy']>;

function takes({ allowOrigins, allowOrigin }: Cors, origin: string): boolean {
  return (
    allowOrigin.some(each => each === '*' || each === origin) ||
    allowOrigins.some(
      ({ exact, prefix, regex }) =>
        exact === origin ||
        exact === '*' ||
        (prefix !== '' && origin.startsWith(prefix)) ||
        (regex !== '' && fits(regex, origin)),
    )
  );
}

/** RE2, matched whole. What cannot be read as one is taken to fit: no accusation out of ignorance. */
function fits(pattern: string, text: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test(text);
  } catch {
    return true;
  }
}

export const corsOrigin: Rule = {
  id: 'cors-origin-missing',
  layer: 'mesh',
  symptom:
    "A page loads and shows no data: the API answers 200, and the browser says 'No Access-Control-Allow-Origin header'.",
  cause:
    "The answer does not carry CORS headers for the page's origin: the route's corsPolicy does not name it, and the application may not set them either.",
  cure: "Name the page's origin in corsPolicy.allowOrigins of the API's route, or let the application send the headers.",
  sources: [
    'istio.io: docs/reference/config/networking/virtual-service (CorsPolicy)',
    'fetch.spec.whatwg.org: CORS protocol',
  ],
  needs: ['api.virtualservices'],
  explains: [],
  find(snapshot) {
    const routes = outsideRoutes(snapshot);
    return routes.flatMap((api): readonly Finding[] => {
      const [host] = api.spec.hosts.filter(each => /^api[.-]/.test(each));
      if (host === undefined) return [];
      const site = host.replace(/^api[.-]/, '');
      // Pages of the same domain that another route serves: their calls come from another origin.
      const origins = routes
        .filter(each => each !== api)
        .flatMap(({ spec }) => spec.hosts)
        .filter(
          each =>
            each === site ||
            each === `www.${site}` ||
            (each.endsWith(`.${site}`) && /^(www|blog|web|app)\./.test(each)),
        )
        .map(each => `https://${each}`);
      const [origin] = origins;
      if (origin === undefined) return [];
      const policies = api.spec.http.flatMap(({ corsPolicy }) => (corsPolicy ? [corsPolicy] : []));
      if (policies.some(policy => origins.some(each => takes(policy, each)))) return [];
      const { namespace, name } = api.metadata;
      const named = policies.flatMap(({ allowOrigins, allowOrigin }) => [
        ...allowOrigins.map(({ exact, prefix, regex }) => exact || prefix || regex),
        ...allowOrigin,
      ]);
      const has = policies.length > 0;
      return [
        {
          says: has
            ? `Pages of ${origin} cannot read answers of ${host}: its corsPolicy names ${listed(named) || 'no origin'}, and not that one`
            : `Pages of ${origin} can read answers of ${host} only if the application sends CORS headers itself: its route has no corsPolicy`,
          severity: has ? 'warning' : 'note',
          certainty: has ? 'likely' : 'possible',
          settledBy: `curl -s -D - -o /dev/null -H ${word(`Origin: ${origin}`)} ${word(`https://${host}/PATH`)} | grep -i access-control-allow-origin   (nothing = this)`,
          about: [`object:${namespace}/${name}`, `namespace:${namespace}`],
          evidence: [
            {
              says: has ? `corsPolicy allows ${listed(named) || 'no origin'}` : 'no corsPolicy in any of its routes',
              from: `VirtualService ${namespace}/${name}`,
              again: `kubectl get virtualservice -n ${namespace} ${name} -o yaml`,
            },
          ],
          cure: [
            `kubectl edit virtualservice -n ${namespace} ${name}   # http[].corsPolicy.allowOrigins: [{exact: ${word(oneLine(origin))}}]`,
            'or in the application (Spring: WebMvcConfigurer.addCorsMappings)',
          ],
        },
      ];
    });
  },
};
