// A release that is to go: what is refused, and what is done with stand-ins for helm and kubectl.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { type NoReleaseOptions, noRelease } from '../../src/resources/no-release.ts';
import { findOthers } from '../../src/resources/others.ts';
import { dash } from '../dash.ts';
import { cluster } from '../sample.ts';
import { changeOf, observe, scratch, standIns } from './rig.ts';

const options: NoReleaseOptions = {
  name: 'longhorn',
  namespace: 'longhorn-system',
  ownsNamespace: true,
  isKindsOnly: false,
  storage: layers.longhorn.storage,
  objects: layers.longhorn.objects?.(cluster) ?? [],
  before: layers.longhorn.beforeUninstall ?? '',
};
const record = '3 deployed longhorn-1.12.1';
const there = { status: 'deployed', isOurs: true, volumes: [] };

interface Cluster {
  readonly record?: string;
  readonly volumes?: readonly string[];
  readonly ownVolumes?: readonly string[];
  /** 'NAME|PROVISIONER|NAMESPACE/RELEASE'. */
  readonly classes?: readonly string[];
  readonly left?: readonly string[];
  /** What kubectl says when it fails to list all kinds, and to list objects of those. */
  readonly kindsFail?: string;
  readonly listFails?: boolean;
  /** Its own object is there, and the kind that it is of. */
  readonly own?: boolean;
  /** sh: what the API server says of the kind of its own volumes. */
  readonly kind?: string;
}

function rig({
  record: found = record,
  volumes = [],
  ownVolumes = [],
  classes = [],
  left = [],
  kindsFail,
  listFails = false,
  own = true,
  kind = 'echo customresourcedefinition.apiextensions.k8s.io/volumes.longhorn.io',
}: Cluster) {
  const folder = scratch();
  const lines = (all: readonly string[]) => all.map(line => `echo '${line}'`).join('; ') || ':';
  const bin = standIns(folder, {
    kubectl: `echo "kubectl $*" >>${folder}/asked
case "$*" in
  *'get secret '*) ${found === '' ? ':' : `echo '${found}'`} ;;
  *'get persistentvolumes'*) ${lines(volumes.map(each => `volume|${each}`))} ;;
  *'get storageclasses'*) ${lines(classes.map(each => `class|${each}`))} ;;
  *'get crd volumes.longhorn.io --ignore-not-found -o name') ${kind} ;;
  *RecurringJob*--ignore-not-found*jsonpath=*managed-by}) ${own ? `echo 'by homelab'` : `echo "error: the server doesn't have a resource type" >&2; exit 1`} ;;
  *'get volumes.longhorn.io'*) ${lines(ownVolumes)} ;;
  *api-resources*)
    echo pods; echo events; echo configmaps
    ${kindsFail === undefined ? ':' : `cat >&2 <<'FAILS'\n${kindsFail}\nFAILS\n    exit 1`} ;;
  *'get pods,configmaps'*)
    echo configmap/kube-root-ca.crt; echo configmap/istio-ca-root-cert; echo configmap/istio-ca-crl; echo serviceaccount/default; ${lines(left)}
    ${listFails ? `echo 'Error from server (ServiceUnavailable): the server is currently unable to handle the request (get webs.example.io)' >&2; exit 1` : ':'} ;;
esac`,
    helm: `echo "helm $*" >>${folder}/asked\n[ "$1" != version ] || echo v4.2.4`,
    sleep: ':',
  });
  return {
    bin,
    moved: { '/etc/kubernetes/admin.conf': folder },
    asked: () => readFileSync(`${folder}/asked`, 'utf8'),
  };
}

