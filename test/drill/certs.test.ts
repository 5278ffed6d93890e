// Certificates of a real cluster: listed, renewed, renewed by hand and not loaded, cut off half way, and ended with everything down.
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ListedCertificate } from '../../src/model/certificates.ts';
import type { Lab } from '../lab/machines.ts';
import { eventsOf, type HomelabRun, plannedSteps, startHomelab, stepsWith, story } from '../lab/run-homelab.ts';
import { freshLab, homelab, homeOf, inside, onAll, readyNodes, untilInside, whyNoCluster } from '../lab/test-lab.ts';

const reason = await whyNoCluster();
const pki = '/etc/kubernetes/pki';

describe.skipIf(reason !== undefined)(reason ?? 'certificates', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await freshLab('test-certs', 2);
    const made = await homelab(lab, ['bootstrap', '--yes', '--bundle', lab.bundle ?? '']);
    expect(made.code, story(made)).toBe(0);
    await mkdir(path.join(homeOf(lab), '.kube'), { recursive: true });
    const merged = await homelab(lab, ['kubeconfig', '--merge']);
    expect(merged.code, story(merged)).toBe(0);
  });
  afterAll(async () => {
    await lab?.down();
  });

  const renew = (...more: readonly string[]): Promise<HomelabRun> => homelab(lab, ['certs', 'renew', '--yes', ...more]);
  const list = async (): Promise<readonly ListedCertificate[]> => {
    const run = await homelab(lab, ['certs']);
    expect(run.code, story(run)).toBe(0);
    return eventsOf(run, 'certificates')[0]?.certificates ?? [];
  };
  const notOk = async () =>
    (await list()).flatMap(({ host, path: file, state }) => (state === 'ok' ? [] : [`${host} ${file} ${state}`]));
  const ends = (found: readonly ListedCertificate[]) =>
    Object.fromEntries(
      found.filter(each => each.renewedBy === 'homelab certs renew').map(({ path: file, endsAt }) => [file, endsAt]),
    );
  /** As if they had been made long ago; what runs has loaded them. */
  const age = () =>
    inside(lab, 'k8s-cp', `touch -d '2 days ago' ${pki}/*.crt ${pki}/etcd/*.crt /etc/kubernetes/*.conf`);
  const step = (name: string) => `certificates-k8s-cp/k8s-cp/${name}`;
  const everyStep = ['renew', 'etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map(step);

  test('a fresh cluster: every certificate is listed and well, and there is nothing to renew', async () => {
    const found = await list();
    expect(Object.keys(ends(found))).toHaveLength(10);
    expect(found.filter(({ path: file }) => file.endsWith('kubelet-server-current.pem'))).toHaveLength(2);
    expect(await notOk()).toEqual([]);
    const run = await renew();
    expect([run.code, plannedSteps(run)], story(run)).toEqual([0, []]);
  });

  test('all are renewed and served, and the merged context has the new one', async () => {
    await age();
    const before = ends(await list());
    const config = await readFile(path.join(homeOf(lab), '.kube/config'), 'utf8');
    const run = await renew();
    expect([run.code, stepsWith(run, 'done')], story(run)).toEqual([0, everyStep]);
    const after = ends(await list());
    for (const [file, end] of Object.entries(before)) expect(after[file] ?? '', file).not.toBe(end);
    expect(await notOk()).toEqual([]);
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1']);
    expect(await readFile(path.join(homeOf(lab), '.kube/config'), 'utf8')).not.toBe(config);
    expect(await readFile(path.join(homeOf(lab), '.kube/config.homelab-backup'), 'utf8')).toBe(config);
  });

  test('one that was renewed by hand and not loaded is found, and only its process is restarted', async () => {
    await inside(lab, 'k8s-cp', 'kubeadm certs renew scheduler.conf');
    expect(await notOk()).toEqual(['k8s-cp /etc/kubernetes/scheduler.conf not loaded']);
    const run = await renew();
    expect([run.code, stepsWith(run, 'done')], story(run)).toEqual([0, [step('kube-scheduler')]]);
    expect(await notOk()).toEqual([]);
  });

  test.each(everyStep)('homelab is killed while %s goes on: the same command goes on', async id => {
    await age();
    const process = await startHomelab(homeOf(lab), ['certs', 'renew', '--yes', '-i', lab.inventoryPath]);
    await process.event('step-started', event => event.id === id);
    process.signal('SIGKILL');
    await process.ended.catch(() => undefined);
    const run = await renew('--steal-lock');
    expect(run.code, story(run)).toBe(0);
    expect(await notOk()).toEqual([]);
  });

  test('all have ended and the cluster is down: listed, renewed, and up again', async () => {
    await inside(lab, 'k8s-cp', expire);
    await untilInside(
      lab,
      'k8s-cp',
      '! kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=2s get --raw /readyz',
      'the cluster to be down',
    );
    const over = (await list()).filter(({ state }) => state === 'over').map(({ path: file }) => file);
    expect(over).toHaveLength(11);
    const run = await renew();
    expect(run.code, story(run)).toBe(0);
    expect(await notOk()).toEqual([]);
    expect(await readyNodes(lab)).toEqual(['k8s-cp', 'k8s-worker1']);
    const verified = await homelab(lab, ['verify']);
    expect(verified.code, story(verified)).toBe(0);
  });

  test('a CA whose key is kept elsewhere: what it signed is left to its owner', async () => {
    await inside(lab, 'k8s-cp', `mv ${pki}/ca.key /root/`);
    await age();
    const run = await renew();
    expect(run.code, story(run)).toBe(0);
    const notes = eventsOf(run, 'plan').flatMap(plan => plan.notes.map(({ text }) => text));
    expect(notes.join('\n')).toContain(`${pki}/apiserver.crt is not renewed`);
    const owners = (await list()).filter(({ renewedBy }) => renewedBy === 'its owner').map(({ path: file }) => file);
    expect(owners).toContain(`${pki}/apiserver.crt`);
    await inside(lab, 'k8s-cp', `mv /root/ca.key ${pki}/`);
    await onAll(lab, 'systemctl is-active kubelet');
  });
});

