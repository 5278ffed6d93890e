import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';
import { type Answers, active, layered, machines, read, removed, told } from './rig.ts';

const probe = active(layers['metrics-server'].probes(layered), 'autoscaler');
async function prove(answers: Answers) {
  const { context, asked } = machines(answers);
  return { lines: told(await probe.run(context)), asked };
}

describe('an autoscaler', () => {
  it('that gets figures proves metrics-server', async () => {
    const { lines, asked } = await prove([['HorizontalPodAutoscaler', 'active True\n']]);
    expect(lines).toEqual(['✔ autoscaler: ScalingActive True']);
    expect(removed(asked)).toEqual(['homelab-probe-metrics on k8s-cp']);
  });

  it('that gets none says why in its own words', async () => {
    const reason =
      'the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API';
    const { lines, asked } = await prove([['HorizontalPodAutoscaler', `active False\nreason ${reason}\n`]]);
    expect(lines).toEqual([`✖ autoscaler: ScalingActive False: ${reason}`]);
    expect(removed(asked)).toEqual(['homelab-probe-metrics on k8s-cp']);
  });

  it('that nobody looks after is not known', async () => {
    const { lines } = await prove([['HorizontalPodAutoscaler', 'active \nreason \n']]);
    expect(lines).toEqual(['✖ autoscaler: ScalingActive unknown: ']);
  });

  it('that cannot be made ends the proof, which cleans up', async () => {
    const { context, asked } = machines([['HorizontalPodAutoscaler', { code: 1, stderr: 'quota exceeded\n' }]]);
    await expect(probe.run(context)).rejects.toThrow('there is no autoscaler: quota exceeded');
    expect(removed(asked)).toEqual(['homelab-probe-metrics on k8s-cp']);
  });
});

describe('where figures do not come', () => {
  /** Run by dash, with a kubectl that knows no figures; how often it was waited. */
  async function waited(service: string) {
    const { context, asked } = machines([]);
    await probe.run(context);
    const autoscaler = asked.find(({ script }) => script.includes('HorizontalPodAutoscaler'))?.script ?? '';
    const { script: nodes } = read(layers['metrics-server'].probes(layered), 'node-metrics');
    return [autoscaler, nodes].map(script => {
      const folder = scratch();
      const bin = standIns(folder, {
        kubectl: `case "$*" in *apiservice*) ${service} ;; *'top node'*) exit 1 ;; *message*) echo no answer ;; esac`,
        sleep: `echo waited >>${folder}/waits`,
      });
      const { stdout } = dash(`set -eu\n${script}\ncat ${folder}/waits 2>/dev/null | wc -l`, { bin });
      return stdout.trimEnd().split('\n');
    });
  }

  it('because nobody serves them, nothing is waited for', async () => {
    expect(await waited('true')).toEqual([
      ['active ', 'reason nobody serves v1beta1.metrics.k8s.io', '0'],
      ['0', '0'],
    ]);
  });

  it.each([
    ['somebody does', 'echo apiservice.apiregistration.k8s.io/v1beta1.metrics.k8s.io'],
    ['the API server does not say whether', 'exit 1'],
  ])('and %s, they may still come', async (_, service) => {
    expect(await waited(service)).toEqual([
      ['active ', 'reason no answer', '36'],
      ['0', '24'],
    ]);
  });
});
