// What watches an upgrade must not stand in its way.
import { expect, it } from 'vitest';
import type { Toleration } from '../../src/model/workloads.ts';
import { upgradeWatch } from '../../src/resources/upgrade-watch.ts';
import { simulateDrains } from '../../src/upgrade/drain-simulation.ts';
import { budgetFor, controlPlaneNode, podOn, running, workNode } from '../workloads-sample.ts';

/** As the API server would hold them. */
function tolerations(): readonly Toleration[] {
  const on = upgradeWatch({ isOn: true, endpoint: 'k8s-api.home.arpa:6443' });
  const script = on.change(on.blank, [])?.action.script ?? '';
  const [, text = ''] = /<<'OBJECTS'\n(.*)\nOBJECTS/.exec(script) ?? [];
  const { items } = JSON.parse(text) as {
    readonly items: readonly { readonly kind: string; readonly spec?: object }[];
  };
  const found = items.find(({ kind }) => kind === 'Deployment')?.spec as {
    readonly template: { readonly spec: { readonly tolerations?: readonly Partial<Toleration>[] } };
  };
  return (found.template.spec.tolerations ?? []).map(each => ({
    key: '',
    operator: '',
    value: '',
    effect: '',
    ...each,
  }));
}

it('its service stays up while every worker is emptied at once', () => {
  const workers = ['w1', 'w2'];
  const pods = ['a', 'b'].map((letter, index) =>
    podOn(`w${index + 1}`, `homelab-watch/watched-${letter}`, { tolerations: tolerations() }),
  );
  const of = running([controlPlaneNode('cp'), ...workers.map(name => workNode(name))], {
    pods,
    budgets: [budgetFor('homelab-watch/watched', 2, 1)],
    controllers: [{ kind: 'Deployment', namespace: 'homelab-watch', name: 'watched', desired: 2, ready: 2 }],
  });
  const { drains } = simulateDrains(of, workers, { purpose: 'upgrade', parallel: workers.length });
  expect(drains.flatMap(({ stuck, gaps }) => [...stuck, ...gaps])).toEqual([]);
  expect(drains.flatMap(({ moves }) => moves.map(({ to }) => to))).toEqual(['cp', 'cp']);
});
