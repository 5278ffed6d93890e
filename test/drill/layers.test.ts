// Layers on a real cluster with Cilium, by Helm 4 and by Helm 3: what is done once, what is changed, killed and rolled back; and bad luck,
// each with what it says and what mends it.
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { merged } from '../../src/layers/values.ts';
import type { JsonObject, KubernetesObject } from '../../src/model/cluster.ts';
import type { LayerName } from '../../src/model/layers.ts';
import { object, withoutObject } from '../../src/resources/object.ts';
import { sumsOf } from '../lab/bundle/sums.ts';
import { ensureLayers } from '../lab/layers-bundle.ts';
import { type Lab, labDown, labUp } from '../lab/machines.ts';
import { run } from '../lab/run.ts';
import {
  eventsOf,
  failuresOf,
  finished,
  type HomelabRun,
  plannedSteps,
  startHomelab,
  stepsWith,
  story,
} from '../lab/run-homelab.ts';
import { homelab, homeOf, inside, kubectl, untilInside, whyNoCluster } from '../lab/test-lab.ts';

const reason = await whyNoCluster();
const log = (line: string): void => console.error(line);
const cp = 'k8s-cp';
const listed = z.looseObject({
  entries: z.array(z.looseObject({ kind: z.string(), name: z.string(), file: z.string() })),
});

/** The control plane takes itself for the publisher of metrics-server: a name, a certificate that it trusts, and files. */
const publisher = 'kubernetes-sigs.github.io';
const serveCharts = `mkdir -p /root/charts/metrics-server
cd /root/charts
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${publisher} -addext subjectAltName=DNS:${publisher} -keyout key.pem -out cert.pem 2>/dev/null
cp /etc/ssl/certs/ca-certificates.crt trusted-before.crt
cat cert.pem >>/etc/ssl/certs/ca-certificates.crt
echo '127.0.0.1 ${publisher}' >>/etc/hosts
systemd-run --quiet --collect --unit=charts --working-directory=/root/charts openssl s_server -quiet -WWW -accept 443 -cert cert.pem -key key.pem
`;
const serveNoCharts = `systemctl stop charts
sed -i '/ ${publisher}$/d' /etc/hosts
cp /root/charts/trusted-before.crt /etc/ssl/certs/ca-certificates.crt
rm -rf /root/charts
`;

function indexOf(version: string, file: string): string {
  const entry = { apiVersion: 'v2', name: 'metrics-server', version, urls: [file] };
  const index = { apiVersion: 'v1', entries: { 'metrics-server': [entry] } };
  return `cat >/root/charts/metrics-server/index.yaml <<'INDEX'\n${JSON.stringify(index)}\nINDEX\n`;
}

