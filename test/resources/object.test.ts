// One object of the API: what is there of what is wanted, and how it is put there and taken away, with stand-ins for kubectl.
// Constructed: answers have the shape of `kubectl get -o json`, and what API server and webhooks add by the kinds' CRDs.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { JsonObject, KubernetesObject } from '../../src/model/cluster.ts';
import { object, withoutObject } from '../../src/resources/object.ts';
import { dash } from '../dash.ts';
import { apply, changeOf, observe, scratch, standIns } from './rig.ts';

const wanted: KubernetesObject = {
  apiVersion: 'longhorn.io/v1beta2',
  kind: 'RecurringJob',
  metadata: { name: 'daily', namespace: 'longhorn-system' },
  spec: { task: 'snapshot', cron: "0 3 * * *; echo '$(id)'", groups: [], retain: 7 },
};
const ours = { 'app.kubernetes.io/managed-by': 'homelab' };
const resource = object(wanted);
const there = {
  ...wanted,
  metadata: { ...wanted.metadata, labels: { ...ours, more: 'x' }, uid: '0-1', managedFields: [{ manager: 'homelab' }] },
  spec: { ...(wanted['spec'] as JsonObject), concurrency: 1, parameters: {} },
  status: { ownerID: 'k8s-worker1' },
};

/** A template of something that bears our label, in an object that does not. */
const within = {
  ...wanted,
  metadata: { ...wanted.metadata, annotations: { last: '{"app.kubernetes.io/managed-by": "homelab"}' } },
  spec: { template: { metadata: { labels: ours } } },
};

interface Server {
  /** What `get` prints; undefined: it fails, by default as for a kind that nobody knows. */
  readonly found?: string | undefined;
  readonly fails?: string;
  readonly silent?: boolean;
}

/** As kubectl's jsonpath: nothing in place of what is not there. */
function labelOf(found: string): string {
  const { metadata } = JSON.parse(found || '{}') as { metadata?: { labels?: Readonly<Record<string, string>> } };
  return found === '' ? '' : `by ${metadata?.labels?.['app.kubernetes.io/managed-by'] ?? ''}`;
}

// kubectl 1.31 against servers that answer so.
const noKind = `error: the server doesn't have a resource type "RecurringJob"`;
const notNow =
  'Error from server (ServiceUnavailable): the server is currently unable to handle the request (get recurringjobs.longhorn.io daily)';

function rig({ found, fails = noKind, silent = false }: Server) {
  const folder = scratch();
  const failing = `cat >&2 <<'FAILS'\n${fails}\nFAILS\n    exit 1`;
  const bin = standIns(folder, {
    kubectl: `echo "kubectl $*" >>${folder}/asked
${silent ? 'exit 1' : ''}
case "$*" in
  *' -o jsonpath=by {.metadata.labels.app\\.kubernetes\\.io/managed-by}')
    ${found === undefined ? failing : `echo '${labelOf(found)}'`}
    ;;
  *' get '*)
    ${found === undefined ? failing : `cat <<'FOUND'\n${found}\nFOUND`}
    ;;
  *' apply '*) cat >${folder}/applied ;;
esac`,
  });
  return {
    bin,
    moved: { '/etc/kubernetes/admin.conf': folder },
    read: (name: string) => readFileSync(`${folder}/${name}`, 'utf8'),
  };
}
const seen = (server: Server) => observe(resource, rig(server));

