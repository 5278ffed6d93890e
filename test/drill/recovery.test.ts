// A worker's power goes, and what a pod wrote there is read elsewhere: the proof of `layers verify longhorn --power-off` on real machines.
// Longhorn cannot run here. SIMULATED: its volume is a folder that all machines share, and a loop does what it does to pods of dead
// nodes (nodeDownPodDeletionPolicy: they are deleted by force once they are given up). Power, eviction, the pod's way and the seconds are real.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runSession } from '../../src/cli/session.ts';
import { proveByName } from '../../src/engine/run.ts';
import { loadInventory } from '../../src/inventory/load.ts';
import { recoveryProbe } from '../../src/layers/recovery-probe.ts';
import { merged } from '../../src/layers/values.ts';
import type { JsonObject } from '../../src/model/cluster.ts';
import type { RunEvent } from '../../src/model/events.ts';
import { phaseNames, recoveryName } from '../../src/phases/names.ts';
import { recoveryPhase } from '../../src/phases/recovery.ts';
import { runWith } from '../cli/run-cli.ts';
import { labLayers } from '../lab/layer-values.ts';
import { ensureLayers } from '../lab/layers-bundle.ts';
import { type Lab, labDown, labUp } from '../lab/machines.ts';
import { story } from '../lab/run-homelab.ts';
import { homelab, homeOf, inside, kubectl, onAll, untilInside, whyNoCluster } from '../lab/test-lab.ts';

const reason = await whyNoCluster();
const log = (line: string): void => console.error(line);
const [cp, lost] = ['k8s-cp', 'k8s-worker1'];
const namespace = 'homelab-probe-recovery';

/** What Longhorn does once a node is down and its pods were given up. */
const forceDelete = `export KUBECONFIG=/etc/kubernetes/admin.conf
while sleep 2; do
  [ -z "$(kubectl get pod -n ${namespace} row-0 --ignore-not-found -o jsonpath='{.metadata.deletionTimestamp}')" ] ||
    kubectl delete pod -n ${namespace} row-0 --force --grace-period=0
done`;

describe.skipIf(reason !== undefined)(reason ?? 'a worker whose power goes', () => {
  let lab: Lab;
  let bundle = '';
  let inventory = '';

  beforeAll(async () => {
    bundle = await ensureLayers({ log });
    const name = 'drill-recovery';
    await labDown(name, { log });
    lab = await labUp({ name, machines: 3, log, bundle, shared: true });
    await onAll(lab, "echo 'deb [trusted=yes] file:/srv/homelab-lab/apt bookworm main' >/etc/apt/sources.list");
    const values = { values: { nodePathMap: [], sharedFileSystemPath: '/srv/shared' } };
    const localPath = merged(labLayers()['local-path'] as JsonObject, values);
    inventory = path.join(lab.dir, 'shared.yaml');
    const plain = load(await readFile(lab.inventoryPath, 'utf8')) as JsonObject;
    await writeFile(inventory, dump({ ...plain, layers: { 'local-path': localPath } }, { lineWidth: -1 }));
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', bundle], inventory);
    expect(made.code, story(made)).toBe(0);
    await inside(
      lab,
      cp,
      `systemd-run --quiet --unit=as-longhorn-does sh -c ${JSON.stringify(forceDelete).replaceAll('$', '\\$')}`,
    );
  }, 2_400_000);
  afterAll(async () => {
    await lab?.down();
  });

  test('the row is read on another machine, it is said after how many seconds, and nothing of the proof is left', async () => {
    const phase = recoveryPhase(
      { recovery: (world, host) => recoveryProbe(world, { storageClass: 'local-path', lost: host, settle: '' }) },
      lost,
    );
    const options = { inventory, output: 'json', fork: 8 } as const;
    const approval = () => ({ approve: async () => undefined, isApproved: () => false });
    const { code, stdout } = await runWith(['drill'], { env: { HOME: homeOf(lab) } }, io =>
      runSession(
        'verify',
        options,
        io,
        approval,
        session => proveByName(phase, session),
        async file => ({
          cluster: await loadInventory(file),
          phases: [phaseNames.connect, recoveryName],
          isChosen: () => true,
          load: async () => [(await import('../../src/phases/connect.ts')).connect],
        }),
      ),
    );
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as RunEvent);
    const found = events.flatMap(event =>
      event.type === 'evidence' && event.phase === 'recovery' ? [event.evidence] : [],
    );
    for (const { title, observed } of found) console.log(`${title}: ${observed}`);
    expect(code, stdout.slice(-3_000)).toBe(0);
    expect(found.map(({ id, ok }) => [id, ok])).toEqual([
      ['row-elsewhere', true],
      ['recovery-time', true],
    ]);
    expect(found[0]?.observed).toBe('the same sum, on k8s-worker2');
    // 40 s until a node is missed, 300 s until its pods are given up: real seconds of real controllers.
    const seconds = Number(/^(\d+) s after/.exec(found[1]?.observed ?? '')?.[1]);
    expect(seconds).toBeGreaterThan(300);
    expect(await kubectl(lab, `get namespace ${namespace} --ignore-not-found -o name`)).toBe('');
  }, 1_500_000);

  test('the machine was off, and after it is switched on everything holds again', async () => {
    expect(await kubectl(lab, `get node ${lost} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'`)).toBe(
      'Unknown',
    );
    await lab.powerOn(lost);
    await untilInside(
      lab,
      cp,
      `kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready --timeout=55s node/${lost}`,
      `${lost} to be Ready`,
    );
    const proven = await homelab(lab, ['verify', '--bundle', bundle], inventory);
    expect(proven.code, story(proven)).toBe(0);
  }, 600_000);
});
