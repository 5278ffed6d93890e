// A worker whose power goes: the proof's way over several machines, and its watch run by dash with a stand-in for kubectl.
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import type { Evidence } from '../../src/model/plan.ts';
import type { NodeFacts, World } from '../../src/model/world.ts';
import { explainedCheck } from '../../src/phases/explained/find.ts';
import { recoveryPhase } from '../../src/phases/recovery.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';
import { host } from '../sample.ts';
import { type Answers, active, layered, machines, removed, told } from './rig.ts';

const sum = 'a'.repeat(64);
const lost = 'k8s-worker2';
const good: Answers = [
  ['"StatefulSet"', `pod row-0 ${lost} 10.244.2.7 1-1\n`],
  ['/dev/urandom', `sum ${sum}\n`, lost],
  ['begin=$(date', 'missed 44\ngiven-up 345\nup 362\npod row-0 k8s-worker3 10.244.3.9 2-2\n'],
  ['pod(2-2|2_2)', `sum ${sum}\n`, 'k8s-worker3'],
];

function rig(different: Answers = []) {
  const { context, asked } = machines([...different, ...good]);
  const probes = recoveryPhase(layers.longhorn, lost).probes(layered);
  return { asked, run: (): Promise<readonly Evidence[]> => active(probes, 'recovery').run(context) };
}

describe('a worker without power', () => {
  it('is borne: the row is read elsewhere, and it is said after how many seconds', async () => {
    const { asked, run } = rig();
    expect(told(await run())).toEqual([
      '✔ row-elsewhere: the same sum, on k8s-worker3',
      '✔ recovery-time: 362 s after the power went (missed after 44 s, pods given up after 345 s)',
    ]);
    const order = ['/dev/urandom', 'robustness', 'poweroff', 'begin=', 'pod(2-2|2_2)'];
    const first = order.map(part => asked.findIndex(({ script }) => script.includes(part)));
    expect(first).toEqual(first.toSorted((a, b) => a - b));
    expect(first).not.toContain(-1);
    expect(asked.filter(({ script }) => script.includes('poweroff')).map(({ host: at }) => at)).toEqual([lost]);
    expect(removed(asked)).toEqual(['homelab-probe-recovery on k8s-cp']);
  });

  it('that gives back something else is told', async () => {
    const { run } = rig([['pod(2-2|2_2)', 'sum no file\n']]);
    expect(told(await run())).toContain(`✖ row-elsewhere: ${sum} written, no file read`);
  });

  it.each([
    ['too late', 'missed 44\ngiven-up 590\nup 601\n', '✖ recovery-time: 601 s after'],
    ['nobody knows when', 'missed 44\n', '✖ recovery-time:  s after'],
  ])('whose row is back %s is not well', async (_, times, line) => {
    const { run } = rig([['begin=$(date', `${times}pod row-0 k8s-worker3 10.244.3.9 2-2\n`]]);
    expect(told(await run()).some(each => each.startsWith(line))).toBe(true);
  });

  it('is waited for as long as the first pod may take: a watch ends with its request', async () => {
    const { asked, run } = rig();
    await run();
    const script = asked.find(each => each.script.includes('"StatefulSet"'))?.script ?? '';
    const [, request, wait] = /--request-timeout=(\d+)s rollout status .* --timeout=(\d+)s/.exec(script) ?? [];
    expect(Number(request)).toBeGreaterThan(Number(wait));
  });

  it.each<[string, Answers, RegExp]>([
    ['on another machine', [['"StatefulSet"', 'pod row-0 k8s-worker1 10.244.1.7 1-1\n']], /came up on k8s-worker1/],
    ['without all copies', [['robustness', { code: 1, stderr: 'pvc-1 has not all its copies' }]], /not all its copies/],
  ])('keeps its power while the row is %s, and nothing is left', async (_, answers, words) => {
    const { asked, run } = rig(answers);
    await expect(run()).rejects.toThrow(words);
    expect(asked.filter(({ script }) => script.includes('poweroff'))).toEqual([]);
    expect(removed(asked)).toEqual(['homelab-probe-recovery on k8s-cp']);
  });

  it('whose row never comes back: what stands in its way is said, and its pod is forgotten', async () => {
    const stuck = { code: 1, stdout: 'missed 44\ngiven-up 345\n', stderr: 'row-0 1/1 Terminating k8s-worker2\n' };
    const { asked, run } = rig([['begin=$(date', stuck]]);
    await expect(run()).rejects.toThrow(/the row did not come back: row-0 1\/1 Terminating/);
    expect(asked.filter(({ script }) => script.includes('--force --grace-period=0')).length).toBe(1);
  });
});

