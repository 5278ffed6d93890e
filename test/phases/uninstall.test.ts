// What is left of a layer that was uninstalled: looked at by dash with stand-ins for kubectl.
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import type { Layer } from '../../src/layers/layer.ts';
import { uninstallPhase } from '../../src/phases/uninstall.ts';
import { dash } from '../dash.ts';
import { layered } from '../layers/rig.ts';
import { scratch, standIns } from '../resources/rig.ts';

interface Left {
  readonly records?: string;
  /** What the namespace's phase is, each time it is asked. */
  readonly phases?: readonly string[];
  readonly objects?: readonly string[];
  readonly silent?: boolean;
}

function found(layer: Layer, { records = '', phases = [''], objects = [], silent = false }: Left = {}) {
  const folder = scratch();
  const bin = standIns(folder, {
    kubectl: `${silent ? 'exit 1' : ''}
case "$*" in
  *'get secret '*) ${records === '' ? ':' : `echo '${records}'`} ;;
  *'get namespace'*)
    echo asked >>${folder}/asked
    case $(wc -l <${folder}/asked) in ${phases.map((phase, index) => `${index + 1}) printf '${phase}' ;;`).join(' ')} *) printf '${phases.at(-1)}' ;; esac ;;
  *api-resources*) echo pods; echo configmaps ;;
  *'get pods,configmaps'*) echo configmap/kube-root-ca.crt; ${objects.map(each => `echo ${each}`).join('; ') || ':'} ;;
esac`,
  });
  return Object.fromEntries(
    uninstallPhase(layer)
      .probes(layered)
      .map(probe => {
        if (probe.kind !== 'read') throw new Error('it only looks');
        const { ok, observed } = probe.judge(dash(`set -eu\n${probe.script}`, { bin }));
        return [probe.id, [ok, observed]];
      }),
  );
}

describe('after an uninstall', () => {
  const { longhorn } = layers;

  it("nothing is left: neither Helm's record nor the namespace, also when that takes a moment", () => {
    const gone = { 'release-gone': [true, 'absent'], 'namespace-left': [true, 'gone'] };
    expect(found(longhorn)).toEqual(gone);
    expect(found(longhorn, { phases: ['Terminating', ''] })).toEqual(gone);
  });

  it('a record that is still there is no success', () => {
    const { 'release-gone': said } = found(longhorn, { records: '4 uninstalling longhorn-1.12.1 a 1.31' });
    expect(said).toEqual([false, '4 uninstalling longhorn-1.12.1 a 1.31']);
  });

  it('a namespace stays for what others have in it, and is said to', () => {
    const { 'namespace-left': said } = found(longhorn, { phases: ['Active'], objects: ['configmap/mine', 'pod/mine'] });
    expect(said).toEqual([true, 'kept for configmap/mine pod/mine']);
  });

  it.each([
    ['is empty and stays', ['Active'], ''],
    ['does not come to its end', ['Terminating'], 'its end does not come'],
  ])('a namespace that %s is no success', (_, phases, words) => {
    const { 'namespace-left': said } = found(longhorn, { phases });
    expect(said).toEqual([false, words || '(nothing)']);
  });

  it('an API server that is away proves nothing', () => {
    for (const [ok] of Object.values(found(longhorn, { silent: true }))) expect(ok).toBe(false);
  });

  it('a namespace of everybody is not asked about', () => {
    expect(Object.keys(found(layers['sealed-secrets']))).toEqual(['release-gone']);
  });

  it.each([
    ['sealed-secrets', 'kinds of bitnami.com stay'],
    ['crds', 'kinds of monitoring.coreos.com stay'],
    ['longhorn', undefined],
  ] as const)('of %s it is said beforehand which kinds stay: %s', (name, words) => {
    const [host] = layered.cluster.hosts;
    if (!host) throw new Error('a cluster has a machine');
    const notes = uninstallPhase(layers[name])
      .wants(layered, host)
      .flatMap(want => (want.kind === 'note' && want.text.startsWith('kinds of') ? [want.text] : []));
    expect(notes).toHaveLength(words === undefined ? 0 : 1);
    expect(notes[0] ?? '').toContain(words ?? '');
  });
});
