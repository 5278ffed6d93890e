// Room for a layer: what the nodes say they can give, less what stands before it.
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { type Amount, type Layer, nothing, type Volume } from '../../src/layers/layer.ts';
import type { Cluster, JsonObject } from '../../src/model/cluster.ts';
import type { Allocatable, NodeFacts } from '../../src/model/world.ts';
import { noRoomFor } from '../../src/phases/capacity.ts';
import { releaseOptions } from '../../src/phases/layers.ts';
import { release } from '../../src/resources/release.ts';
import { convergedWorld, cluster as sample } from '../sample.ts';

const wanted = { version: '1.0.0', values: {} };
const cluster: Cluster = { ...sample, layers: { crds: wanted, 'metrics-server': wanted, longhorn: wanted } };
const small: Allocatable = { milliCpu: 2000, memoryMiB: 3800, diskGiB: 40 };

/** Nodes that can give what `said` has for them, else the small machine's. */
function nodes(said: Readonly<Record<string, Partial<Allocatable>>> = {}): readonly NodeFacts[] {
  const found = convergedWorld().nodes;
  if (found === 'unknown') throw new Error('a converged world has nodes');
  return found.map(node => ({ ...node, allocatable: { ...small, ...said[node.name] } }));
}

interface Wish {
  readonly perNode?: Amount;
  readonly total?: Amount;
  /** Undefined: all of `total` is one pod. */
  readonly largest?: Amount;
  readonly volumes?: readonly Volume[];
}

function layer(name: Layer['name'], { perNode = nothing, total = nothing, largest = total, volumes }: Wish): Layer {
  return {
    ...layers[name],
    cost: () => ({ perNode: () => perNode, total, largest }),
    ...(volumes ? { volumes: () => volumes } : {}),
  };
}

const amount = (milliCpu: number, memoryMiB: number): Amount => ({ milliCpu, memoryMiB });

function reasonFor(wish: Wish, among: readonly NodeFacts[] | 'unknown' = nodes(), before: Wish = {}) {
  const mine = layer('longhorn', wish);
  const all = { ...layers, crds: layer('crds', {}), 'metrics-server': layer('metrics-server', before), longhorn: mine };
  return noRoomFor(mine, { cluster, nodes: among }, all)?.reason;
}

describe('there is room', () => {
  it('for all six layers on four small machines', () => {
    const six = { ...cluster, layers: Object.fromEntries(Object.keys(layers).map(name => [name, wanted])) };
    for (const each of Object.values(layers)) expect(noRoomFor(each, { cluster: six, nodes: nodes() })).toBeUndefined();
  });

  it('as far as anybody knows, while a node has not said what it can give', () => {
    const greedy = { perNode: amount(9000, 9000) };
    expect(reasonFor(greedy, 'unknown')).toBeUndefined();
    const [first, ...rest] = nodes();
    expect(reasonFor(greedy, first ? [{ ...first, allocatable: undefined as never }, ...rest] : rest)).toBeUndefined();
    expect(reasonFor(greedy, rest)).toBeUndefined();
  });

  it('to the last thousandth', () => {
    // Workers: three times 2000, less CoreDNS.
    expect(reasonFor({ total: amount(5800, 100), largest: amount(2000, 100) })).toBeUndefined();
    expect(reasonFor({ total: amount(5801, 100), largest: amount(2000, 100) })).toContain('6001m CPU');
  });
});