describe('what is looked at', () => {
  it('volumes of its provisioner, of its classes, and its own that nobody claims, once each', () => {
    const { bin, moved } = rig({
      volumes: [
        'pvc-1|driver.longhorn.io|fast|blog/mysql-data',
        'pvc-2||longhorn|blog/cache',
        'pvc-3|nfs.example|nfs|blog/other',
      ],
      ownVolumes: ['pvc-1', 'pvc-9'],
    });
    expect(observe(noRelease(options), { bin, moved })).toEqual({
      status: 'deployed',
      isOurs: true,
      volumes: ['pvc-1 (blog/mysql-data)', 'pvc-2 (blog/cache)', 'pvc-9'],
    });
  });

  it('volumes of a class that values gave another name, and of its provisioner, also once the class is gone from them', () => {
    const { bin, moved } = rig({
      classes: ['fast|cluster.local/fast|longhorn-system/longhorn', 'nfs|nfs.example|other/nfs', 'plain|nobody|/'],
      volumes: [
        'pvc-1|cluster.local/fast|fast|blog/mysql',
        'pvc-2|cluster.local/fast||blog/cache',
        'pvc-3||fast|blog/old',
        'pvc-4|nfs.example|nfs|blog/other',
        'pvc-5||plain|blog/own',
        'pvc-6|||blog/nothing',
      ],
    });
    expect(observe(noRelease(options), { bin, moved })).toMatchObject({
      volumes: ['pvc-1 (blog/mysql)', 'pvc-2 (blog/cache)', 'pvc-3 (blog/old)'],
    });
  });

  it('an API server that does not list volumes is not one without volumes', () => {
    const { bin, moved } = rig({});
    standIns(bin.replace(/\/bin$/, ''), {
      kubectl: `case "$*" in *'get secret '*) echo '${record}' ;; *persistentvolumes*) exit 1 ;; esac`,
    });
    expect(() => observe(noRelease(options), { bin, moved })).toThrow('failed');
  });

  it('nothing of its own volumes, where there is no such kind', () => {
    const { bin, moved } = rig({ kind: ':', ownVolumes: ['pvc-9'] });
    expect(observe(noRelease(options), { bin, moved })).toMatchObject({ volumes: [] });
  });

  it('an API server that does not say whether there is such a kind is not one without volumes', () => {
    const { bin, moved } = rig({ kind: 'exit 1', ownVolumes: ['pvc-9'] });
    expect(() => observe(noRelease(options), { bin, moved })).toThrow('failed');
  });

  it('an API server that is away is not one without the release', () => {
    const { bin, moved } = rig({});
    standIns(bin.replace(/\/bin$/, ''), { kubectl: 'exit 1' });
    const state = observe(noRelease(options), { bin, moved });
    expect(noRelease(options).remarks?.(state, [])).toMatchObject([{ kind: 'refusal', id: 'api-silent' }]);
    expect(noRelease(options).change(state, [])).toBeUndefined();
  });

  it('nothing, where there is no record of it', () => {
    const { bin, moved } = rig({ record: '' });
    expect(observe(noRelease(options), { bin, moved })).toEqual(noRelease(options).desired);
  });
});

describe('what stands against it', () => {
  const remarks = (state: object) => noRelease(options).remarks?.(state as typeof there, []) ?? [];

  it('a volume: named, with its claim', () => {
    const state = { ...there, volumes: ['pvc-1 (blog/mysql-data)'] };
    expect(remarks(state)).toMatchObject([
      { kind: 'refusal', id: 'volumes', reason: expect.stringContaining('pvc-1 (blog/mysql-data)') },
    ]);
    expect(noRelease(options).change(state, [])).toBeUndefined();
  });

  it('a release that others made', () => {
    expect(remarks({ ...there, isOurs: false })).toMatchObject([{ kind: 'refusal', id: 'foreign-release' }]);
    expect(noRelease(options).change({ ...there, isOurs: false }, [])).toBeUndefined();
  });

  it('nothing else: it is destructive, and asked for by name', () => {
    expect(remarks(there)).toEqual([]);
    expect(changeOf(noRelease(options), there).risk).toBe('destructive');
  });
});

