// What recordings must not tell.
import { expect, it } from 'vitest';
import { nobodys } from './nobodys.ts';

it('a recording has a documentation address for the resolver and a kernel of Debian, and nothing else is touched', () => {
  const own = { resolvers: ['10.0.0.1', '127.0.0.53'], kernel: '6.9.1-mine', hostname: 'den.test' };
  const recorded =
    '/etc/resolv.conf\\n10.0.0.1\\n127.0.0.53\\n" 10.0.0.10 10.0.0.1.2 110.0.0.1 10.0.0.1/32 "6.9.1-mine" me@den.test: homelab me@denstest:';
  expect(nobodys(recorded, own)).toBe(
    '/etc/resolv.conf\\n192.0.2.53\\n127.0.0.53\\n" 10.0.0.10 10.0.0.1.2 110.0.0.1 192.0.2.53/32 "6.1.0-44-amd64" somebody@somewhere: homelab me@denstest:',
  );
});
