// Proof of Longhorn: a file written on one machine is read on another, while as many copies run as were asked for, and a snapshot of it is made.
import type { JsonObject } from '../../model/cluster.ts';
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { ask } from '../../model/probe-namespace.ts';
import { createScript } from '../../model/probe-pods.ts';
import { evidenceOf } from '../../model/probes.ts';
import { sh } from '../../model/shell.ts';
import { pauseImage } from '../../model/versions.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { proveVolume } from '../volume-proof.ts';
import { copiesOfVolume, stateOfSnapshot } from './objects.ts';
import { copiesOf } from './values.ts';

const namespace = 'homelab-probe-longhorn';
const kubectl = adminKubectl(30);

export function longhornVolumeProbe(world: World, writer: string, reader: string): Probe {
  const host = controlPlaneOf(world).name;
  const wanted = copiesOf(world.cluster);
  const hint = 'see why: kubectl get -n longhorn-system volumes.longhorn.io,replicas.longhorn.io; homelab doctor';
  const moves = {
    id: 'volume-moves',
    host: reader,
    title:
      writer === reader
        ? 'a file that one pod wrote is there for the next'
        : `a file written on ${writer} is read on another machine`,
    expected: 'the same sum',
    reproduce: 'kubectl get persistentvolumeclaims --all-namespaces (homelab verify repeats all of it)',
    hint,
  };
  const copies = {
    id: 'volume-copies',
    host,
    title: 'a volume has all its copies, each on a machine of its own',
    expected: `attached, healthy, ${wanted} wanted, ${wanted} run`,
    reproduce: 'kubectl get -n longhorn-system volumes.longhorn.io,replicas.longhorn.io -o wide',
    hint,
  };
  const snapshot = {
    id: 'volume-snapshot',
    host,
    title: 'a snapshot of a volume can be used',
    expected: 'ready to use',
    reproduce: 'kubectl get -n longhorn-system snapshots.longhorn.io',
    hint: 'see why: kubectl describe -n longhorn-system snapshots.longhorn.io; homelab doctor',
  };
  const gone = {
    id: 'volume-goes',
    host,
    title: 'a volume that is not to be kept goes with its claim',
    expected: 'nothing is left',
    reproduce: 'kubectl get persistentvolumes',
    hint,
  };
  return {
    ...moves,
    kind: 'active',
    id: 'longhorn-volume',
    title: 'a volume of Longhorn is read where it was not written',
    timeoutMs: 900_000,
    pieces: [moves, copies, snapshot, gone],
    async run(context) {
      const { volume, looked, read, left } = await proveVolume(context, {
        host,
        namespace,
        storageClass: 'longhorn',
        image: pauseImage(world.cluster.kubernetes.version),
        writer,
        reader,
        look: async ({ name }) => ({
          ...copiesOfVolume(await ask(context, host, copiesScript(name), 180_000, 'Longhorn does not say'), name),
          snapshot: stateOfSnapshot(await ask(context, host, snapshotScript(name), 180_000, 'there is no snapshot')),
        }),
      });
      const observed = `${looked.volume}, ${looked.machines.length} run`;
      return [
        evidenceOf(
          moves,
          read === volume.sum,
          read === volume.sum ? moves.expected : `${volume.sum} written, ${read} read`,
        ),
        evidenceOf(copies, observed === copies.expected, `${observed} (${looked.machines.join(', ')})`),
        evidenceOf(snapshot, looked.snapshot === snapshot.expected, looked.snapshot),
        evidenceOf(gone, left === '', left || gone.expected),
      ];
    },
  };
}

/** sh: waits up to two minutes for all copies of $volume. */
export const untilHealthy = `left=60
until [ "$(${kubectl} get -n longhorn-system volumes.longhorn.io "$volume" -o jsonpath='{.status.robustness}' 2>/dev/null)" = healthy ] || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 2; done
`;

/** A new volume's copies start one after the other. */
function copiesScript(name: string): string {
  return `volume=${sh(name)}
${untilHealthy}${kubectl} get -n longhorn-system volumes.longhorn.io,replicas.longhorn.io -o json
`;
}

/**
 * Longhorn's webhook makes the volume its owner, and the volume's end is its own (longhorn-manager v1.12.1 webhook/resources/snapshot/mutator.go,
 * controller/volume_controller.go).
 */
function snapshotScript(volume: string): string {
  const name = `homelab-probe-${volume}`;
  const item: JsonObject = {
    apiVersion: 'longhorn.io/v1beta2',
    kind: 'Snapshot',
    metadata: { name, namespace: 'longhorn-system' },
    spec: { volume, createSnapshot: true },
  };
  const get = `${kubectl} get -n longhorn-system snapshots.longhorn.io ${sh(name)} -o`;
  return `${createScript([item])}left=60
until [ "$(${get} jsonpath='{.status.readyToUse}' 2>/dev/null)" = true ] || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 2; done
${get} json
`;
}