describe('there is none', () => {
  it('on one machine: which, and its numbers', () => {
    const reason = reasonFor({ perNode: amount(100, 320) }, nodes({ 'k8s-worker2': { memoryMiB: 300 } }));
    expect(reason).toBe(
      'longhorn asks for 100m CPU and 320Mi on k8s-worker2, which has 2 CPU and 300Mi left of 2 CPU and 300Mi',
    );
  });

  it('on the control plane, whose own pods count', () => {
    expect(reasonFor({ perNode: amount(1351, 10) })).toContain(
      'on k8s-cp, which has 1350m CPU and 3.6Gi left of 2 CPU',
    );
  });

  it('for the largest pod, wherever it would go', () => {
    const reason = reasonFor({ total: amount(100, 4000) });
    expect(reason).toContain('a pod of longhorn asks for 100m CPU and 3.9Gi');
    expect(reasonFor({ total: amount(100, 4000), largest: amount(100, 1000) })).toBeUndefined();
  });

  it('beside the layers that come before it', () => {
    const before = { total: amount(3000, 100), largest: amount(1000, 100) };
    expect(reasonFor({ total: amount(2800, 100), largest: amount(1000, 100) }, nodes(), before)).toBeUndefined();
    expect(reasonFor({ total: amount(2801, 100), largest: amount(1000, 100) }, nodes(), before)).toBe(
      'with longhorn the layers ask for 6001m CPU and 340Mi beside what stands on every machine, and the machines that take ordinary pods have 6 CPU and 11.1Gi together',
    );
  });
});

describe('volumes count with every copy', () => {
  const volumes = (...all: readonly (readonly [gibibytes: number, copies: number])[]) => ({
    volumes: all.map(([gibibytes, copies], index) => ({ name: `v${index}`, gibibytes, copies })),
  });

  it('together, against three quarters of the disks', () => {
    expect(reasonFor(volumes([20, 3], [10, 3]))).toBeUndefined();
    expect(reasonFor(volumes([20, 3], [11, 3]))).toBe(
      "with longhorn volumes want 93Gi, every copy counted, and the machines' disks have 90Gi for them",
    );
  });

  it('each on as many machines as it has copies', () => {
    expect(reasonFor(volumes([20, 3]), nodes({ 'k8s-worker1': { diskGiB: 20 } }))).toBe(
      'volume v0 of 20Gi wants 3 machines with that much disk, and there are 2',
    );
  });
});

describe("the layers' own wishes", () => {
  const room = (name: 'cilium' | 'metrics-server' | 'longhorn', values: JsonObject, said: Partial<Allocatable>) => {
    const layered: Cluster = { ...sample, layers: { [name]: { version: '1.0.0', values } } };
    const each = Object.fromEntries(sample.hosts.map(host => [host.name, said]));
    return noRoomFor(layers[name], { cluster: layered, nodes: nodes(each) })?.reason;
  };

  it.each([
    ['cilium', {}, { memoryMiB: 350 }, 'cilium asks for 100m CPU and 320Mi on k8s-cp'],
    ['cilium', { resources: { requests: { memory: '128Mi' } } }, { memoryMiB: 350 }, undefined],
    ['metrics-server', {}, { memoryMiB: 150 }, 'a pod of metrics-server asks for 100m CPU and 200Mi'],
    ['metrics-server', { resources: { requests: { memory: '100Mi' } } }, { memoryMiB: 150 }, undefined],
    ['metrics-server', { replicas: 3 }, { memoryMiB: 210 }, 'the layers ask for 500m CPU and 740Mi'],
    ['metrics-server', { resources: null }, { memoryMiB: 150 }, undefined],
    ['longhorn', { defaultSettings: { guaranteedInstanceManagerCPU: 101 } }, {}, 'longhorn asks for 2020m CPU'],
    ['longhorn', { defaultSettings: { guaranteedInstanceManagerCPU: 100 } }, {}, 'the layers ask for 200m CPU'],
    ['longhorn', { defaultSettings: { guaranteedInstanceManagerCPU: 90 } }, {}, undefined],
  ] as const)('%s with %j where each machine has %j: %s', (name, values, said, reason) => {
    const found = room(name, values, said);
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(reason);
  });

  it("count Longhorn's share only where ordinary pods come", () => {
    const greedy = { defaultSettings: { guaranteedInstanceManagerCPU: 101 } };
    expect(room('longhorn', greedy, {})).toContain('on k8s-worker1');
  });
});

it('stops a first installation, and nothing that runs already', () => {
  const options = {
    ...releaseOptions(layers.longhorn, wanted.version, { cluster, bundle: undefined }),
    noRoom: { reason: 'none', hint: 'more' },
  };
  const resource = release(options);
  expect(resource.remarks?.(resource.blank, [])).toMatchObject([{ kind: 'refusal', id: 'capacity' }]);
  expect(resource.remarks?.(resource.desired, [])).toEqual([]);
});
