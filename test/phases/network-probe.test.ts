import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dnsAnswer, dnsQuery } from '../../src/model/dns.ts';
import { networkProbe, peersOf } from '../../src/phases/network-probe.ts';
import { type Answers, active, machines, removed, told } from '../layers/rig.ts';
import { convergedWorld } from '../sample.ts';

const header = (code: number, answers: number, more = 0) =>
  `484c8${more}8${code}0001${answers.toString(16).padStart(4, '0')}00000000`;
/** kubernetes.default.svc.cluster.local A IN */
const question = '0a6b756265726e657465730764656661756c740373766307636c7573746572056c6f63616c0000010001';
const pointer = 'c00c';
const record = (name: string, type: number, data: string) =>
  `${name}${type.toString(16).padStart(4, '0')}00010000001e${(data.length / 2).toString(16).padStart(4, '0')}${data}`;

describe('a DNS question', () => {
  it('is the bytes that RFC 1035 asks for', () => {
    const bytes = dnsQuery('kubernetes.default.svc.cluster.local').replaceAll('\\x', '');
    expect(bytes).toBe(`484c01000001000000000000${question}`);
  });
});

describe('a DNS answer', () => {
  it.each([
    ['with a pointer as its name', `${header(0, 1)}${question}${record(pointer, 1, '0a600001')}`, '10.96.0.1'],
    ['with the whole name', `${header(0, 1)}${question}${record(question.slice(0, -8), 1, '0a600001')}`, '10.96.0.1'],
    [
      'behind a CNAME',
      `${header(0, 2)}${question}${record(pointer, 5, '0161c00c')}${record('c03c', 1, 'c0a80001')}`,
      '192.168.0.1',
    ],
    [
      'with additional records after it',
      `${header(0, 1)}${question}${record(pointer, 1, '0a600001')}${record('00', 41, '')}`,
      '10.96.0.1',
    ],
    ['of no such name', `${header(3, 0)}${question}`, 'no such name'],
    ['of a server that failed', `${header(2, 0)}${question}`, 'error code 2'],
    ['without an address', `${header(0, 0)}${question}`, 'no address'],
    [
      'of another type',
      `${header(0, 1)}${question}${record(pointer, 28, '20010db8000000000000000000000001')}`,
      'no address',
    ],
    [
      'cut off in the record',
      `${header(0, 1, 2)}${question}${record(pointer, 1, '0a600001').slice(0, -2)}`,
      'no address',
    ],
    ['cut off in a name', `${header(0, 1)}${question}0b${'61'.repeat(11)}`, 'no address'],
    ['cut off in the question', `${header(0, 1)}${question.slice(0, 20)}`, 'no address'],
    ['cut off in the header', '484c81', 'no answer'],
    ['that is nothing', '', 'no answer'],
    ['that is the word of a silent server', 'silent', 'no answer'],
  ])('%s', (_, hex, said) => {
    expect(dnsAnswer(hex)).toBe(said);
  });

  it('of any bytes is an answer or words, never our bug', () => {
    const bytes = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(bytes, rest => {
        expect(typeof dnsAnswer(`${header(0, 1)}${Buffer.from(rest).toString('hex')}`)).toBe('string');
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(bytes, rest => {
        expect(typeof dnsAnswer(`${header(0, 1)}${question}${Buffer.from(rest).toString('hex')}`)).toBe('string');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('who proves the network to whom', () => {
  const hosts = (count: number) => Array.from({ length: count }, (_, index) => `node-${index}`);

  it('is nobody in a cluster of one', () => {
    expect(peersOf('node-0', hosts(1))).toEqual([]);
  });

  it.each([2, 8])('is everybody among %i', count => {
    for (const host of hosts(count))
      expect(peersOf(host, hosts(count))).toEqual(hosts(count).filter(each => each !== host));
  });

  it.each([9, 100])(
    'among %i is the first machine and the next three, so that every machine sends and receives',
    count => {
      const pairs = hosts(count).map(host => ({ host, peers: peersOf(host, hosts(count)) }));
      for (const { host, peers } of pairs) {
        expect(peers).not.toContain(host);
        expect(peers).not.toContain('');
        expect(new Set(peers).size).toBe(peers.length);
        expect(peers.length).toBeGreaterThanOrEqual(3);
        expect(peers.length).toBeLessThanOrEqual(4);
      }
      for (const host of hosts(count))
        expect(pairs.filter(({ peers }) => peers.includes(host)).length).toBeGreaterThanOrEqual(3);
    },
  );
});

describe('the proof of the network', () => {
  const sum = 'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8';
  const pods = `pod probe-k8s-cp k8s-cp 10.244.0.2 1-1
pod probe-k8s-worker1 k8s-worker1 10.244.1.2 2-2
service 10.96.0.5
dns 10.96.0.10
api 10.96.0.1
`;
  const resolved = `dns ${header(0, 1)}${question}${record(pointer, 1, '0a600001')}\n`;
  const good: Answers = [
    ['"kind":"Service"', pods],
    ['bulk()', `pod:k8s-worker1 ${sum}\nservice ${sum}\n${resolved}`, 'k8s-cp'],
    ['bulk()', `pod:k8s-cp ${sum}\nservice ${sum}\n${resolved}`, 'k8s-worker1'],
  ];
  const probe = active([networkProbe(convergedWorld(), ['k8s-cp', 'k8s-worker1'])], 'pod-network');

  it('is what every machine sends, and leaves nothing', async () => {
    const { context, asked } = machines(good);
    expect(told(await probe.run(context))).toEqual([
      '✔ pods-from-k8s-cp: right from k8s-worker1',
      '✔ service-from-k8s-cp: right from 10.96.0.5',
      '✔ dns-from-k8s-cp: 10.96.0.1 from 10.96.0.10',
      '✔ pods-from-k8s-worker1: right from k8s-cp',
      '✔ service-from-k8s-worker1: right from 10.96.0.5',
      '✔ dns-from-k8s-worker1: 10.96.0.1 from 10.96.0.10',
    ]);
    const stopped = asked.filter(({ script }) => script.startsWith('systemctl stop homelab-probe-listener.service'));
    expect(stopped.map(({ host }) => host)).toEqual(['k8s-cp', 'k8s-worker1']);
    expect(removed(asked)).toEqual(['homelab-probe on k8s-cp']);
  });

  it('says who is not reached', async () => {
    const said = `pod:k8s-cp silent\nservice ${'0'.repeat(64)}\ndns silent\n`;
    const { context } = machines([['bulk()', said, 'k8s-worker1'], ...good]);
    expect(told(await probe.run(context)).filter(line => line.startsWith('✖'))).toEqual([
      '✖ pods-from-k8s-worker1: k8s-cp: silent',
      `✖ service-from-k8s-worker1: 10.96.0.5: ${'0'.repeat(64)}`,
      '✖ dns-from-k8s-worker1: no answer from 10.96.0.10',
    ]);
  });

  it.each([
    [
      'pods that do not come up',
      { code: 1, stderr: 'probe-k8s-cp 0/1 Pending\n' },
      'did not come up: probe-k8s-cp 0/1 Pending',
    ],
    ['a machine without a pod', { stdout: 'pod probe-k8s-cp k8s-cp 10.244.0.2 1-1\n' }, 'none on k8s-worker1'],
  ])('ends with %s, and leaves nothing', async (_, answer, words) => {
    const { context, asked } = machines([['"kind":"Service"', answer], ...good]);
    await expect(probe.run(context)).rejects.toThrow(words);
    expect(removed(asked)).toEqual(['homelab-probe on k8s-cp']);
  });
});