describe('what is looked at', () => {
  it('is only what is wanted: what others put there is theirs', () => {
    const observed = seen({ found: JSON.stringify(there) });
    expect(observed).toEqual(resource.desired);
    expect(resource.change(observed, [])).toBeUndefined();
  });

  it('is one object, by its kind, version, group and namespace', () => {
    const machine = rig({ found: '' });
    observe(resource, machine);
    expect(machine.read('asked')).toContain(
      ' get -n longhorn-system RecurringJob.v1beta2.longhorn.io daily --ignore-not-found -o json',
    );
    const core: KubernetesObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'mine' } };
    expect(object(core).read).toContain(' get Namespace.v1. mine --ignore-not-found');
  });

  it.each([
    ['it is not there', { found: '' }, 'absent'],
    ['nobody knows its kind', {}, 'absent'],
    ['the API server is away', { silent: true }, 'unknown'],
    ['one request fails', { fails: notNow }, 'unknown'],
  ] as const)('where %s: %s', (_, server, state) => {
    expect(seen(server)).toBe(state);
  });

  it('before there is a cluster is nothing', () => {
    const nowhere = { ...rig({ silent: true }), moved: { '/etc/kubernetes': '/nowhere' } };
    expect(observe(resource, nowhere)).toBe('absent');
  });

  it.each(['[]', 'no JSON', '"absent"'])('is refused where it is no object: %s', found => {
    expect(() => seen({ found })).toThrow();
  });

  it('keeps a backslash as it is', () => {
    const found = JSON.stringify({ ...there, spec: { ...there.spec, task: 'a\\nb' } });
    expect(seen({ found })).toMatchObject({ spec: { task: 'a\\nb' } });
  });
});

describe('what it is', () => {
  it('has the labels that it is wanted with, and ours', () => {
    const metadata = { ...wanted.metadata, labels: { team: 'blog' } };
    expect(object({ ...wanted, metadata }).desired).toMatchObject({
      metadata: { labels: { team: 'blog', ...ours } },
    });
  });

  it('has names of its own in every namespace', () => {
    const inside = (namespace: string, name: string) =>
      object({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } });
    const all = [inside('a', 'c'), inside('b', 'c'), inside('a-b', 'c'), inside('a', 'b-c')];
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
    const node = object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'mine' } });
    expect([all[0]?.name, node.name]).toEqual(['object-configmap-a.c', 'object-namespace-mine']);
  });
});

describe('what differs', () => {
  const whyOf = (spec: object) => {
    const observed = seen({ found: JSON.stringify({ ...there, spec: { ...there.spec, ...spec } }) });
    return resource.change(observed, []);
  };

  it('is shown, and nothing beside it', () => {
    const change = whyOf({ retain: 99, concurrency: 5 });
    expect(change?.why).toBe('it differs from what is wanted');
    expect(change?.diff).toMatch(/^-\s+retain: 99$/m);
    expect(change?.diff).toMatch(/^\+\s+retain: 7$/m);
    expect(change?.diff).not.toContain('concurrency');
  });

  it.each([
    ['a list with more in it', { groups: ['default'] }],
    ['a field that is gone', { retain: undefined }],
    ['a field of another type', { retain: '7' }],
    ['a map in place of a list', { groups: {} }],
  ])('%s', (_, spec) => {
    expect(whyOf(spec)).toBeDefined();
  });

  it('is the whole object where there is none', () => {
    expect(changeOf(resource, 'absent')).toMatchObject({ why: 'there is none', risk: 'safe' });
    expect(changeOf(resource, 'absent').diff).toContain('+kind: RecurringJob');
    expect(changeOf(resource, 'unknown').why).toContain('does not say');
  });

  it("is left where the object is somebody else's, and said with what hands it over", () => {
    const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
    for (const metadata of [wanted.metadata, { ...wanted.metadata, labels }]) {
      const observed = seen({ found: JSON.stringify({ ...there, metadata, spec: {} }) });
      expect(resource.change(observed, [])).toBeUndefined();
      expect(resource.remarks?.(observed, [])).toMatchObject([
        {
          kind: 'note',
          text: expect.stringContaining(
            'kubectl label -n longhorn-system RecurringJob.v1beta2.longhorn.io daily --overwrite app.kubernetes.io/managed-by=homelab',
          ),
        },
      ]);
    }
    expect(resource.remarks?.(seen({ found: JSON.stringify(there) }), [])).toEqual([]);
  });

  // encoding/json: omitempty leaves out lists and maps that are empty; without it one that was never made is null.
  it.each([
    ['left out', {}],
    ['null', { groups: null, parameters: null }],
    ['there', { groups: [], parameters: {} }],
  ])('is nothing, where an empty list or map is wanted and is %s', (_, spec) => {
    const empty = object({ ...wanted, spec: { task: 'snapshot', groups: [], parameters: {} } });
    const parsed = (more: object) => empty.parse(JSON.stringify({ ...there, spec: { task: 'snapshot', ...more } }));
    expect(empty.change(parsed(spec), [])).toBeUndefined();
    expect(empty.change(parsed({ ...spec, groups: ['default'] }), [])).toBeDefined();
    expect(empty.change(parsed({ ...spec, groups: '' }), [])).toBeDefined();
  });

  it('in items of a list is what is wanted of each', () => {
    const listed = object({ ...wanted, spec: { items: [{ name: 'a' }] } });
    const parse = (items: readonly object[]) => listed.parse(JSON.stringify({ ...there, spec: { items } }));
    expect(listed.change(parse([{ name: 'a', added: 'by a webhook' }]), [])).toBeUndefined();
    expect(listed.change(parse([{ name: 'b' }]), [])).toBeDefined();
    expect(listed.change(parse([{ name: 'a' }, { name: 'b' }]), [])).toBeDefined();
    expect(listed.change(parse([]), [])).toBeDefined();
  });
});