describe.skipIf(reason !== undefined)(reason ?? 'layers on a real cluster', () => {
  let lab: Lab;
  let bundle = '';

  beforeAll(async () => {
    bundle = await ensureLayers({ log });
    await labDown('drill-luck', { log });
    lab = await labUp({ name: 'drill-luck', machines: 2, log, bundle, cilium: true });
    await inside(lab, cp, "echo 'deb [trusted=yes] file:/srv/homelab-lab/apt bookworm main' >/etc/apt/sources.list");
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle]);
    expect(made.code, story(made)).toBe(0);
  }, 2_400_000);
  afterAll(async () => {
    await lab?.down();
  });

  /** The lab's inventory with these values for one layer. */
  const wanting = async (layer: LayerName, values: JsonObject): Promise<string> => {
    const inventory = load(await readFile(lab.inventoryPath, 'utf8')) as JsonObject;
    const file = path.join(lab.dir, 'wanting.yaml');
    await writeFile(file, dump(merged(inventory, { layers: { [layer]: { values } } }), { lineWidth: -1 }));
    return file;
  };
  const layers = (verb: string, layer: LayerName, inventory?: string, from = bundle): Promise<HomelabRun> => {
    const yes = verb === 'verify' ? [] : ['--yes'];
    return homelab(lab, ['layers', verb, layer, ...yes, ...(from === '' ? [] : ['--bundle', from])], inventory);
  };
  const ok = (found: HomelabRun): HomelabRun => {
    expect(found.code, story(found)).toBe(0);
    return found;
  };
  /** Exit code 6 or 7, and in one error both what is wrong and what to type. */
  const fails = (found: HomelabRun, code: 6 | 7, message: RegExp, hint: RegExp): void => {
    expect(found.code, story(found)).toBe(code);
    const said = failuresOf(found).map(each => `${each.message}\n${each.details.join('\n')}\n${each.hint ?? ''}`);
    expect(said.join('\n')).toMatch(message);
    expect(said.join('\n')).toMatch(hint);
  };
  const newest = async (name: string, namespace = 'kube-system') => {
    const columns = 'R:.metadata.labels.version,S:.metadata.labels.status';
    const lines = await kubectl(
      lab,
      `get secret -n ${namespace} -l owner=helm,name=${name} --no-headers -o custom-columns=${columns}`,
    );
    const [last = ''] = lines
      .trim()
      .split('\n')
      .toSorted((left, right) => Number.parseInt(right, 10) - Number.parseInt(left, 10));
    const [revision = '0', status = 'absent'] = last.split(/\s+/);
    return { revision: Number(revision), status };
  };
  /** kubectl without an end of its requests: it watches. */
  const patiently = (args: string) => inside(lab, cp, `kubectl --kubeconfig /etc/kubernetes/admin.conf ${args}`);
  const helm = (args: string) =>
    inside(
      lab,
      cp,
      `helm=helm; command -v helm >/dev/null || helm=/usr/local/lib/homelab/helm
KUBECONFIG=/etc/kubernetes/admin.conf "$helm" ${args}`,
    );
  const cpu = (requested: string): JsonObject => ({ resources: { requests: { cpu: requested } } });
  /** Helm itself is killed, as an out-of-memory killer would, as soon as its record says that it is at work. */
  const killedAtWork = async (layer: LayerName, inventory: string, status: string): Promise<HomelabRun> => {
    const first = await startHomelab(homeOf(lab), [
      'layers',
      'install',
      layer,
      '--yes',
      '--bundle',
      bundle,
      '-i',
      inventory,
    ]);
    await first.event('step-started', ({ id }) => id.endsWith(`/release-${layer}`));
    await untilInside(
      lab,
      cp,
      `kubectl --kubeconfig /etc/kubernetes/admin.conf get secret -n kube-system -l owner=helm,name=${layer},status=${status} -o name | grep -q .`,
      status,
    );
    await inside(lab, cp, `pkill -KILL -f '[u]pgrade --install ${layer}'`);
    return first.ended;
  };

  describe.each([4, 3])('Helm %i', major => {
    test('is the one that the control plane has', async () => {
      const list = listed.parse(JSON.parse(await readFile(path.join(bundle, 'bundle.json'), 'utf8')));
      const tool = list.entries.find(
        ({ kind, name, file }) => kind === 'tool' && name === 'helm' && file.includes(`helm-${major}.`),
      );
      await inside(lab, cp, `install -m 755 /srv/homelab-lab/${tool?.file} /usr/local/bin/helm`);
      expect(await helm("version --template '{{.Version}}'")).toMatch(new RegExp(`^v${major}\\.`));
    });

    test('unchanged inputs: nothing to do; changed values: one step; the same again: nothing', async () => {
      expect(plannedSteps(ok(await layers('install', 'sealed-secrets')))).toEqual([]);
      const before = await newest('sealed-secrets');
      const inventory = await wanting('sealed-secrets', cpu('15m'));
      const changed = ok(await layers('install', 'sealed-secrets', inventory));
      expect(stepsWith(changed, 'done')).toEqual(['sealed-secrets/k8s-cp/release-sealed-secrets']);
      expect(finished(changed).predictionErrors).toBe(0);
      expect(await newest('sealed-secrets')).toEqual({ revision: before.revision + 1, status: 'deployed' });
      expect(plannedSteps(ok(await layers('install', 'sealed-secrets', inventory)))).toEqual([]);
    });

    test('a rollback by hand is found and put right', async () => {
      const inventory = await wanting('sealed-secrets', cpu('15m'));
      await helm('rollback -n kube-system sealed-secrets');
      const found = ok(await layers('install', 'sealed-secrets', inventory));
      expect(stepsWith(found, 'done')).toHaveLength(1);
      ok(await layers('install', 'sealed-secrets'));
    });

    test('killed in an upgrade: a plain re-run puts it right', async () => {
      const failed = await killedAtWork(
        'metrics-server',
        await wanting('metrics-server', cpu('110m')),
        'pending-upgrade',
      );
      expect(failed.code, story(failed)).toBe(6);
      expect((await newest('metrics-server')).status).toBe('pending-upgrade');
      ok(await layers('install', 'metrics-server'));
      expect((await newest('metrics-server')).status).toBe('deployed');
    });

    test('uninstalled, then killed in its first installation: a plain re-run puts it right', async () => {
      ok(await layers('uninstall', 'metrics-server'));
      expect((await newest('metrics-server')).status).toBe('absent');
      const failed = await killedAtWork('metrics-server', lab.inventoryPath, 'pending-install');
      expect(failed.code, story(failed)).toBe(6);
      expect((await newest('metrics-server')).status).toBe('pending-install');
      ok(await layers('install', 'metrics-server'));
      expect(await newest('metrics-server')).toMatchObject({ status: 'deployed' });
    });

    test('the schema of a chart refuses a value: it is named, and nothing has changed', async () => {
      const before = await newest('cilium');
      const inventory = await wanting('cilium', { hubble: { enabled: 'perhaps' } });
      fails(
        await layers('install', 'cilium', inventory),
        6,
        /refuses the values: .*hubble/,
        /correct values of this layer/,
      );
      expect((await newest('cilium')).status).toBe('deployed');
      expect(plannedSteps(ok(await layers('install', 'cilium')))).toEqual([]);
      expect((await newest('cilium')).revision).toBe(before.revision);
    });

    test('a chart for another Kubernetes is refused, with both versions', async () => {
      const other = await alteredChart('metrics-server', text => `${text}kubeVersion: ">=1.99.0-0"\n`);
      const found = await layers('install', 'metrics-server', await wanting('metrics-server', cpu('111m')), other);
      fails(found, 6, /wants Kubernetes >=1\.99\.0-0, and this is v1\.31\.1/, /homelab profiles/);
      ok(await layers('install', 'metrics-server'));
    });

    test('a kind that belongs to somebody else is named, and left', async () => {
      const kind = 'probes.monitoring.coreos.com';
      await kubectl(lab, `annotate --overwrite crd ${kind} meta.helm.sh/release-name=others`);
      await kubectl(lab, 'delete secret -n kube-system -l owner=helm,name=prometheus-operator-crds');
      const found = await layers('install', 'crds');
      fails(
        found,
        6,
        new RegExp(`${kind}.*belongs to somebody else`),
        /meta\.helm\.sh\/release-name=prometheus-operator-crds/,
      );
      await kubectl(lab, `annotate --overwrite crd ${kind} meta.helm.sh/release-name=prometheus-operator-crds`);
      ok(await layers('install', 'crds'));
    });

    test('a repository that nobody reaches', async () => {
      const found = await layers('install', 'metrics-server', await wanting('metrics-server', cpu('112m')), '');
      fails(found, 6, /repository of chart metrics-server cannot be reached/, /--bundle DIR/);
      expect((await newest('metrics-server')).status).toBe('deployed');
      ok(await layers('install', 'metrics-server'));
    });

    test('a repository that answers without that version: both are named; with it, the chart comes from there', async () => {
      const { entries } = listed.parse(JSON.parse(await readFile(path.join(bundle, 'bundle.json'), 'utf8')));
      const chart = entries.find(({ kind, name }) => kind === 'chart' && name === 'metrics-server');
      const [, version = ''] = /-(\d+\.\d+\.\d+)\.tgz$/.exec(chart?.file ?? '') ?? [];
      await inside(lab, cp, serveCharts);
      try {
        await inside(lab, cp, indexOf('0.0.1', 'none.tgz'));
        const inventory = await wanting('metrics-server', cpu(`${major}13m`));
        const found = await layers('install', 'metrics-server', inventory, '');
        fails(found, 6, new RegExp(`there is no chart metrics-server ${version} in its repository`), /another version/);
        await inside(
          lab,
          cp,
          `cp /srv/homelab-lab/${chart?.file} /root/charts/metrics-server/c.tgz\n${indexOf(version, 'c.tgz')}`,
        );
        ok(await layers('install', 'metrics-server', inventory, ''));
      } finally {
        await inside(lab, cp, serveNoCharts);
      }
      ok(await layers('install', 'metrics-server'));
    }, 600_000);

    test('an image that is nowhere: the pod is named within minutes, and the right image mends it', async () => {
      const begun = performance.now();
      const found = await layers(
        'install',
        'metrics-server',
        await wanting('metrics-server', { image: { tag: 'none' } }),
      );
      fails(found, 6, /waits for an image that does not come \(pod metrics-server-/, /correct image/);
      console.log(`Helm ${major}: told after ${Math.round((performance.now() - begun) / 1000)} s`);
      ok(await layers('install', 'metrics-server'));
    }, 1_200_000);
  });

  test("every object that Helm made is one that the API server's schemas have, to the last field", async () => {
    const apply = 'apply --dry-run=server --server-side --force-conflicts --validate=strict';
    const releases = (await helm('list -A -q')).trim().split('\n');
    expect(releases.length).toBeGreaterThanOrEqual(5);
    for (const release of releases) {
      const namespace = release === 'local-path-provisioner' ? 'local-path-storage' : 'kube-system';
      await helm(`get manifest ${release} -n ${namespace} >/root/manifest.yaml`);
      await kubectl(lab, `${apply} -n ${namespace} -f /root/manifest.yaml`);
    }
    await inside(
      lab,
      cp,
      'printf "apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: x}\\ndatta: {}\\n" >/root/wrong.yaml',
    );
    await expect(kubectl(lab, `${apply} -n default -f /root/wrong.yaml`)).rejects.toThrow(/field not declared/);
  });

  test("an object beside a chart is made once, left where it is somebody else's, and taken away where it is ours", async () => {
    const policy: KubernetesObject = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'beside', namespace: 'default' },
      spec: { endpointSelector: { matchLabels: { app: 'beside' } }, ingress: [{ fromEntities: ['cluster'] }] },
    };
    const resource = object(policy);
    const see = async () => resource.parse(await inside(lab, cp, resource.read));
    const label = (value: string) =>
      kubectl(lab, `label -n default ciliumnetworkpolicy beside app.kubernetes.io/managed-by${value}`);
    expect(await see()).toBe('absent');
    await inside(lab, cp, resource.change('absent', [])?.action.script ?? '');
    expect(resource.change(await see(), [])).toBeUndefined();
    await label('-');
    expect(resource.remarks?.(await see(), [])).toMatchObject([{ kind: 'note' }]);
    await inside(lab, cp, withoutObject(policy));
    expect(await see()).not.toBe('absent');
    await label('=homelab');
    await inside(lab, cp, withoutObject(policy));
    expect(await see()).toBe('absent');
  });

  test('a namespace that does not come to its end is told before anything is done', async () => {
    const held = 'create configmap held -n local-path-storage';
    await kubectl(lab, held);
    await kubectl(lab, `patch configmap held -n local-path-storage -p '{"metadata":{"finalizers":["drill/held"]}}'`);
    await kubectl(lab, 'delete namespace local-path-storage --wait=false');
    await untilInside(
      lab,
      cp,
      '[ "$(kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -n local-path-storage -o name | wc -l)" = 0 ]',
      'an empty namespace',
    );
    const found = await layers('install', 'local-path');
    expect(found.code, story(found)).toBe(5);
    expect(eventsOf(found, 'plan')[0]?.refusals.map(({ reason: why }) => why)).toContainEqual(
      expect.stringMatching(/local-path-storage is being deleted/),
    );
    await kubectl(lab, `patch configmap held -n local-path-storage --type=merge -p '{"metadata":{"finalizers":null}}'`);
    await patiently('wait --for=delete namespace/local-path-storage --timeout=120s');
    ok(await layers('install', 'local-path'));
  });

  test('two default classes: both are named, with the command that ends it', async () => {
    const other = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'other', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'nobody/at-all',
    };
    await inside(lab, cp, `cat >/root/class.json <<'OBJECT'\n${JSON.stringify(other)}\nOBJECT`);
    await kubectl(lab, 'apply -f /root/class.json');
    fails(await layers('verify', 'local-path'), 7, /local-path, other/, /annotate --overwrite storageclass other/);
    await kubectl(lab, 'delete storageclass other');
  });

  test('a claim that nobody binds, figures that nobody has: the proofs say so, and take their namespaces away', async () => {
    const scale = async (namespace: string, name: string, replicas: number) => {
      await kubectl(lab, `scale -n ${namespace} deployment ${name} --replicas=${replicas}`);
      if (replicas > 0) await patiently(`rollout status -n ${namespace} deployment/${name} --timeout=120s`);
    };
    await scale('local-path-storage', 'local-path-provisioner', 0);
    fails(await layers('verify', 'local-path'), 7, /the first pod with the volume did not come up/, /kubectl/);
    await scale('local-path-storage', 'local-path-provisioner', 1);
    await scale('kube-system', 'metrics-server', 0);
    const verified = await layers('verify', 'metrics-server');
    fails(verified, 7, /figures of 0 of 2/, /kubectl logs -n kube-system deployment\/metrics-server/);
    await scale('kube-system', 'metrics-server', 1);
    // No namespace goes while the API server asks somebody for figures who is away; afterwards it tries again by and by.
    for (const layer of ['local-path', 'metrics']) {
      await patiently(`wait --for=delete namespace/homelab-probe-${layer} --timeout=300s`);
    }
  }, 1_200_000);

  test('storage is not uninstalled while a volume holds data, and afterwards it is, with its namespace', async () => {
    const objects = [
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'kept', namespace: 'default' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'local-path',
          resources: { requests: { storage: '1Mi' } },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'kept', namespace: 'default' },
        spec: {
          containers: [
            { name: 'main', image: 'registry.k8s.io/pause:3.10', volumeMounts: [{ name: 'data', mountPath: '/data' }] },
          ],
          volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'kept' } }],
        },
      },
    ];
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await inside(lab, cp, `cat >/root/kept.json <<'OBJECT'\n${JSON.stringify(list)}\nOBJECT`);
    await kubectl(lab, 'apply -f /root/kept.json');
    await patiently('wait --for=condition=Ready pod/kept --timeout=120s');
    const refused = await layers('uninstall', 'local-path');
    expect(refused.code, story(refused)).toBe(5);
    expect(eventsOf(refused, 'plan')[0]?.refusals.map(({ reason: why }) => why)).toContainEqual(
      expect.stringMatching(/one volume holds data by local-path-provisioner: .*default\/kept/),
    );
    await kubectl(lab, 'delete pod kept --grace-period=0 --force');
    await kubectl(lab, 'delete pvc kept');
    const still = await layers('uninstall', 'local-path');
    expect(still.code, story(still)).toBe(5);
    await kubectl(lab, 'delete pv --all');
    const gone = ok(await layers('uninstall', 'local-path'));
    expect(eventsOf(gone, 'evidence').map(({ evidence }) => evidence.observed)).toContain('gone');
    ok(await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle]));
  }, 900_000);

  test('the network is never uninstalled; at the end nothing is left to do, and every proof holds', async () => {
    const refused = await layers('uninstall', 'cilium');
    expect(refused.code, story(refused)).toBe(5);
    expect(plannedSteps(ok(await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle])))).toEqual([]);
    ok(await homelab(lab, ['verify', '--bundle', bundle]));
  }, 900_000);

  /** A bundle of which one chart's Chart.yaml is another. */
  async function alteredChart(chart: string, edit: (text: string) => string): Promise<string> {
    const dir = path.join(lab.dir, 'altered');
    await rm(dir, { recursive: true, force: true });
    await run(['cp', '-r', '--link', bundle, dir]).catch(() => run(['cp', '-r', bundle, dir]));
    const list = listed.parse(JSON.parse(await readFile(path.join(bundle, 'bundle.json'), 'utf8')));
    const entry = list.entries.find(({ kind, name }) => kind === 'chart' && name === chart);
    if (!entry) throw new Error(`the bundle has no chart ${chart}`);
    const [file, tree] = [path.join(dir, entry.file), path.join(lab.dir, 'chart')];
    await rm(tree, { recursive: true, force: true });
    await run(['mkdir', '-p', tree]);
    await run(['tar', '-xzf', file, '-C', tree]);
    const yaml = path.join(tree, chart, 'Chart.yaml');
    await writeFile(yaml, edit(await readFile(yaml, 'utf8')));
    // Not into the files that both have.
    await rm(file);
    await run(['tar', '-czf', file, '-C', tree, chart]);
    const { sha256, bytes } = await sumsOf(file);
    Object.assign(entry, { sha256, bytes });
    await rm(path.join(dir, 'bundle.json'));
    await writeFile(path.join(dir, 'bundle.json'), JSON.stringify(list));
    return dir;
  }
});
