// Images that are not there: seven causes that print the same "Back-off pulling image".
import { beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { rules } from '../../src/doctor/rules/index.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { eachObject, found, ids, itemsOf, withFacts } from './rig.ts';
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

  /** The same pod, otherwise. */
  const changed = (snapshot: Snapshot, change: { spec?: object; metadata?: object; status?: object }) =>
    eachObject(snapshot, 'pods', each =>
      each.metadata.name === 'was'
        ? {
            ...each,
            metadata: { ...each.metadata, ...change.metadata },
            spec: { ...each.spec, ...change.spec },
            status: { ...each.status, ...change.status },
          }
        : each,
    );
  const of = (index: number) => failing([`${head}${causes[index]?.[1]}`]);

  it('is told with its registry, its machine and since when', () => {
    const [one] = found('image-not-found', of(11));
    expect(one).toMatchObject({
      says: `The registry ghcr.io has no image ${image}, which demo/was needs`,
      severity: 'error',
      certainty: 'certain',
      about: ['pod:demo/was', 'machine:n2', `image:${image}`, 'registry:ghcr.io'],
      since: past(base, 290),
    });
    expect(one?.evidence[1]?.says).toBe(`ImagePullBackOff: Back-off pulling image "${image}"`);
    const [silent] = found('image-pull-failed', failing([], { reason: 'ErrImagePull', message: '' }));
    expect(silent).toMatchObject({ certainty: 'likely', since: past(base, 300) });
    expect(silent?.evidence[0]?.says).toBe('ErrImagePull');
    const twin = pod(base, 'twin', { status: itemsOf(of(11), 'pods').at(-1)?.status });
    const both = withEvents(withPods(of(11), twin), podRef('twin'), [
      { reason: 'Failed', message: `${head}${causes[11]?.[1]}`, first: 100 },
    ]);
    expect(found('image-not-found', both)).toMatchObject([
      {
        says: `The registry ghcr.io has no image ${image}, which demo/was and demo/twin need`,
        since: past(base, 290),
      },
    ]);
  });

  it('is nothing of a pod that is over or leaves', () => {
    expect(found('image-not-found', changed(of(11), { status: { phase: 'Failed' } }))).toEqual([]);
    const metadata = { deletionTimestamp: past(base, 5) };
    expect(found('image-not-found', changed(of(11), { metadata }))).toEqual([]);
  });

  it('is told by what says why, also after something that does not', () => {
    const [one] = found(
      'registry-tls',
      failing([`Failed to pull image "${image}": it ended`, `${head}${causes[6]?.[1]}`]),
    );
    expect(one?.evidence[0]?.says).toContain('x509');
  });

  it.each([
    ['nginx', 'docker.io'],
    ['nginx:1.27', 'docker.io'],
    ['library/nginx', 'docker.io'],
    ['localhost/was', 'localhost'],
    ['mirror:5000/was', 'mirror:5000'],
    ['quay.io/example/was', 'quay.io'],
  ])('%s is of the registry %s', (name, registry) => {
    const message = `Back-off pulling image "${name}": ErrImagePull: ${name}: not found`;
    const waits = { name: 'c', image: name, state: { waiting: { reason: 'ImagePullBackOff', message } } };
    const [one] = found('image-not-found', changed(failing([]), { status: { containerStatuses: [waits] } }));
    expect(one?.about).toContain(`registry:${registry}`);
  });

  it('for want of a name is told by which name, and whether the resolver is silent or knows none', () => {
    const says = (text: string) => found('image-name-unresolved', failing([`${head}dial tcp: lookup ${text}`]))[0];
    const silent = says('ghcr.io on 10.0.0.53:53: read udp: i/o timeout');
    expect(silent).toMatchObject({
      says: 'The image of demo/was cannot be pulled: n2 cannot resolve the name ghcr.io, the resolver 10.0.0.53 does not answer',
      certainty: 'likely',
      about: ['pod:demo/was', 'machine:n2', `image:${image}`, 'registry:ghcr.io', 'resolver:10.0.0.53'],
    });
    expect(silent?.settledBy).toContain('ssh n2 getent hosts registry.k8s.io');
    expect(silent?.cure).toHaveLength(3);
    const unnamed = says('ghcr.io: Temporary failure in name resolution');
    expect(unnamed?.says).toBe('The image of demo/was cannot be pulled: n2 cannot resolve the name ghcr.io');
    expect(unnamed?.about).toHaveLength(4);
    const wrong = says('ghrc.io on 10.0.0.53:53: no such host');
    expect(wrong?.says).toBe('The image of demo/was cannot be pulled: the name ghrc.io does not exist, says 10.0.0.53');
    expect(wrong?.certainty).toBe('certain');
    expect(wrong?.cure.at(-1)).toBe(`correct the image’s name: ${image}`);
  });

  it('for want of trust is told by whether the registry speaks HTTP', () => {
    const [foreign] = found('registry-tls', of(6));
    expect(foreign?.says).toContain('does not accept the certificate of the registry ghcr.io');
    expect(foreign?.cure[0]).toContain('-connect ghcr.io:443 ');
    const [plain] = found('registry-tls', of(7));
    expect(plain?.says).toContain('the registry ghcr.io speaks HTTP, and containerd HTTPS');
    const message = 'Back-off: http: server gave HTTP response to HTTPS client';
    const waits = { name: 'c', image: 'mirror:5000/was', state: { waiting: { reason: 'ImagePullBackOff', message } } };
    const [port] = found('registry-tls', changed(failing([]), { status: { containerStatuses: [waits] } }));
    expect(port?.cure[0]).toContain('-connect mirror:5000 ');
  });

  it('that is refused is to be allowed to the account of the pod', () => {
    expect(found('registry-refuses', of(9))[0]?.cure[2]).toContain('patch serviceaccount default ');
    const robot = changed(of(9), { spec: { serviceAccountName: 'robot' } });
    expect(found('registry-refuses', robot)[0]?.cure[2]).toContain('patch serviceaccount robot ');
  });

  it('that is not there for the machine is told as that', () => {
    expect(found('image-not-found', of(12))[0]?.says).toBe(
      `The image ${image} of demo/was is not there for the architecture of n2`,
    );
  });

  it('that the pod forbids to pull, or that is no name, is told as that', () => {
    const says = (reason: string) => found('image-pull-failed', failing([], { reason, message: '' }))[0];
    expect(says('ErrImageNeverPull')?.says).toContain('is not on n2, and the pod forbids to pull it');
    expect(says('InvalidImageName')?.says).toBe(`"${image}" of demo/was is no name of an image`);
    expect(says('ErrImageNeverPull')).not.toHaveProperty('settledBy');
    expect(says('InvalidImageName')).not.toHaveProperty('settledBy');
    expect(says('ErrImagePull')?.settledBy).toBe(`ssh n2 sudo crictl pull ${image}`);
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