describe('what is done', () => {
  it('gives the API server the object as it stands, and takes fields that others set', () => {
    const machine = rig({ found: '' });
    expect(apply(resource, machine)).toMatchObject({ code: 0, stdout: '' });
    expect(JSON.parse(machine.read('applied'))).toEqual({ ...wanted, metadata: { ...wanted.metadata, labels: ours } });
    expect(machine.read('asked')).toContain('apply --server-side --force-conflicts --field-manager=homelab -f -');
  });

  it.each([
    ["somebody else's of that name that came meanwhile", { found: JSON.stringify(within) }],
    ['what the API server does not tell', { silent: true }],
    ['what fails for another reason than its kind', { fails: notNow }],
  ])('leaves %s', (_, server) => {
    const machine = rig(server);
    const said = dash(`set -eu\n${changeOf(resource, 'absent').action.script}`, machine);
    expect(said.code).toBe(1);
    expect(said.stderr).toContain('not as it was looked at');
    expect(machine.read('asked')).not.toContain(' apply ');
  });

  it('is done where it was ours already, and where its kind has just come', () => {
    for (const found of [JSON.stringify(there), undefined]) {
      expect(dash(`set -eu\n${changeOf(resource, 'absent').action.script}`, rig({ found }))).toMatchObject({ code: 0 });
    }
  });

  // A webhook may take 30 s (timeoutSeconds), the API server gives a request 60 s (kube-apiserver --request-timeout).
  it('waits until the API server itself says that a webhook did not answer', () => {
    const machine = rig({ found: '' });
    apply(resource, machine);
    const seconds = Number(/--request-timeout=(\d+)s apply /.exec(machine.read('asked'))?.[1]);
    expect(seconds).toBeGreaterThan(60);
    expect(changeOf(resource, 'absent').action.timeoutMs).toBeGreaterThan(seconds * 1000);
  });

  it.each([
    ['is there', { found: JSON.stringify(there) }, true],
    ['is there, as kubectl prints it', { found: JSON.stringify(there, null, 4) }, true],
    ["is somebody else's", { found: JSON.stringify({ ...there, metadata: wanted.metadata }) }, false],
    ["is somebody else's, and our label is elsewhere in it", { found: JSON.stringify(within) }, false],
    ['is not there', { found: '' }, false],
    ['is of a kind that is not there', {}, false],
  ])('takes it away where it %s', (_, server, deleted) => {
    const machine = rig(server);
    expect(dash(`set -eu\n${withoutObject(wanted)}`, machine).code).toBe(0);
    const asked = machine.read('asked');
    expect(asked.includes(' delete -n longhorn-system RecurringJob.v1beta2.longhorn.io daily ')).toBe(deleted);
  });

  it.each([{ silent: true }, { fails: notNow }])(
    'goes no further where the API server does not say whether it is there: %j',
    server => {
      expect(dash(`set -eu\n${withoutObject(wanted)}echo on\n`, rig(server))).toMatchObject({ code: 1, stdout: '' });
    },
  );
});
