// Proof of a storage class: what one pod wrote another reads, and the volume goes when nobody claims it any more.
import type { ProbeContext } from '../model/plan.ts';
import { readScript, sumOf, writeScript } from '../model/probe-files.ts';
import { ask, withNamespaces } from '../model/probe-namespace.ts';
import { livePods } from '../model/probe-pods.ts';
import { claimScript, nextPodScript, volumesLeft } from './volume-life.ts';

export interface VolumeProof<T> {
  /** Where kubectl is. */
  readonly host: string;
  readonly namespace: string;
  readonly storageClass: string;
  readonly image: string;
  readonly writer: string;
  readonly reader: string;
  /** What is worth knowing while both the volume and its sum are there. */
  look(volume: Volume): Promise<T>;
}

export interface Volume {
  readonly name: string;
  /** Of the machine that it is a folder of. */
  readonly path: string;
  readonly sum: string;
}

export interface Proven<T> {
  readonly volume: Volume;
  readonly looked: T;
  readonly read: string;
  /** Volumes that stayed. */
  readonly left: string;
}

export async function proveVolume<T>(context: ProbeContext, proof: VolumeProof<T>): Promise<Proven<T>> {
  const { host, namespace, storageClass, image, writer, reader } = proof;
  const found = await withNamespaces(context, host, [namespace], async () => {
    const failure = 'the first pod with the volume did not come up';
    const begun = await ask(context, host, claimScript(namespace, storageClass, image, writer), 180_000, failure);
    const [, name = '', path = ''] = /^volume (\S+) ?(.*)$/m.exec(begun) ?? [];
    const written = await ask(context, writer, writeScript(uidIn(begun)), 60_000, 'nothing was written');
    const volume = { name, path, sum: sumOf(written) };
    const looked = await proof.look(volume);
    const next = await ask(
      context,
      host,
      nextPodScript(namespace, image, reader),
      240_000,
      'the second pod with the volume did not come up',
    );
    const read = sumOf(await ask(context, reader, readScript(uidIn(next)), 60_000, 'nothing was read'));
    return { volume, looked, read };
  });
  const after = await ask(context, host, volumesLeft(namespace), 120_000, 'nobody says whether the volume is gone');
  return { ...found, left: /^left (.*)$/m.exec(after)?.[1]?.trim() ?? '' };
}

function uidIn(output: string): string {
  return livePods(output)[0]?.uid ?? '';
}
