// Machines that answer the scripts of an active probe by what stands in them, and remember what they were asked.
import type { Evidence, Phase, Probe, ProbeContext } from '../../src/model/plan.ts';
import type { World } from '../../src/model/world.ts';
import { cluster, convergedWorld } from '../sample.ts';

export interface Answer {
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** A part of a script, optionally of one machine only, and its answer; the first that fits counts. */
export type Answers = readonly (readonly [part: string, answer: Answer | string, host?: string])[];

export interface Asked {
  readonly host: string;
  readonly script: string;
}

export function machines(answers: Answers): { readonly context: ProbeContext; readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const context: ProbeContext = {
    signal: new AbortController().signal,
    async exec(host, script) {
      asked.push({ host, script });
      const [, answer = ''] =
        answers.find(([part, , only]) => script.includes(part) && (only === undefined || only === host)) ?? [];
      const said = typeof answer === 'string' ? { stdout: answer } : answer;
      return { code: 0, stdout: '', stderr: '', ...said };
    },
  };
  return { context, asked };
}

export function withLayers(layers: World['cluster']['layers'], world: World = convergedWorld()): World {
  return { ...world, cluster: { ...world.cluster, layers } };
}

/** Four machines with Cilium and every layer. */
export const layered: World = convergedWorld({
  cluster: {
    ...cluster,
    network: { provider: 'cilium' },
    layers: {
      crds: { version: '31.0.1', values: {} },
      cilium: { version: '1.16.1', values: {} },
      'metrics-server': { version: '3.12.2', values: {} },
      'sealed-secrets': { version: '2.17.7', values: {} },
      'local-path': { version: '0.0.30', values: {} },
      longhorn: { version: '1.12.1', values: {} },
    },
  },
  bundle: undefined,
});

export type Active = Extract<Probe, { readonly kind: 'active' }>;
export type Read = Extract<Probe, { readonly kind: 'read' }>;

export function active(probes: ReturnType<Phase['probes']>, id: string): Active {
  const found = probes.find(each => each.id === id);
  if (found?.kind !== 'active')
    throw new Error(`no active probe ${id} among ${probes.map(each => each.id).join(', ')}`);
  return found;
}

export function read(probes: ReturnType<Phase['probes']>, id: string): Read {
  const found = probes.find(each => each.id === id);
  if (found?.kind !== 'read') throw new Error(`no read probe ${id} among ${probes.map(each => each.id).join(', ')}`);
  return found;
}

/** 'ID: observed', with a mark of what failed. */
export function told(evidence: readonly Evidence[]): readonly string[] {
  return evidence.map(({ id, ok, observed }) => `${ok ? '✔' : '✖'} ${id}: ${observed}`);
}

/** What was removed last, and where. */
export function removed(asked: readonly Asked[]): readonly string[] {
  const last = asked.filter(({ script }) => script.startsWith('kubectl') && script.includes('delete namespace')).at(-1);
  const names = last?.script.matchAll(/delete namespace (\S+)/g) ?? [];
  return [...names].map(match => `${match[1]} on ${last?.host}`);
}