describe('what is done', () => {
  const run = (from: NoReleaseOptions, cluster: Cluster) => {
    const { bin, asked } = rig(cluster);
    const said = dash(`set -eu\n${changeOf(noRelease(from), there).action.script}`, { bin });
    return { ...said, asked: asked() };
  };

  it.each<[string, Cluster, string]>([
    ['a volume that was made since', { volumes: ['pvc-7|driver.longhorn.io|longhorn|blog/new'] }, 'volumes now: pvc-7'],
    ['a volume that nobody claims', { ownVolumes: ['pvc-8'] }, 'volumes now: pvc-8'],
    ['an API server that does not say', { kind: 'exit 1' }, ''],
  ])('nothing goes where there is %s', (_, cluster, words) => {
    const { code, stderr, asked } = run(options, cluster);
    expect(code).toBe(1);
    expect(stderr).toContain(words);
    expect(asked).not.toMatch(/ delete |deleting-confirmation-flag|helm uninstall/);
  });

  it('its own object goes first; Longhorn is told that its volumes may go, then Helm takes it, then the empty namespace', () => {
    const { code, asked } = run(options, {});
    expect(code).toBe(0);
    const order = [
      'delete -n longhorn-system RecurringJob.v1beta2.longhorn.io daily-snapshot',
      'deleting-confirmation-flag',
      'helm uninstall longhorn',
      'delete namespace longhorn-system',
    ];
    const places = order.map(words => asked.indexOf(words));
    expect(places.every(place => place >= 0)).toBe(true);
    expect(places.toSorted((left, right) => left - right)).toEqual(places);
    expect(asked).toContain('--wait=watcher');
  });

  // pkg/action/uninstall.go of 3.22.0 and 4.3.1: --timeout counts anew for each hook and for what is deleted.
  it('the step ends after Helm has said why it did not', () => {
    const helmSeconds = Number(/helm uninstall .*--timeout (\d+)s/.exec(run(options, {}).asked)?.[1]);
    expect(changeOf(noRelease(options), there).action.timeoutMs).toBeGreaterThan(3 * helmSeconds * 1000);
  });

  it('an object that is gone, or whose kind is, keeps nothing back', () => {
    const { code, asked } = run(options, { own: false });
    expect(code).toBe(0);
    expect(asked).not.toContain('delete -n longhorn-system RecurringJob');
    expect(asked).toContain('helm uninstall longhorn');
  });

  it('it is told what goes', () => {
    expect(changeOf(noRelease(options), there).diff).toBe(
      '- RecurringJob daily-snapshot\n- release longhorn-system/longhorn\n- namespace longhorn-system, if nothing of others is in it',
    );
  });

  it('a namespace with something of others in it stays', () => {
    expect(run(options, { left: ['configmap/mine'] }).asked).not.toContain('delete namespace');
  });

  // kubectl 1.31 against a server whose aggregated APIs answer 503.
  const away = (...apis: readonly string[]) => {
    const words = (api: string) => `${api}: the server is currently unable to handle the request`;
    return `${apis.map(api => `E1123 07:12:15.198322   23994 memcache.go:287] "Unhandled Error" err="couldn't get resource list for ${words(api)}"`).join('\n')}
error: unable to retrieve the complete list of server APIs: ${apis.map(words).join(', ')}`;
  };
  const others = (cluster: Cluster) =>
    dash(`set -eu\n${findOthers('longhorn-system')}echo "$left"\n`, rig(cluster)).stdout.trim();

  it.each([
    [
      'what says the figures of pods is away',
      { kindsFail: away('metrics.k8s.io/v1beta1', 'custom.metrics.k8s.io/v1beta2') },
      '',
    ],
    [
      'an API with objects is away',
      { kindsFail: away('example.io/v1', 'metrics.k8s.io/v1beta1') },
      'objects of example.io/v1 (it does not answer)',
    ],
    ['kinds cannot be listed', { kindsFail: 'error: EOF' }, 'objects of kinds that the API server does not list'],
    [
      'some objects cannot be listed',
      { listFails: true, left: ['configmap/mine'] },
      'objects that the API server does not list\nconfigmap/mine',
    ],
    ['nothing but what every namespace has is there', {}, ''],
  ])('where %s', (_, cluster, left) => {
    expect(others(cluster)).toBe(left);
    const { code, asked } = run(options, cluster);
    expect(code).toBe(0);
    expect(asked.includes('delete namespace')).toBe(left === '');
  });

  it('a chart that is kinds: only Helm’s record goes, and with it no kind', () => {
    const { name, namespace } = { name: layers.crds.release, namespace: layers.crds.namespace };
    const { code, asked } = run(
      { name, namespace, ownsNamespace: false, isKindsOnly: true, storage: undefined, objects: [], before: '' },
      {},
    );
    expect(code).toBe(0);
    expect(asked).toContain('delete secret -n kube-system -l owner=helm,name=prometheus-operator-crds');
    expect(asked).not.toMatch(/helm uninstall|delete namespace|delete crd/);
  });
});