/** The watch over what kubectl says, one answer a second; the clock goes as many seconds a look as `step`. */
async function watch(answers: {
  readonly nodes: readonly string[];
  readonly pods: readonly string[];
  readonly step?: number;
}) {
  const { asked, run } = rig();
  await run();
  const script = asked.find(each => each.script.includes('begin=$(date'))?.script ?? '';
  const folder = scratch();
  const nth = (name: string, said: readonly string[]) => `echo x >>${folder}/${name}
n=$(wc -l <${folder}/${name})
case $n in ${said.map((each, index) => `${index + 1}) printf %s '${each}' ;;`).join(' ')} *) printf %s '${said.at(-1)}' ;; esac`;
  const bin = standIns(folder, {
    kubectl: `case "$*" in
  *'get node '*) ${nth('nodes', answers.nodes)} ;;
  *deletionTimestamp*) ${nth('pods', answers.pods)} ;;
  *'pod row-0 -o'*) echo 'pod row-0 k8s-worker3 10.244.3.9 2-2' ;;
  *'get -n homelab-probe-recovery pods -o wide'*) echo 'row-0 1/1 Terminating' ;;
esac`,
    sleep: ':',
    date: `echo x >>${folder}/time; echo $(($(wc -l <${folder}/time) * ${answers.step ?? 10}))`,
  });
  return dash(`set -eu\n${script}`, { bin });
}

describe('the watch', () => {
  const there = '1-1,,True';
  it('tells when the node was missed, when its pod was given up and when it was up again', async () => {
    const said = await watch({
      nodes: ['True', 'True', 'Unknown'],
      pods: [there, there, '1-1,,False', '1-1,2026-11-23T06:00:00Z,False', '', '2-2,,', '2-2,,False', '2-2,,True'],
    });
    expect(said).toEqual({
      code: 0,
      stdout: 'missed 30\ngiven-up 40\nup 80\npod row-0 k8s-worker3 10.244.3.9 2-2\n',
      stderr: '',
    });
  });

  it('takes an API server that says nothing for nothing said', async () => {
    const said = await watch({ nodes: ['', '', 'Unknown'], pods: ['', there, '', '2-2,,True'] });
    expect(said.stdout).toMatch(/^missed 30\ngiven-up 40\nup 40\n/);
  });

  it('ends when the machine is still there', async () => {
    const { code, stderr } = await watch({ nodes: ['True'], pods: [there] });
    expect([code, stderr]).toEqual([1, 'k8s-worker2 is still there after 160 s: its power did not go\n']);
  });

  it('ends when the pod does not come back in ten minutes, with what is seen of it', async () => {
    const { code, stdout, stderr } = await watch({ nodes: ['Unknown'], pods: ['1-1,2026-11-23T06:00:00Z,False'] });
    expect([code, stdout]).toEqual([1, 'missed 10\ngiven-up 10\n']);
    expect(stderr).toContain('row-0 1/1 Terminating');
  });
});

describe('what stands against it', () => {
  const of = (name: string, world: World) =>
    recoveryPhase(layers.longhorn, name)
      .wants(world, host(name))
      .flatMap(want => (want.kind === 'refusal' ? [want.id] : []));
  const withNodes = (turn: (node: NodeFacts) => NodeFacts): World => ({
    ...layered,
    nodes: layered.nodes === 'unknown' ? 'unknown' : layered.nodes.map(turn),
  });

  it('is nothing for a worker among others', () => {
    expect(of(lost, layered)).toEqual([]);
    expect(recoveryPhase(layers.longhorn, lost).wants(layered, host('k8s-worker1'))).toEqual([]);
  });

  it.each<[string, string, World, string]>([
    ['a control plane', 'k8s-cp', layered, 'not-a-worker'],
    ['a machine that is not ready', lost, withNodes(node => ({ ...node, ready: node.name !== lost })), 'not-ready'],
    ['a cordoned one', lost, withNodes(node => ({ ...node, unschedulable: node.name === lost })), 'not-ready'],
    [
      'the only one that takes pods',
      lost,
      withNodes(node => ({ ...node, unschedulable: node.name !== lost })),
      'no-other',
    ],
  ])('%s', (_, name, world, id) => {
    expect(of(name, world)).toEqual([id]);
    expect(explainedCheck(id, undefined)).toBeDefined();
  });
});
