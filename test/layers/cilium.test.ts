// Flows are recorded: what `hubble observe -o jsonpb` of Cilium 1.16.1 said to this probe on two lab machines.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { flowsIn } from '../../src/layers/cilium/flows.ts';
import { layers } from '../../src/layers/index.ts';
import type { World } from '../../src/model/world.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';
import { type Answers, active, layered, machines, read, removed, told, withLayers } from './rig.ts';

const pods = `began 2026-11-23T00:20:00Z
pod client k8s-worker1 10.244.1.191 1-1
pod server k8s-worker2 10.244.0.8 2-2
dns 10.96.0.10
api 10.96.0.1
`;
const resolved =
  'dns 484c818000010001000000000a6b756265726e657465730764656661756c740373766307636c7573746572056c6f63616c0000010001c00c000100010000001e00040a600001\n';

const [forwarded = '', denied = ''] = readFileSync(
  new URL('../fixtures/recorded/hubble-flows.jsonl', import.meta.url),
  'utf8',
).split('\n');

/** What good machines say; what stands before it goes first. */
const good: Answers = [
  ['"name":"client"', pods],
  ['--verdict FORWARDED', forwarded],
  ['--verdict DROPPED', denied],
  ['while sum=', `connection none\n${resolved}`],
  ['until sum=', 'connection made\n'],
];

async function prove(different: Answers = [], world: World = layered) {
  const { context, asked } = machines([...different, ...good]);
  const evidence = await active(layers.cilium.probes(world), 'flows').run(context);
  return { asked, told: told(evidence) };
}

describe('an allowed and a denied connection', () => {
  it('are proven between two workers, and Hubble names the drop', async () => {
    const { asked, told: lines } = await prove();
    expect(lines).toEqual([
      '✔ allowed-flow: made, FORWARDED',
      '✔ policy: kubernetes.default.svc.cluster.local: 10.96.0.1, no connection',
      '✔ denied-flow: DROPPED: POLICY_DENIED',
    ]);
    const at = (part: string) => asked.findIndex(({ script }) => script.includes(part));
    expect(asked[at('until sum=')]?.host).toBe('k8s-worker1');
    expect(asked[at('socket-activate')]?.host).toBe('k8s-worker2');
    expect(asked[at('--verdict DROPPED')]?.script).toContain('--since 2026-11-23T00:20:00Z ');
    expect(at('until sum=')).toBeLessThan(at('CiliumNetworkPolicy'));
    expect(at('CiliumNetworkPolicy')).toBeLessThan(at('while sum='));
    expect(removed(asked)).toEqual(['homelab-probe-cilium on k8s-cp']);
  });

  it.each([
    ['a connection that does not come about', [['until sum=', 'connection none\n']], 'allowed-flow: none, FORWARDED'],
    [
      'a policy without effect',
      [['while sum=', 'connection made\n']],
      'policy: the policy has no effect: it still connects',
    ],
    [
      'a policy that stops DNS too',
      [['while sum=', 'connection none\ndns silent\n']],
      'policy: kubernetes.default.svc.cluster.local: no answer, no connection',
    ],
    ['a drop that Hubble does not see', [['--verdict DROPPED', '\n']], 'denied-flow: Hubble saw no such flow'],
    [
      'another connection that was dropped',
      [['--verdict DROPPED', denied.replaceAll('8080', '443')]],
      'denied-flow: Hubble saw no such flow',
    ],
    [
      'a drop for another reason',
      [['--verdict DROPPED', denied.replaceAll('POLICY_DENIED', 'STALE_OR_UNROUTABLE_IP')]],
      'denied-flow: DROPPED: STALE_OR_UNROUTABLE_IP',
    ],
    ['nothing that Hubble saw', [['--verdict FORWARDED', '\n']], 'allowed-flow: made, Hubble saw no such flow'],
  ] satisfies readonly (readonly [string, Answers, string])[])('fail with %s', async (_, different, line) => {
    const { told: lines } = await prove(different);
    expect(lines.filter(each => each.startsWith('✖'))).toEqual([`✖ ${line}`]);
  });

  it.each([
    [
      'pods that do not come up',
      [['"name":"client"', { code: 1, stderr: 'client 0/1 ErrImageNeverPull\n' }]],
      'the probe pods did not come up: client 0/1 ErrImageNeverPull',
    ],
    [
      'a Hubble that does not answer',
      [['hubble observe', { code: 1, stderr: 'failed to connect to unix:///var/run/cilium/hubble.sock\n' }]],
      'Hubble does not answer: failed to connect',
    ],
    [
      'kinds that are not there',
      [['CiliumNetworkPolicy', { code: 1, stderr: 'no matches for kind "CiliumNetworkPolicy"\n' }]],
      'the policy was not taken: no matches for kind',
    ],
  ] satisfies readonly (readonly [string, Answers, string])[])(
    'end with the words of %s, and clean up',
    async (_, different, words) => {
      const { context, asked } = machines([...different, ...good]);
      await expect(active(layers.cilium.probes(layered), 'flows').run(context)).rejects.toThrow(words);
      expect(removed(asked)).toEqual(['homelab-probe-cilium on k8s-cp']);
    },
  );

  it('are proven without Hubble where the inventory switches it off', async () => {
    const values = { hubble: { enabled: false } };
    const quiet = withLayers({ ...layered.cluster.layers, cilium: { version: '1.16.1', values } }, layered);
    const { asked, told: lines } = await prove([], quiet);
    expect(lines).toEqual([
      '✔ allowed-flow: made',
      '✔ policy: kubernetes.default.svc.cluster.local: 10.96.0.1, no connection',
    ]);
    expect(asked.some(({ script }) => script.includes('hubble'))).toBe(false);
    expect(active(layers.cilium.probes(quiet), 'flows').pieces.map(({ id }) => id)).toEqual(['allowed-flow', 'policy']);
  });

  it('begin on the machine that joins', async () => {
    const joining = layered.cluster.hosts.filter(({ name }) => name === 'k8s-worker3');
    const { asked } = await prove([], { ...layered, about: { kind: 'join', hosts: joining } });
    expect(asked.find(({ script }) => script.includes('until sum='))?.host).toBe('k8s-worker3');
  });

  it('are proven on one machine where there is one', async () => {
    const alone = { ...layered, facts: new Map([...layered.facts].filter(([name]) => name === 'k8s-cp')) };
    const { asked } = await prove([], alone);
    expect(new Set(asked.map(({ host }) => host))).toEqual(new Set(['k8s-cp']));
  });
});

