// What `homelab certs` says, from recorded machines.
import { describe, expect, it } from 'vitest';
import { listCertificates } from '../../src/phases/certificate-list.ts';
import { certificateTable } from '../../src/render/certificates.ts';
import { noColor } from '../../src/render/color.ts';
import { parseCertificates } from '../../src/resources/certificates.ts';
import { recorded } from '../certificates-sample.ts';

const pki = '/etc/kubernetes/pki';
const listOf = (text: string) => listCertificates('k8s-cp', parseCertificates(text));
const find = (text: string, path: string) => listOf(text).find(each => each.path === path);

describe('the list of certificates', () => {
  it('has who renews each', () => {
    const by = Object.fromEntries(listOf(recorded('before')).map(({ path, renewedBy }) => [path, renewedBy]));
    expect(by[`${pki}/apiserver.crt`]).toBe('homelab certs renew');
    expect(by['/etc/kubernetes/admin.conf']).toBe('homelab certs renew');
    expect(by['/etc/kubernetes/kubelet.conf']).toBe('the kubelet');
    expect(by[`${pki}/ca.crt`]).toBe('nobody: kubeadm renews no CA');
    const external = Object.fromEntries(listOf(recorded('external')).map(({ path, renewedBy }) => [path, renewedBy]));
    expect(external[`${pki}/apiserver.crt`]).toBe('its owner');
    expect(external[`${pki}/ca.crt`]).toBe('its owner: the key is not here');
    const worker = recorded('external').replaceAll(/^process kube-apiserver[\s\S]*?(?=^process)/gm, '');
    expect(find(worker, `${pki}/ca.crt`)?.renewedBy).toBe('nobody: kubeadm renews no CA');
  });

  it.each([
    [0, 'ok', 364],
    [334, 'ok', 30],
    [336, 'ends soon', 28],
    [366, 'over', -2],
  ] as const)('%i days later: %s', (days, state, daysLeft) => {
    expect(find(recorded('before', days), `${pki}/etcd/healthcheck-client.crt`)).toMatchObject({ state, daysLeft });
  });

  it('tells a renewed file that its process has not loaded from one that is served', () => {
    expect(find(recorded('after'), `${pki}/apiserver.crt`)).toMatchObject({
      state: 'served differs',
      remark: 'kube-apiserver still serves one that ends 2027-11-22',
    });
    expect(find(recorded('after', 366), `${pki}/apiserver.crt`)?.remark).toBeDefined();
    expect(find(recorded('after'), `${pki}/etcd/server.crt`)?.state).toBe('ok');
  });

  it('tells a kubeconfig that was renewed after its process began', () => {
    const began = (seconds: number) =>
      recorded('before').replace(
        'process kube-scheduler 10259 none',
        `process kube-scheduler 10259 ${Number(/^file (\d+) \S+scheduler\.conf$/m.exec(recorded('before'))?.[1]) + seconds}`,
      );
    const path = '/etc/kubernetes/scheduler.conf';
    expect(find(began(-60), path)).toMatchObject({
      state: 'not loaded',
      remark: 'kube-scheduler runs since before it was written',
    });
    expect(find(began(5), path)?.state).toBe('ok');
  });

  it('says which process answers nobody', () => {
    expect(find(recorded('before'), 'kube-scheduler :10259')).toMatchObject({
      state: 'not served',
      endsAt: null,
      remark: 'nothing answers on 10259, where kube-scheduler should',
    });
  });

  it('is a table that says what to type', () => {
    const text = certificateTable(listOf(recorded('after', 366)), noColor);
    expect(text).toMatch(/^MACHINE +CERTIFICATE +SUBJECT +SIGNED BY +ENDS +DAYS +RENEWED BY +STATE$/m);
    expect(text).toMatch(
      /^k8s-cp +etcd\/peer\.crt +.*CN=k8s-cp +etcd\/ca\.crt +2027-11-22 +-2 +homelab certs renew +over$/m,
    );
    expect(text).toMatch(/not well: homelab certs renew\n$/);
  });
});