/** sh: every certificate of kubeadm's is signed anew by its own CA, for a time that is over; then all that runs is started anew. */
const expire = `work=$(mktemp -d)
cat > "$work/ca.cnf" <<'CNF'
[ca]
default_ca = it
[it]
database = $ENV::work/index
new_certs_dir = $ENV::work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copyall
[any]
organizationName = optional
commonName = supplied
CNF
export work
: > "$work/index"
sign() {
  openssl x509 -x509toreq -copy_extensions copyall -in "$1" -signkey "$2" -out "$work/csr" 2>/dev/null
  openssl ca -batch -notext -config "$work/ca.cnf" -cert "$3.crt" -keyfile "$3.key" -preserveDN -startdate 20240101000000Z -enddate 20250101000000Z -in "$work/csr" -out "$work/crt" 2>"$work/said" || { cat "$work/said"; exit 1; }
}
cd ${pki}
for name in apiserver apiserver-kubelet-client; do sign $name.crt $name.key ca; cp "$work/crt" $name.crt; done
sign front-proxy-client.crt front-proxy-client.key front-proxy-ca; cp "$work/crt" front-proxy-client.crt
for name in apiserver-etcd-client etcd/server etcd/peer etcd/healthcheck-client; do sign $name.crt $name.key etcd/ca; cp "$work/crt" $name.crt; done
for name in admin controller-manager scheduler; do
  file=/etc/kubernetes/$name.conf
  for kind in certificate key; do sed -n "s/^ *client-$kind-data: //p" $file | base64 -d > "$work/$kind"; done
  sign "$work/certificate" "$work/key" ca
  sed -i "s/^\\( *client-certificate-data: \\).*/\\1$(base64 -w0 "$work/crt")/" $file
done
file=/var/lib/kubelet/pki/kubelet-client-current.pem
openssl x509 -in $file -out "$work/certificate"
openssl pkey -in $file -out "$work/key"
sign "$work/certificate" "$work/key" ca
cat "$work/crt" "$work/key" > $file
rm -r "$work"
systemctl restart kubelet || true
for name in etcd kube-apiserver kube-controller kube-scheduler; do pkill -ox "$name"; done
`;
