// Constructed: webhooks whose pods are ready and which the control plane does not get through to.
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../src/doctor/rule.ts';
import { firewallRules } from '../../src/doctor/rules/firewall.ts';
import { webhookRules } from '../../src/doctor/rules/webhooks.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import { healthy, with1 } from './constructed.ts';
import { causesIn, withObjects } from './rig.ts';

const [unreached] = webhookRules as readonly [Rule];
const metadata = { namespace: 'istio-system', name: 'istiod' };

function asked(says: string, failurePolicy = 'Fail', port = 443): Snapshot {
  const hooks = withObjects(healthy, 'mutatingwebhookconfigurations', [
    {
      metadata: { name: 'istio-sidecar-injector' },
      webhooks: [{ name: 'namespace.sidecar-injector.istio.io', failurePolicy, clientConfig: { service: metadata } }],
    },
  ]);
  const other = { namespace: 'istio-system', name: 'a-gateway' };
  const services = withObjects(hooks, 'services', [
    { metadata: other, spec: { clusterIP: '10.96.7.8' } },
    { metadata, spec: { clusterIP: '10.96.7.7', ports: [{ port: 443 }] } },
  ]);
  const endpoints = withObjects(services, 'endpoints', [
    { metadata: other, subsets: [{ addresses: [{ ip: '10.244.2.9', nodeName: 'w2' }] }] },
    { metadata, subsets: [{ addresses: [{ ip: '10.244.1.9', nodeName: 'w1' }] }] },
  ]);
  return with1(
    'cp',
    () => ({ webhooks: [{ service: 'istio-system/istiod', port, ok: says === 'answers', says }] }),
    endpoints,
  );
}

const cases: readonly Case[] = [
  {
    rule: unreached,
    when: 'the connection does not arrive',
    in: asked('timed out'),
    says: /^The API server must ask the webhook namespace\.sidecar-injector\.istio\.io, whose pods are ready, and cp does not get through to its Service istio-system\/istiod:443 \(timed out\)$/,
    severity: 'error',
    certainty: 'likely',
    allAbout: [
      'webhook:namespace.sidecar-injector.istio.io',
      'service:istio-system/istiod',
      'machine:cp',
      'machine:w1',
    ],
    advises: /^ssh cp ping -c1 -W1 10\.244\.1\.9$/m,
    near: {
      'it arrives': asked('answers'),
      'nobody waits for it': asked('timed out', 'Ignore'),
      'it is another port': asked('timed out', 'Fail', 15_017),
      'nobody asked': withObjects(asked('timed out'), 'mutatingwebhookconfigurations', []),
    },
  },
];

testRules(webhookRules, cases);

describe('a webhook that is not reached', () => {
  it('is asked again by the address of its Service, where that is known', () => {
    const settledBy = (snapshot: Snapshot) => unreached.find(snapshot)[0]?.settledBy;
    expect(settledBy(asked('timed out'))).toBe('ssh cp nc -zv -w3 10.96.7.7 443');
    expect(settledBy(withObjects(asked('timed out'), 'services', []))).toBe('ssh cp nc -zv -w3 ADDRESS 443');
  });

  it('follows from a firewall that drops the tunnel on the machine of its pod', () => {
    const dropped = with1(
      'w1',
      ({ cni }) => ({
        cni: { ...cni, links: [{ name: 'flannel.1', addresses: ['10.244.1.0/32'], mtu: 1450 }] },
        firewall: { active: ['nftables'], drops: [{ port: 8472, protocol: 'udp', rule: 'udp dport 8472 drop' }] },
      }),
      asked('timed out'),
    );
    expect(causesIn(dropped, [...firewallRules, ...webhookRules])).toEqual(['tunnel-port-blocked']);
  });
});
