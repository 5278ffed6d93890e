// Whether webhooks are reached: asked over TCP, here against a port that listens and one that does not.
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWebhooks, webhooksScript } from '../../../src/doctor/looks/webhooks.ts';
import { listsOf, readItems } from '../../../src/doctor/objects/read.ts';
import { dash } from '../../dash.ts';

const server = createServer(socket => socket.end());
let open = 0;
beforeAll(async () => {
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening));
  open = (server.address() as { readonly port: number }).port;
});
afterAll(() => {
  server.close();
});

interface Hook {
  readonly name?: string;
  readonly port?: number;
  readonly failurePolicy?: string;
  readonly clusterIP?: string;
  readonly ready?: boolean;
}

function listsWith(...hooks: readonly Hook[]) {
  const items = hooks.flatMap(
    ({ name = 'injector', port = 443, failurePolicy = 'Fail', clusterIP = '127.0.0.1', ready = true }) => {
      const metadata = { namespace: 'demo', name };
      return [
        {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'ValidatingWebhookConfiguration',
          metadata: { name },
          webhooks: [
            {
              name: `${name}.example.com`,
              failurePolicy,
              clientConfig: { service: { namespace: 'demo', name, ...(port === 443 ? {} : { port }) } },
            },
          ],
        },
        { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP, ports: [{ port }, { port: 15_014 }] } },
        {
          apiVersion: 'v1',
          kind: 'Endpoints',
          metadata,
          subsets: [{ [ready ? 'addresses' : 'notReadyAddresses']: [{ ip: '10.244.1.9' }] }],
        },
      ];
    },
  );
  return listsOf(new Map(readItems({ kind: 'List', apiVersion: 'v1', items }, undefined, 'test')), 'not asked');
}

describe('a look at webhooks', () => {
  it('tells who takes a connection and who refuses it', () => {
    const script = webhooksScript(listsWith({ port: open }, { name: 'gone', port: 9, clusterIP: '127.0.0.1' })) ?? '';
    // The kernel takes the connection for us.
    expect(readWebhooks(dash(script))).toEqual([
      { service: 'demo/injector', port: open, ok: true, says: 'answers' },
      { service: 'demo/gone', port: 9, ok: false, says: 'refused' },
    ]);
  });

  it.each<[string, Hook]>([
    ['that may be left out', { failurePolicy: 'Ignore' }],
    ['that has no pod', { ready: false }],
    ['without an address', { clusterIP: 'None' }],
  ])('asks nothing of one %s', (_, hook) => {
    expect(webhooksScript(listsWith(hook))).toBeUndefined();
  });

  it('asks the port that the API server asks, and five Services at most', () => {
    const script = webhooksScript(listsWith({ clusterIP: '10.96.0.7' }));
    expect(script).toContain('- 10.96.0.7 443');
    expect(script).not.toContain('15014');
    const many = Array.from({ length: 9 }, (_, index) => ({ name: `hook-${index}` }));
    expect(webhooksScript(listsWith(...many))?.match(/dev\/tcp/g)).toHaveLength(5);
  });
});
