// Which certificates are whose, and when they are due.
import { describe, expect, it } from 'vitest';
import {
  dueFiles,
  isForeign,
  notRenewed,
  parseCertificates,
  renewed,
  renewedAs,
} from '../../src/resources/certificates.ts';
import { type Recorded, recorded } from '../certificates-sample.ts';

const pki = '/etc/kubernetes/pki';
const all = [
  'admin.conf',
  'apiserver',
  'apiserver-etcd-client',
  'apiserver-kubelet-client',
  'controller-manager.conf',
  'etcd-healthcheck-client',
  'etcd-peer',
  'etcd-server',
  'front-proxy-client',
  'scheduler.conf',
  'super-admin.conf',
];

function due(name: Recorded, daysLater: number, within?: number): readonly (string | undefined)[] {
  const read = parseCertificates(recorded(name, daysLater));
  return dueFiles(read, within)
    .map(file => renewedAs(file, read.keys))
    .sort();
}

describe('what a machine says of its certificates', () => {
  const read = parseCertificates(recorded('before'));
  const of = (path: string) => read.files.find(file => file.path === path)?.certificate;

  it('has subject, end and the CA that signed each', () => {
    expect(of(`${pki}/apiserver.crt`)).toMatchObject({
      subject: 'CN=kube-apiserver',
      signer: `${pki}/ca.crt`,
      endsMs: Date.parse('2027-11-22T14:02:58Z'),
    });
    expect(of('/etc/kubernetes/admin.conf')).toMatchObject({
      subject: 'O=kubeadm:cluster-admins, CN=kubernetes-admin',
      signer: `${pki}/ca.crt`,
    });
    expect(of(`${pki}/etcd/peer.crt`)?.signer).toBe(`${pki}/etcd/ca.crt`);
    expect(of(`${pki}/front-proxy-client.crt`)?.signer).toBe(`${pki}/front-proxy-ca.crt`);
    expect(of(`${pki}/ca.crt`)?.signer).toBe('itself');
  });

  it('has what is served, and that nothing answers', () => {
    const served = (component: string) => read.processes.find(each => each.component === component);
    expect(served('etcd')?.served?.fingerprint).toBe(of(`${pki}/etcd/server.crt`)?.fingerprint);
    expect(served('kube-scheduler')).toEqual({
      component: 'kube-scheduler',
      port: 10259,
      startedMs: undefined,
      served: undefined,
    });
  });

  it('keeps a file without a certificate, which is nobody’s to overwrite', () => {
    const broken = parseCertificates(`clock 1\nfile 1 ${pki}/apiserver.crt\nhalf a fi\nkey ${pki}/ca.crt\n`);
    const [file] = broken.files;
    expect(file?.certificate).toBeUndefined();
    expect(file && isForeign(file, broken.keys)).toBe(true);
    expect(dueFiles(broken, undefined)).toEqual([]);
  });

  it('leaves out what a kubelet signed itself before the cluster signed for it', () => {
    const folder = '/var/lib/kubelet/pki';
    const { files } = parseCertificates(
      `clock 1\nfile 1 ${folder}/kubelet-server-current.pem\nfile 1 ${folder}/kubelet.crt\n`,
    );
    expect(files.map(({ path }) => path)).toEqual([`${folder}/kubelet-server-current.pem`]);
  });
});

describe('what is due', () => {
  it('is everything of kubeadm’s that was not renewed within a day, CAs and the kubelet’s excepted', () => {
    expect(due('before', 0)).toEqual([]);
    expect(due('before', 2)).toEqual(all);
  });

  it('is what is left after a run that was cut off', () => {
    expect(due('after', 0)).toEqual(all.filter(name => name !== 'apiserver' && name !== 'super-admin.conf'));
  });

  it('is, with a number of days, what ends within them', () => {
    expect(due('before', 300, 60)).toEqual([]);
    expect(due('before', 310, 60)).toEqual(all);
  });

  it('is what has ended, whatever was given and however new the file is', () => {
    expect(due('before', 366, 1)).toEqual(all);
    const ended = recorded('before', 366).replaceAll(
      /^file \d+ /gm,
      `file ${Date.parse('2027-11-23T14:00:00Z') / 1000} `,
    );
    expect(dueFiles(parseCertificates(ended), undefined)).toHaveLength(all.length);
  });

  it('is nothing that a CA signed whose key is not there', () => {
    expect(due('external', 2)).toEqual([
      'apiserver-etcd-client',
      'etcd-healthcheck-client',
      'etcd-peer',
      'etcd-server',
      'front-proxy-client',
    ]);
  });
});

describe('the renewal', () => {
  it('names what it renews and when that ended', () => {
    const resource = renewed(undefined);
    const change = resource.change(resource.parse(recorded('external', 2)), []);
    expect(change?.risk).toBe('disruptive');
    expect(change?.why).toContain('etcd-server ends 2027-11-22');
    expect(change?.action.script).toContain(
      'for name in apiserver-etcd-client front-proxy-client etcd-healthcheck-client etcd-peer etcd-server;',
    );
  });

  it('is nothing where nothing is due', () => {
    const resource = renewed(undefined);
    expect(resource.change(resource.parse(recorded('before')), [])).toBeUndefined();
  });

  it('says what it leaves to its owner', () => {
    const sight = notRenewed();
    expect(sight.remarks?.(sight.parse(recorded('before')), [])).toEqual([]);
    const said = sight.remarks?.(sight.parse(recorded('external')), []) ?? [];
    expect(said).toHaveLength(6);
    expect(said).toContainEqual({
      kind: 'note',
      text: `${pki}/apiserver.crt is not renewed: it is signed by ${pki}/ca.crt, whose key is not there; its owner renews it`,
    });
  });

  it('warns of a CA in its last year, and refuses when one has ended', () => {
    const sight = notRenewed();
    const kinds = (days: number) =>
      (sight.remarks?.(sight.parse(recorded('before', days)), []) ?? []).map(remark =>
        remark.kind === 'note' ? remark.text.split(' ')[0] : remark.id,
      );
    const cas = [`${pki}/ca.crt`, `${pki}/front-proxy-ca.crt`, `${pki}/etcd/ca.crt`];
    expect(kinds(9 * 365 + 10)).toEqual(cas);
    expect(kinds(3660)).toEqual(['ca.crt', 'front-proxy-ca.crt', 'etcd-ca.crt']);
  });

  it('refuses where the kubelet could start nothing again and nobody here can sign for it', () => {
    const sight = notRenewed();
    const text = recorded('external', 366).replace(
      '/etc/kubernetes/kubelet.conf',
      '/var/lib/kubelet/pki/kubelet-client-current.pem',
    );
    const refusals = (sight.remarks?.(sight.parse(text), []) ?? []).filter(({ kind }) => kind === 'refusal');
    expect(refusals).toMatchObject([{ id: 'kubelet' }]);
  });
});
