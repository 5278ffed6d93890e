// What is done to a healthy cluster of three machines, what doctor must name first, and how it is put back. And what it must be silent about.
import { copyFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ensureBundle } from '../lab/bundle.ts';
import type { Lab } from '../lab/machines.ts';
import { pause, run } from '../lab/run.ts';
import { inside, kubectl } from '../lab/test-lab.ts';

export interface DoctorCase {
  readonly name: string;
  inject(lab: Lab): Promise<unknown>;
  /** Until this holds the fault has had no effect, and doctor cannot be blamed. */
  impact(lab: Lab): Promise<boolean>;
  /** 'fix': homelab doctor --fix does it. */
  readonly repair: 'fix' | ((lab: Lab) => Promise<unknown>);
  /** Ids of rules, any of which is right; the entity that it must be about. Undefined: nothing may be accused. */
  readonly expected?: { readonly rules: readonly string[]; readonly about: string };
  /** Where it belongs when it is true and breaks nothing. */
  readonly in?: 'broken' | 'worthDoing' | 'notes';
}

const cp = 'k8s-cp';
const worker = 'k8s-worker1';
const other = 'k8s-worker2';
const image = 'registry.k8s.io/pause:3.10';

const isReady = async (lab: Lab, node: string): Promise<boolean> =>
  (await kubectl(lab, `get node ${node} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'`)) === 'True';
const notReady = (node: string) => async (lab: Lab) => !(await isReady(lab, node));
const holds =
  (host: string, script: string) =>
  async (lab: Lab): Promise<boolean> =>
    (await lab.exec(host, ['sh', '-c', script])).code === 0;
const admin = 'kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=5s';
const apiIsDown = holds(cp, `! ${admin} get --raw /readyz`);
const said = (pattern: string, args: string) => holds(cp, `${admin} ${args} | grep -q ${pattern}`);
const apply = (lab: Lab, manifest: object) =>
  lab.exec(cp, ['sh', '-c', `${admin} apply -f -`], { stdin: JSON.stringify(manifest) });
const gone = (lab: Lab, what: string) => kubectl(lab, `delete ${what} --ignore-not-found --wait=true --grace-period=1`);

const pod = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { terminationGracePeriodSeconds: 1, ...spec },
});

/** The file that the kubelet hands out to pods. */
const resolvConf = `file=$(sed -n 's/^resolvConf: *//p' /var/lib/kubelet/config.yaml | tr -d '"'); file=\${file:-/etc/resolv.conf}`;

/** Doctor leaves alone what was made a moment ago. */
const grown =
  (impact: (lab: Lab) => Promise<boolean>) =>
  async (lab: Lab): Promise<boolean> => {
    if (!(await impact(lab))) return false;
    await pause(35_000);
    return true;
  };

/** A guest's own programs in a container of the pause image, which has none. */
const programs = {
  volumes: [
    { name: 'usr', hostPath: { path: '/usr' } },
    { name: 'lib', hostPath: { path: '/usr/lib' } },
    { name: 'lib64', hostPath: { path: '/usr/lib64' } },
  ],
  mounts: [
    { name: 'usr', mountPath: '/usr', readOnly: true },
    { name: 'lib', mountPath: '/lib', readOnly: true },
    { name: 'lib64', mountPath: '/lib64', readOnly: true },
  ],
};

