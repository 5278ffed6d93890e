// Images that are not there: the newest event says only "Back-off pulling image", the cause stands in an earlier one.

import { grouped } from '../../model/grouped.ts';
import { nameOf } from '../objects/common.ts';
import {
  begun,
  type Event,
  eventEvidence,
  eventsOf,
  isLeaving,
  isOver,
  lastSeen,
  listed,
  machineEntity,
  oneLine,
  type Pod,
  podEntity,
  together,
  word,
} from '../reading.ts';
import type { Entity, Explains, Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { on } from './on-machine.ts';

type Kind = 'name' | 'rate' | 'refused' | 'missing' | 'tls' | 'unreachable';

/**
 * Fragments, the first that matches wins. Containerd 1.6 and 1.7 say "failed to resolve reference", 2.0 and later "failed to resolve image"
 * (recorded: 2.1 with Kubernetes 1.26, test/fixtures/doctor/recorded/broken-pods); what follows comes from Go's net and from the registry.
 */
const wording: readonly { readonly kind: Kind; readonly pattern: RegExp }[] = [
  {
    kind: 'name',
    pattern: /lookup \S+( on \S+)?: |no such host|server misbehaving|Temporary failure in name resolution/,
  },
  { kind: 'rate', pattern: /toomanyrequests|429 Too Many Requests|pull rate limit/i },
  {
    kind: 'tls',
    pattern:
      /x509: |tls: |certificate (has expired|is not trusted|signed by unknown authority)|server gave HTTP response to HTTPS client/,
  },
  {
    kind: 'refused',
    pattern:
      /\b40[13] (Unauthorized|Forbidden)|401 Unauthorized|403 Forbidden|unauthorized: |no basic auth credentials|denied: |pull access denied|insufficient_scope|failed to fetch (anonymous|oauth) token: unexpected status.*40[13]/,
  },
  {
    kind: 'missing',
    pattern: /: not found|404 Not Found|manifest unknown|name unknown|no match for platform in manifest/,
  },
  {
    kind: 'unreachable',
    pattern:
      /connection refused|no route to host|network is unreachable|i\/o timeout|context deadline exceeded|Client\.Timeout exceeded|connection reset by peer|TLS handshake timeout|: EOF$|unexpected EOF|50[0234] /,
  },
];

export function kindOf(message: string): Kind | undefined {
  return wording.find(({ pattern }) => pattern.test(message))?.kind;
}

interface Failed {
  readonly pod: Pod;
  readonly image: string;
  readonly kind: Kind | undefined;
  /** Where the kind was read; empty without one. */
  readonly message: string;
  /** The earliest that says why; else the newest there is. */
  readonly event: Event | undefined;
  /** What the kubelet says now. */
  readonly says: string;
  readonly since: string;
}

const pullReasons =
  /^(ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName|RegistryUnavailable|ImageInspectError)$/;

function failedPulls(snapshot: Snapshot): readonly Failed[] {
  const events = eventsOf(snapshot);
  return objects(snapshot, 'pods').flatMap(pod => {
    if (isOver(pod) || isLeaving(pod)) return [];
    const { status } = pod;
    return [...status.initContainerStatuses, ...status.containerStatuses].flatMap((container): readonly Failed[] => {
      const { waiting } = container.state;
      if (waiting === undefined) return [];
      const { image } = container;
      const mine = events(pod).filter(({ message }) => message.includes(`"${image}"`));
      const good = mine.findLast(({ reason }) => reason === 'Pulled');
      const streak = mine.filter(
        event =>
          event.reason === 'Failed' && (good === undefined || Date.parse(lastSeen(event)) > Date.parse(lastSeen(good))),
      );
      // Between two attempts, and after a restart of the kubelet, it says ContainerCreating again.
      const isTrying = /^(ContainerCreating|PodInitializing)$/.test(waiting.reason) && streak.length > 0;
      if (!pullReasons.test(waiting.reason) && !isTrying) return [];
      const event = streak.find(({ message }) => kindOf(message) !== undefined) ?? streak.at(-1);
      const says = `${waiting.reason}${waiting.message && `: ${oneLine(waiting.message, 160)}`}`;
      // Newer kubelets carry the cause in the state of the container too.
      const message = [event?.message ?? '', waiting.message].find(each => kindOf(each) !== undefined) ?? '';
      return [
        { pod, image, kind: kindOf(message), message, event, says, since: event?.firstTimestamp || status.startTime },
      ];
    });
  });
}

/** 'ghcr.io' of 'ghcr.io/owner/name:1'; Docker Hub's where none is named. */
function registryOf(image: string): string {
  const [first = '', ...more] = image.split('/');
  return more.length > 0 && /[.:]|^localhost$/.test(first) ? first : 'docker.io';
}

type Told = (
  group: readonly [Failed, ...Failed[]],
  pods: string,
) => Pick<Finding, 'says' | 'cure'> & {
  readonly certainty?: Finding['certainty'];
  readonly settledBy?: string;
};

function findingsOf(
  snapshot: Snapshot,
  kind: Kind | undefined,
  keyOf: (failed: Failed) => string,
  told: Told,
): readonly Finding[] {
  const mine = failedPulls(snapshot).filter(each => each.kind === kind);
  return grouped(mine, keyOf).map((group): Finding => {
    const [first] = group;
    const pods = [...new Set(group.map(({ pod }) => nameOf(pod)))];
    const { says, cure, certainty = 'certain', settledBy } = told(group, listed(pods));
    const entities = group.flatMap(({ pod, image, message }): readonly Entity[] => {
      const resolver = resolverOf(message);
      return [
        podEntity(pod),
        machineEntity(pod.spec.nodeName),
        `image:${image}`,
        `registry:${registryOf(image)}`,
        ...(resolver === undefined ? [] : [`resolver:${resolver}` as const]),
      ];
    });
    return {
      says,
      severity: 'error',
      certainty,
      ...(settledBy === undefined ? {} : { settledBy }),
      about: together(podEntity(first.pod), ...entities),
      ...begun(...group.map(each => each.since)),
      evidence: [
        ...(first.event ? [eventEvidence(first.event, first.pod)] : []),
        {
          says: first.says,
          from: `API: pod ${nameOf(first.pod)}`,
          again: `kubectl -n ${word(first.pod.metadata.namespace)} describe pod ${word(first.pod.metadata.name)}`,
        },
      ],
      cure,
    };
  });
}

function resolverOf(message: string): string | undefined {
  return /lookup \S+ on \[?([0-9a-fA-F.:]+?)\]?:53/.exec(message)?.[1];
}

/** The name that was looked up, or the registry's. */
function wantedHost({ message, image }: Failed): string {
  return /lookup (\S+?)( on |:)/.exec(message)?.[1] ?? registryOf(image);
}

const needs = ['api.pods', 'api.events'] as const;
const explains: readonly Explains[] = [
  { rule: 'dns-down', by: 'pod' },
  { rule: 'webhook-unanswered', by: 'pod' },
  { rule: 'apiservice-unavailable', by: 'pod' },
  { rule: 'pod-not-ready', by: 'pod' },
];
const docs = 'kubernetes.io/docs/concepts/containers/images';

function machinesOf(group: readonly Failed[]): readonly string[] {
  return [...new Set(group.map(({ pod }) => pod.spec.nodeName))];
}

const unresolved: Rule = {
  id: 'image-name-unresolved',
  layer: 'workload',
  symptom: 'Pods stay in ImagePullBackOff, and an earlier event says "lookup ... i/o timeout" or "no such host".',
  cause: 'The machine cannot resolve the name of the registry: its resolver does not answer, or knows no such name.',
  cure: 'Bring the resolver of the machine back; where it says "no such host", correct the name of the image.',
  sources: [docs, 'robusta-dev/robusta playbooks/robusta_playbooks/image_pull_backoff_enricher.py'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(
      snapshot,
      'name',
      each => `${wantedHost(each)} ${resolverOf(each.message) ?? ''} ${isNoSuchHost(each)}`,
      (group, pods) => {
        const [first] = group;
        const host = wantedHost(first);
        const resolver = resolverOf(first.message);
        const machines = machinesOf(group);
        const isWrong = isNoSuchHost(first);
        return {
          says: isWrong
            ? `The image of ${pods} cannot be pulled: the name ${host} does not exist, says ${resolver ?? 'the resolver'}`
            : `The image of ${pods} cannot be pulled: ${listed(machines)} cannot resolve the name ${host}${resolver === undefined ? '' : `, the resolver ${resolver} does not answer`}`,
          certainty: isWrong ? 'certain' : 'likely',
          ...(isWrong
            ? {}
            : {
                settledBy: `whether the resolver answers for another name: ssh ${word(machines[0] ?? 'MACHINE')} getent hosts registry.k8s.io`,
              }),
          cure: [
            ...machines.slice(0, 1).map(name => on({ name }, `getent hosts ${word(host)}`)),
            isWrong
              ? `correct the image’s name: ${word(first.image)}`
              : `see that ${word(resolver ?? 'the resolver')} is up and reached from ${listed(machines)} (port 53)`,
            ...(isWrong ? [] : ['or name another resolver where /etc/resolv.conf is made, so that it stays']),
          ],
        };
      },
    ),
};

function isNoSuchHost({ message }: Failed): boolean {
  return /no such host/.test(message);
}

const unreachable: Rule = {
  id: 'registry-unreachable',
  layer: 'workload',
  symptom:
    'Pods stay in ImagePullBackOff, and an earlier event says "connection refused", "i/o timeout" or "no route to host".',
  cause: 'The name of the registry is known and nobody answers there: it is down, or the way to it is closed.',
  cure: 'See that the registry is up and that the machine reaches it; name a mirror if it does not.',
  sources: [docs, 'containerd/containerd docs/hosts.md'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(
      snapshot,
      'unreachable',
      ({ image }) => registryOf(image),
      (group, pods) => {
        const registry = registryOf(group[0].image);
        const machines = machinesOf(group);
        return {
          says: `The image of ${pods} cannot be pulled: ${listed(machines)} cannot reach the registry ${registry}`,
          cure: [
            on({ name: machines[0] ?? 'MACHINE' }, `curl -sSI ${word(`https://${registry}/v2/`)}`),
            'check the firewall and the proxy of containerd (systemctl show containerd -p Environment)',
          ],
        };
      },
    ),
};

const tls: Rule = {
  id: 'registry-tls',
  layer: 'workload',
  symptom:
    'Pods stay in ImagePullBackOff, and an earlier event says "x509" or "server gave HTTP response to HTTPS client".',
  cause:
    "The machine does not trust the certificate of the registry, the certificate is over, or the registry speaks plain HTTP; a machine's wrong clock looks the same.",
  cure: 'Give containerd the certificate authority of the registry in /etc/containerd/certs.d.',
  sources: ['containerd/containerd docs/hosts.md'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(
      snapshot,
      'tls',
      ({ image }) => registryOf(image),
      (group, pods) => {
        const registry = registryOf(group[0].image);
        const machines = machinesOf(group);
        const isPlain = /server gave HTTP response/.test(group[0].message);
        return {
          says: `The image of ${pods} cannot be pulled: ${isPlain ? `the registry ${registry} speaks HTTP, and containerd HTTPS` : `containerd does not accept the certificate of the registry ${registry}`}`,
          cure: [
            `ssh ${word(machines[0] ?? 'MACHINE')} date; openssl s_client -connect ${word(`${registry}${registry.includes(':') ? '' : ':443'}`)} </dev/null`,
            `${word(`/etc/containerd/certs.d/${registry}/hosts.toml`)} with ${isPlain ? 'server = "http://..."' : 'ca = "/path/of/ca.crt"'} on every machine`,
          ],
        };
      },
    ),
};

const refuses: Rule = {
  id: 'registry-refuses',
  layer: 'workload',
  symptom: 'Pods stay in ImagePullBackOff, and an earlier event says 401, 403, "unauthorized" or "denied".',
  cause:
    'The image is private and the pod has no valid credentials for it, or it does not exist and the registry does not say so to strangers.',
  cure: 'Give the pod an imagePullSecret that may read the image; check the name of the image.',
  sources: ['kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(
      snapshot,
      'refused',
      ({ image }) => image,
      (group, pods) => {
        const { image, pod } = group[0];
        const namespace = word(pod.metadata.namespace);
        return {
          says: `The registry ${registryOf(image)} refuses ${image} to ${pods}: no credentials, wrong ones, or no such image`,
          cure: [
            `kubectl -n ${namespace} get pod ${word(pod.metadata.name)} -o jsonpath='{.spec.imagePullSecrets}'`,
            `kubectl -n ${namespace} create secret docker-registry NAME --docker-server=${word(registryOf(image))} --docker-username=USER --docker-password=TOKEN`,
            `kubectl -n ${namespace} patch serviceaccount ${word(pod.spec.serviceAccountName || 'default')} -p '{"imagePullSecrets":[{"name":"NAME"}]}'`,
          ],
        };
      },
    ),
};

const rateLimit: Rule = {
  id: 'registry-rate-limit',
  layer: 'workload',
  symptom: 'Pods stay in ImagePullBackOff, and an earlier event says 429 or "toomanyrequests".',
  cause: 'The registry counts pulls by address, and this address had its share.',
  cure: 'Wait, log in, or pull through a mirror of your own.',
  sources: ['docs.docker.com/docker-hub/usage'],
  needs,
  explains,
  find: snapshot =>
    findingsOf(
      snapshot,
      'rate',
      ({ image }) => registryOf(image),
      (group, pods) => ({
        says: `The registry ${registryOf(group[0].image)} gives this address no more images for now: ${pods}`,
        cure: [
          'it passes by itself (Docker Hub: within six hours)',
          'to last: an account as imagePullSecret, or a mirror in /etc/containerd/certs.d',
        ],
      }),
    ),
};

const notFound: Rule = {
  id: 'image-not-found',
  layer: 'workload',
  symptom: 'Pods stay in ImagePullBackOff, and an earlier event says "not found" or "manifest unknown".',
  cause: 'The registry has no image of that name and tag, or none for the architecture of the machine.',
  cure: 'Correct name or tag, or push the image.',
  sources: [docs],
  needs,
  explains,
  find: snapshot =>
    findingsOf(
      snapshot,
      'missing',
      ({ image }) => image,
      (group, pods) => {
        const { image, pod, message } = group[0];
        const isPlatform = /no match for platform/.test(message);
        return {
          says: isPlatform
            ? `The image ${image} of ${pods} is not there for the architecture of ${listed(machinesOf(group))}`
            : `The registry ${registryOf(image)} has no image ${image}, which ${pods} ${group.length > 1 ? 'need' : 'needs'}`,
          cure: [
            'correct the name and the tag, or push the image',
            `kubectl -n ${word(pod.metadata.namespace)} get pod ${word(pod.metadata.name)} -o jsonpath='{.metadata.ownerReferences}'  # what to correct`,
          ],
        };
      },
    ),
};

const pullFailed: Rule = {
  id: 'image-pull-failed',
  layer: 'workload',
  symptom: 'Pods stay in ImagePullBackOff or ErrImagePull.',
  cause: 'The image could not be pulled, in words that no rule knows, or the events that say why are gone.',
  cure: 'Pull the image by hand on that machine and read what it says.',
  sources: [docs],
  needs,
  explains,
  symptomOnly: true,
  find: snapshot =>
    findingsOf(
      snapshot,
      undefined,
      ({ image, says }) => `${image} ${says.split(':')[0] ?? ''}`,
      (group, pods) => {
        const { image, event, says } = group[0];
        const machine = machinesOf(group)[0];
        const isNever = says.startsWith('ErrImageNeverPull');
        const isName = says.startsWith('InvalidImageName');
        return {
          says: isNever
            ? `The image ${image} of ${pods} is not on ${machine ?? 'the machine'}, and the pod forbids to pull it (imagePullPolicy: Never)`
            : isName
              ? `"${oneLine(image, 100)}" of ${pods} is no name of an image`
              : `The image ${image} of ${pods} cannot be pulled: ${oneLine(event?.message ?? says, 200)}`,
          certainty: isNever || isName ? 'certain' : 'likely',
          ...(isNever || isName
            ? {}
            : { settledBy: on({ name: machine ?? 'MACHINE' }, `sudo crictl pull ${word(image)}`) }),
          cure: [on({ name: machine ?? 'MACHINE' }, `sudo crictl pull ${word(image)}`)],
        };
      },
    ),
};

export const imageRules: readonly Rule[] = [unresolved, tls, rateLimit, refuses, notFound, unreachable, pullFailed];
