// Images that are not there: seven causes that print the same "Back-off pulling image".
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { found, ids, withFacts } from './rig.ts';
import { type Happening, past, pod, podRef, unready, well, withEvents, withPods } from './well.ts';

const image = 'ghcr.io/example/was:1';
const head = `Failed to pull image "${image}": rpc error: code = Unknown desc = failed to pull and unpack image "${image}": `;
/** containerd 1.6 and 1.7, 2.0 and later. */
const openings = [`failed to resolve reference "${image}": `, 'failed to resolve image: '];
const url = 'Head "https://ghcr.io/v2/example/was/manifests/1"';

let base: Snapshot;
beforeAll(async () => {
  base = await well();
});

/** A pod in ImagePullBackOff, constructed: what the kubelet's events said, oldest first. */
function failing(
  messages: readonly string[],
  {
    reason = 'ImagePullBackOff',
    message = `Back-off pulling image "${image}"`,
    more = [] as readonly Happening[],
  } = {},
): Snapshot {
  const since = past(base, 300);
  const waits = pod(base, 'was', {
    metadata: { creationTimestamp: since },
    status: {
      phase: 'Pending',
      startTime: since,
      conditions: unready(since),
      containerStatuses: [{ name: 'c', image, state: { waiting: { reason, message } } }],
    },
  });
  return withEvents(withPods(base, waits), podRef('was'), [
    ...messages.map((text, index) => ({ reason: 'Failed', message: text, first: 290 - index * 20 })),
    { type: 'Normal', reason: 'BackOff', message: `Back-off pulling image "${image}"`, first: 280, last: 5, count: 12 },
    ...more,
  ]);
}

const causes: readonly (readonly [string, string])[] = [
  [
    'image-name-unresolved',
    `failed to do request: ${url}: dial tcp: lookup ghcr.io on 10.0.0.53:53: read udp 10.0.0.2:5->10.0.0.53:53: i/o timeout`,
  ],
  ['image-name-unresolved', `failed to do request: ${url}: dial tcp: lookup ghcr.io: no such host`],
  [
    'image-name-unresolved',
    `failed to do request: ${url}: dial tcp: lookup ghcr.io: Temporary failure in name resolution`,
  ],
  ['registry-unreachable', `failed to do request: ${url}: dial tcp 140.82.121.34:443: i/o timeout`],
  ['registry-unreachable', `failed to do request: ${url}: dial tcp 140.82.121.34:443: connect: connection refused`],
  ['registry-unreachable', `failed to do request: ${url}: net/http: TLS handshake timeout`],
  [
    'registry-tls',
    `failed to do request: ${url}: tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  ],
  ['registry-tls', `failed to do request: ${url}: http: server gave HTTP response to HTTPS client`],
  [
    'registry-refuses',
    `failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 401 Unauthorized`,
  ],
  [
    'registry-refuses',
    `unexpected status from HEAD request to https://ghcr.io/v2/example/was/manifests/1: 403 Forbidden`,
  ],
  [
    'registry-refuses',
    `pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
  ],
  ['image-not-found', `${image}: not found`],
  ['image-not-found', 'no match for platform in manifest sha256:1: not found'],
  [
    'registry-rate-limit',
    'unexpected status from HEAD request to https://ghcr.io/v2/example/was/manifests/1: 429 Too Many Requests',
  ],
  ['image-pull-failed', 'something that no registry has ever said'],
];

describe('an image that cannot be pulled', () => {
  it.each(causes.flatMap(([id, says]) => openings.map(opening => [id, opening + says] as const)))(
    'is %s: %s',
    (id, says) => {
      expect(ids(failing([head + says])).filter(each => each !== 'pod-not-ready')).toEqual([id]);
    },
  );

  it('has its pod under it, tied by the pod', () => {
    const { broken } = diagnose(failing([head + openings[1] + causes[11]?.[1]]), rules);
    expect(broken.map(({ rule, consequences }) => [rule, consequences.map(each => each.rule)])).toEqual([
      ['image-not-found', ['pod-not-ready']],
    ]);
  });

  it('is told by the earliest event that says why, not by the newest', () => {
    const [one] = found('registry-tls', failing([`${head}${causes[6]?.[1]}`, 'Error: ErrImagePull']));
    expect(one?.evidence[0]?.says).toContain('x509');
  });

  it('is told by the state of the container where the events are gone', () => {
    const message = `Back-off pulling image "${image}": ErrImagePull: ${image}: not found`;
    expect(ids(failing([], { message }))).toContain('image-not-found');
  });

  it('is told between two attempts, when the kubelet says ContainerCreating again', () => {
    const says = [`${head}${causes[11]?.[1]}`];
    expect(ids(failing(says, { reason: 'ContainerCreating', message: '' }))).toContain('image-not-found');
  });

  it('is over once the image was pulled', () => {
    const pulled = { type: 'Normal', reason: 'Pulled', message: `Successfully pulled image "${image}"`, first: 2 };
    expect(
      ids(failing([`${head}${causes[11]?.[1]}`], { reason: 'ContainerCreating', message: '', more: [pulled] })),
    ).toEqual([]);
  });

  it("is not told from another pod's events, nor from those of another image", () => {
    const other = withEvents(failing([], { reason: 'ContainerCreating', message: '' }), podRef('other'), [
      { reason: 'Failed', message: head + causes[11]?.[1] },
    ]);
    expect(ids(other)).toEqual([]);
    const sidecar = failing([], {
      reason: 'ContainerCreating',
      message: '',
      more: [{ reason: 'Failed', message: 'Failed to pull image "docker.io/x:1": not found' }],
    });
    expect(ids(sidecar)).toEqual([]);
  });

  it('that the pod forbids to pull, or that is no name, is told as that', () => {
    expect(found('image-pull-failed', failing([], { reason: 'ErrImageNeverPull', message: '' }))).toMatchObject([
      { certainty: 'certain' },
    ]);
    expect(found('image-pull-failed', failing([], { reason: 'InvalidImageName', message: '' }))).toMatchObject([
      { certainty: 'certain' },
    ]);
  });

  it('for want of a name is a consequence of the resolver that does not answer there', () => {
    const snapshot = failing([head + causes[0]?.[1]]);
    const dead = (machine: string) =>
      withFacts(snapshot, machine, {
        resolvers: [{ path: '/etc/resolv.conf', nameservers: [machine === 'n2' ? '10.0.0.53' : '10.0.0.99'] }],
        resolverAnswers: { '10.0.0.53': { ok: false, says: 'timeout' }, '10.0.0.99': { ok: false, says: 'timeout' } },
      });
    expect(diagnose(dead('n2'), rules).broken.map(({ rule }) => rule)).toEqual(['resolver-silent']);
    expect(diagnose(dead('n1'), rules).broken.map(({ rule }) => rule)).toEqual(['image-name-unresolved']);
  });
});
