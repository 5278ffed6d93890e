// The second net over free text: what it catches, and what it must leave readable.
import { describe, expect, it } from 'vitest';
import { redacted, withMessagesRedacted } from '../../src/doctor/redact.ts';
import { on } from '../../src/doctor/rules/on-machine.ts';

it('a name that came from outside is quoted in what a person types', () => {
  expect(on({ name: '$(reboot)' }, 'uptime')).toBe("ssh '$(reboot)' uptime");
  expect(on({ name: 'k8s-worker1' }, 'uptime')).toBe('ssh k8s-worker1 uptime');
});

describe('free text', () => {
  it.each([
    ['pull https://bot:s3cr3tword@registry.test/v2/: 401', 'pull https://bot:[redacted]@registry.test/v2/: 401'],
    ['Authorization: Bearer abcdefgh12345', 'Authorization: Bearer [redacted]'],
    ['kubeadm join --token abcdef.0123456789abcdef', 'kubeadm join --token abcdef.[redacted]'],
    ['mysql password=correcthorse host=db', 'mysql password=[redacted] host=db'],
    ['GET /hook?access_token=abcd1234&x=1', 'GET /hook?access_token=[redacted]&x=1'],
    ['remote: ghp_0123456789abcdefghijABCDEFGHIJ', 'remote: [redacted]'],
  ])('%s', (text, expected) => {
    expect(redacted(text)).toBe(expected);
  });

  it.each([
    'dial tcp 10.77.0.1:53: i/o timeout',
    'open /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory',
    'failed to pull image "registry.k8s.io/pause:3.10@sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a"',
    'secret "db-password" not found',
    '--service-account-extend-token-expiration=false --enable-bootstrap-token-auth=true',
    'x509: certificate has expired or is not yet valid: current time 2026-11-22T02:11:04Z is after 2026-11-21T00:00:00Z',
    'podUID="b18264a9-ac5a-4386-ad4d-2b4326de5dc2" volumeName="kubernetes.io/projected/kube-api-access-token"',
  ])('keeps what a person needs: %s', text => {
    expect(redacted(text)).toBe(text);
  });

  it('moves no cursor on the terminal that it is printed on', () => {
    expect(redacted('a\u001b[2Jb\u0007\u009bc\td')).toBe('a[2Jbc\td');
  });

  it('is masked in messages only', () => {
    const object = { metadata: { name: 'token=abcdefgh' }, items: [{ message: 'token=abcdefgh' }] };
    expect(withMessagesRedacted(object)).toEqual({
      metadata: { name: 'token=abcdefgh' },
      items: [{ message: 'token=[redacted]' }],
    });
  });
});