export const faultCases: readonly DoctorCase[] = [
  {
    name: 'kubelet stopped',
    inject: lab => inside(lab, worker, 'systemctl stop kubelet'),
    impact: notReady(worker),
    repair: 'fix',
    expected: { rules: ['kubelet-stopped'], about: `machine:${worker}` },
  },
  {
    name: 'kubelet hangs',
    inject: lab => inside(lab, worker, 'kill -STOP "$(systemctl show -P MainPID kubelet)"'),
    impact: notReady(worker),
    repair: lab => inside(lab, worker, 'kill -CONT "$(systemctl show -P MainPID kubelet)"'),
    expected: { rules: ['kubelet-hangs'], about: `machine:${worker}` },
  },
  {
    name: 'containerd stopped',
    inject: lab => inside(lab, worker, 'systemctl stop containerd'),
    impact: notReady(worker),
    repair: 'fix',
    expected: { rules: ['containerd-stopped'], about: `machine:${worker}` },
  },
  {
    name: 'link cut',
    inject: lab => lab.cutLink(worker),
    impact: notReady(worker),
    repair: lab => lab.restoreLink(worker),
    expected: { rules: ['machine-silent'], about: `machine:${worker}` },
  },
  {
    name: 'machine frozen',
    inject: lab => lab.freeze(worker),
    impact: notReady(worker),
    repair: lab => lab.thaw(worker),
    expected: { rules: ['machine-hangs', 'machine-silent'], about: `machine:${worker}` },
  },
  {
    name: 'disk full',
    // A disk of its own for /var/log, as big as it is soon full.
    inject: async lab => {
      const image = path.join(lab.dir, 'full.img');
      const pid = await lab.init(worker);
      await run([
        'sh',
        '-c',
        `set -eu
truncate -s 64M ${image}
mkfs.ext4 -q ${image}
device=$(losetup --find --show ${image})
nsenter -t ${pid} -m -r sh -c "mknod /dev/homelab-full b 7 \${device#/dev/loop} && mount /dev/homelab-full /var/log && { dd if=/dev/zero of=/var/log/full bs=1M 2>/dev/null || true; }"`,
      ]);
    },
    impact: holds(worker, '[ "$(df --output=pcent /var/log | tail -1 | tr -dc 0-9)" -ge 99 ]'),
    repair: async lab => {
      await inside(lab, worker, 'umount -l /var/log; rm /dev/homelab-full');
      await run(['sh', '-c', `losetup -j ${path.join(lab.dir, 'full.img')} | cut -d: -f1 | xargs -r losetup -d`]);
    },
    expected: { rules: ['disk-full'], about: `machine:${worker}` },
  },
  {
    name: 'firewall drops 10250',
    inject: lab => inside(lab, worker, 'iptables --wait --insert INPUT -p tcp --dport 10250 -j DROP'),
    impact: holds(worker, 'iptables --wait --list INPUT --numeric | grep -q "DROP.*10250"'),
    repair: lab => inside(lab, worker, 'iptables --wait --delete INPUT -p tcp --dport 10250 -j DROP'),
    expected: { rules: ['kubelet-port-blocked'], about: `machine:${worker}` },
  },
  {
    name: 'wrong SystemdCgroup',
    inject: lab =>
      inside(
        lab,
        worker,
        'cp -p /etc/containerd/config.toml /root/config.toml; sed -i "s/SystemdCgroup = true/SystemdCgroup = false/" /etc/containerd/config.toml; systemctl restart containerd',
      ),
    impact: holds(worker, 'containerd config dump | grep -q "SystemdCgroup = false"'),
    repair: lab =>
      inside(
        lab,
        worker,
        'cp -p /root/config.toml /etc/containerd/config.toml; rm /root/config.toml; systemctl restart containerd',
      ),
    expected: { rules: ['cgroup-driver-mismatch'], about: `machine:${worker}` },
  },
  {
    name: 'CNI config gone',
    inject: lab => inside(lab, worker, 'mkdir /root/cni; mv /etc/cni/net.d/* /root/cni/'),
    impact: notReady(worker),
    repair: lab => inside(lab, worker, 'mv /root/cni/* /etc/cni/net.d/; rmdir /root/cni; systemctl restart containerd'),
    expected: { rules: ['cni-config-gone'], about: `machine:${worker}` },
  },
  {
    name: 'expired certificate',
    // The API server's own, ended a year ago, and loaded.
    inject: lab =>
      inside(
        lab,
        cp,
        `work=$(mktemp -d); pki=/etc/kubernetes/pki; cp -p $pki/apiserver.crt /root/apiserver.crt
printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=%s/index\\nserial=%s/serial\\nnew_certs_dir=%s\\ndefault_md=sha256\\npolicy=p\\ncopy_extensions=copyall\\nunique_subject=no\\n[p]\\ncommonName=optional\\norganizationName=optional\\n' "$work" "$work" "$work" >"$work/ca.cnf"
: >"$work/index"; echo 01 >"$work/serial"
openssl x509 -x509toreq -copy_extensions copyall -in $pki/apiserver.crt -signkey $pki/apiserver.key -out "$work/csr" 2>/dev/null
openssl ca -batch -notext -config "$work/ca.cnf" -cert $pki/ca.crt -keyfile $pki/ca.key -preserveDN -startdate 20240101000000Z -enddate 20250101000000Z -in "$work/csr" -out $pki/apiserver.crt 2>/dev/null
pkill -x kube-apiserver || true`,
      ),
    impact: apiIsDown,
    repair: lab =>
      inside(lab, cp, 'mv /root/apiserver.crt /etc/kubernetes/pki/apiserver.crt; pkill -x kube-apiserver || true'),
    expected: { rules: ['apiserver-certificate-ended'], about: '' },
  },
  {
    name: 'duplicate machine-id',
    inject: async lab => {
      const id = (await inside(lab, other, 'cat /etc/machine-id')).trim();
      await inside(
        lab,
        worker,
        `cp -p /etc/machine-id /root/machine-id; echo ${id} >/etc/machine-id; systemctl restart kubelet`,
      );
    },
    impact: holds(worker, '[ -e /root/machine-id ]'),
    repair: lab =>
      inside(lab, worker, 'cat /root/machine-id >/etc/machine-id; rm /root/machine-id; systemctl restart kubelet'),
    expected: { rules: ['machine-id-twice'], about: '' },
    in: 'worthDoing',
  },
  {
    name: 'DNS loop',
    inject: async lab => {
      for (const host of [cp, worker, other])
        await inside(
          lab,
          host,
          `printf 'nameserver 127.0.0.53\\n' >/root/resolv.conf; ${resolvConf}; mount --bind /root/resolv.conf "$file"`,
        );
      await kubectl(lab, 'delete pod -n kube-system -l k8s-app=kube-dns --wait=false --grace-period=1');
    },
    impact: said('CrashLoopBackOff', 'get pods -n kube-system -l k8s-app=kube-dns'),
    repair: async lab => {
      for (const host of [cp, worker, other])
        await inside(lab, host, `${resolvConf}; umount "$file"; rm /root/resolv.conf`);
      await kubectl(lab, 'delete pod -n kube-system -l k8s-app=kube-dns --wait=false --grace-period=1');
    },
    expected: { rules: ['coredns-loop'], about: '' },
  },
  {
    name: 'PVC without class',
    inject: async lab => {
      await apply(lab, {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'data', namespace: 'default' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      });
      await apply(
        lab,
        pod('wants-data', {
          containers: [{ name: 'a', image, volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
          volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
        }),
      );
    },
    impact: grown(said('unbound', 'get pod wants-data -o yaml')),
    repair: async lab => {
      await gone(lab, 'pod wants-data');
      await gone(lab, 'pvc data');
    },
    expected: { rules: ['claim-without-class'], about: 'claim:default/data' },
  },
  {
    name: 'image that cannot be pulled',
    inject: lab =>
      apply(lab, pod('no-image', { nodeName: worker, containers: [{ name: 'a', image: 'registry.invalid/none:1' }] })),
    impact: said('ErrImagePull\\\\\\|ImagePullBackOff', 'get pod no-image'),
    repair: lab => gone(lab, 'pod no-image'),
    expected: { rules: ['image-name-unresolved', 'resolver-silent'], about: '' },
  },
  {
    name: 'OOM kill',
    inject: lab =>
      apply(
        lab,
        pod('greedy', {
          nodeName: worker,
          containers: [
            {
              name: 'a',
              image,
              command: ['/usr/bin/tail', '/dev/zero'],
              resources: { limits: { memory: '32Mi' } },
              volumeMounts: programs.mounts,
            },
          ],
          volumes: programs.volumes,
        }),
      ),
    impact: grown(said('OOMKilled', 'get pod greedy -o yaml')),
    repair: lab => gone(lab, 'pod greedy'),
    expected: { rules: ['container-oom-killed'], about: 'pod:default/greedy' },
  },
  {
    name: 'cordoned nodes with a pod waiting',
    inject: async lab => {
      await kubectl(lab, `cordon ${worker} ${other}`);
      await apply(lab, pod('waits', { containers: [{ name: 'a', image }] }));
    },
    impact: grown(said('unschedulable', 'get pod waits -o yaml')),
    repair: async lab => {
      await kubectl(lab, `uncordon ${worker} ${other}`);
      await gone(lab, 'pod waits');
    },
    expected: { rules: ['node-cordoned'], about: '' },
  },
  {
    name: 'kubelet of another version',
    async inject(lab) {
      const { dir } = await ensureBundle({ log: line => console.error(line), kubernetes: 'v1.31.4' });
      const [deb = ''] = (await readdir(dir, { recursive: true })).filter(file =>
        /\/kubelet_1\.31\.4.*\.deb$/.test(file),
      );
      await copyFile(path.join(dir, deb), `/proc/${await lab.init(worker)}/root/root/kubelet.deb`);
      await inside(
        lab,
        worker,
        'cp -p /usr/bin/kubelet /root/kubelet; dpkg-deb -x /root/kubelet.deb /root/new; systemctl stop kubelet; cp /root/new/usr/bin/kubelet /usr/bin/kubelet; systemctl start kubelet',
      );
    },
    impact: said('v1.31.4', `get node ${worker} -o yaml`),
    repair: lab =>
      inside(
        lab,
        worker,
        'systemctl stop kubelet; mv /root/kubelet /usr/bin/kubelet; rm -r /root/new /root/kubelet.deb; systemctl start kubelet',
      ),
    expected: { rules: ['kubelet-upgraded', 'versions-mixed', 'version-skew'], about: '' },
    in: 'worthDoing',
  },
  {
    name: "API server's manifest broken",
    inject: lab =>
      inside(
        lab,
        cp,
        'cp -p /etc/kubernetes/manifests/kube-apiserver.yaml /root/; echo "  bad: [" >>/etc/kubernetes/manifests/kube-apiserver.yaml',
      ),
    impact: apiIsDown,
    repair: lab => inside(lab, cp, 'mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/'),
    expected: { rules: ['manifest-broken'], about: '' },
  },
  {
    name: 'etcd down',
    inject: lab => inside(lab, cp, 'mv /etc/kubernetes/manifests/etcd.yaml /root/'),
    impact: apiIsDown,
    repair: lab => inside(lab, cp, 'mv /root/etcd.yaml /etc/kubernetes/manifests/'),
    expected: { rules: ['manifest-broken', 'etcd-down'], about: '' },
  },
  {
    name: 'scheduler down',
    inject: lab => inside(lab, cp, 'mv /etc/kubernetes/manifests/kube-scheduler.yaml /root/'),
    impact: holds(cp, '! pgrep -x kube-scheduler'),
    repair: lab => inside(lab, cp, 'mv /root/kube-scheduler.yaml /etc/kubernetes/manifests/'),
    expected: { rules: ['manifest-broken', 'scheduler-down'], about: '' },
  },
  // The last one: a link that flapped is worth a word for a day, whatever else is asked about.
  {
    name: 'link flapping',
    async inject(lab) {
      for (let time = 0; time < 8; time += 1) {
        await lab.cutLink(worker);
        await pause(500);
        await lab.restoreLink(worker);
        await pause(1500);
      }
    },
    impact: async () => true,
    repair: async () => {},
    expected: { rules: ['nic-flapping'], about: `machine:${worker}` },
  },
];

const deployment = (images: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 4,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web', round: images } },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'a', image }] },
    },
  },
});

/** Nothing of this is broken. */
export const healthyCases: readonly DoctorCase[] = [
  { name: 'fresh', inject: async () => {}, impact: async () => true, repair: async () => {} },
  {
    name: 'during a rolling deploy',
    async inject(lab) {
      await apply(lab, deployment('one'));
      await kubectl(lab, 'rollout status deployment web --timeout=60s').catch(() => '');
      await apply(lab, deployment('two'));
    },
    impact: async () => true,
    repair: lab => gone(lab, 'deployment web'),
  },
  {
    name: 'drained by its owner',
    inject: lab => kubectl(lab, `drain ${worker} --ignore-daemonsets --delete-emptydir-data --timeout=60s`),
    impact: said('SchedulingDisabled', 'get nodes'),
    repair: lab => kubectl(lab, `uncordon ${worker}`),
  },
];
