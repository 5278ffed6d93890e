import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { type Answers, active, layered, machines, removed, told } from './rig.ts';

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
