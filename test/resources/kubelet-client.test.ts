// A kubelet whose certificate has ended gets another one of the cluster's CA, with real openssl.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kubeletLogin } from '../../src/resources/kubelet-client.ts';
import { apply, observe, scratch, standIns } from './rig.ts';

const current = 'kubelet/pki/kubelet-client-current.pem';

/** A CA, and a kubelet's certificate that it signed for so many days. */
function machine(days: string, subject = '/O=system:nodes/CN=system:node:k8s-cp') {
  const folder = scratch();
  for (const each of ['etc/pki', 'kubelet/pki']) mkdirSync(join(folder, each), { recursive: true });
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=kubernetes',
    '-keyout',
    'etc/pki/ca.key',
    '-out',
    'etc/pki/ca.crt',
  );
  openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', subject, '-keyout', 'key', '-out', 'csr');
  openssl(
    'x509',
    '-req',
    '-in',
    'csr',
    '-CA',
    'etc/pki/ca.crt',
    '-CAkey',
    'etc/pki/ca.key',
    '-CAcreateserial',
    '-days',
    days,
    '-out',
    'crt',
  );
  const old = 'kubelet-client-2025-01-01-00-00-00.pem';
  writeFileSync(
    join(folder, 'kubelet/pki', old),
    `${readFileSync(join(folder, 'crt'))}${readFileSync(join(folder, 'key'))}`,
  );
  symlinkSync(old, join(folder, current));
  const bin = standIns(folder, { systemctl: `echo "$@" >>${folder}/asked` });
  const options = {
    moved: { '/etc/kubernetes': join(folder, 'etc'), '/var/lib/kubelet': join(folder, 'kubelet') },
    bin,
  };
  return { folder, options, observe: () => observe(kubeletLogin(), options) };
}

describe('a kubelet’s certificate to log in with', () => {
  it('is left to the kubelet while it is valid', () => {
    const { observe } = machine('30');
    expect(observe()).toBe('valid');
    expect(kubeletLogin().change('valid', [])).toBeUndefined();
  });

  it('is made anew for the same node once it has ended, and the kubelet is started with it', () => {
    const { folder, options, observe } = machine('-1');
    expect(observe()).toBe('ended');
    expect(apply(kubeletLogin(), options)).toMatchObject({ code: 0, stderr: '' });
    expect(observe()).toBe('valid');
    const fresh = new X509Certificate(readFileSync(join(folder, current)));
    const ca = new X509Certificate(readFileSync(join(folder, 'etc/pki/ca.crt')));
    expect(fresh.subject).toBe('O=system:nodes\nCN=system:node:k8s-cp');
    expect([fresh.checkIssued(ca), fresh.verify(ca.publicKey), fresh.keyUsage]).toEqual([
      true,
      true,
      ['1.3.6.1.5.5.7.3.2'],
    ]);
    expect(readFileSync(join(folder, current), 'utf8')).toContain('PRIVATE KEY');
    expect(statSync(join(folder, current)).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, 'kubelet/pki'))).toHaveLength(3);
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('restart kubelet.service\n');
  });

  it('is never made for a name that is no node’s', () => {
    const { options } = machine('-1', '/O=system:masters/CN=me');
    const said = apply(kubeletLogin(), options);
    expect([said.code, said.stderr]).toEqual([1, expect.stringContaining('which is no node')]);
  });

  it('is the owner’s where the CA’s key is not there', () => {
    const { folder, observe } = machine('-1');
    rmSync(join(folder, 'etc/pki/ca.key'));
    expect(observe()).toBe('none');
    expect(kubeletLogin().change('none', [])).toBeUndefined();
  });
});