describe('lines of hubble', () => {
  it('that are no flows are left out', () => {
    const lost = '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"1"},"node_name":"k8s-worker1"}\n';
    expect(flowsIn(`${lost}${denied}\nEVENTS LOST: 1\n`)).toEqual([
      { verdict: 'DROPPED', reason: 'POLICY_DENIED', to: '10.244.0.8', port: 8080 },
    ]);
  });
});

describe('an agent', () => {
  const probe = read(layers.cilium.probes(layered), 'agent-on-k8s-worker2');

  it('is asked on the control plane, about its machine', () => {
    expect([probe.host, probe.about]).toEqual(['k8s-cp', 'k8s-worker2']);
  });

  it.each([
    ['that is well', { code: 0, stdout: 'OK\n', stderr: '' }, { ok: true, observed: 'OK' }],
    [
      'that is not, in its words',
      { code: 0, stdout: 'error: daemon unreachable\ncommand terminated with exit code 1\n', stderr: '' },
      { ok: false, observed: 'error: daemon unreachable · command terminated with exit code 1' },
    ],
    [
      'that is not there',
      { code: 1, stdout: '', stderr: 'there is no agent on k8s-worker2\n' },
      { ok: false, observed: 'there is no agent on k8s-worker2' },
    ],
  ])('%s', (_, result, judged) => {
    expect(probe.judge(result)).toEqual(judged);
  });

  it.each([
    [
      'that is well, whatever kubectl chatters beside it',
      "echo 'websocket.go:296] Unknown stream id 1' >&2; echo OK",
      'OK',
    ],
    [
      'that does not answer, in the words of why',
      'echo "unable to upgrade connection" >&2; exit 1',
      'unable to upgrade connection',
    ],
  ])('%s', (_, exec, observed) => {
    const bin = standIns(scratch(), {
      kubectl: `case "$*" in *' exec '*) ${exec} ;; *) echo cilium-abcde ;; esac`,
      sleep: ':',
    });
    expect(probe.judge(dash(`set -eu\n${probe.script}`, { bin }))).toEqual({ ok: observed === 'OK', observed });
  });
});
