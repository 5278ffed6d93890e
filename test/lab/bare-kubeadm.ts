// A cluster as somebody makes it by hand with kubeadm, and with what years leave behind: nothing of homelab is in it.
import { sh } from '../../src/model/shell.ts';
import type { Lab } from './machines.ts';
import { inside, onAll } from './test-lab.ts';

export const handMade = {
  version: 'v1.31.1',
  podSubnet: '10.32.0.0/16',
  serviceSubnet: '10.200.0.0/16',
  /** What the second worker joined as, whatever its host name is. */
  oddName: 'old-nas',
  cni: '99-hand.conflist',
} as const;

const containerdConfig = `version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = 'registry.k8s.io/pause:3.10'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/opt/cni/bin']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = true
`;

const software = `apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends containerd kubeadm kubelet kubectl iptables conntrack >/dev/null 2>&1
mkdir -p /etc/containerd /etc/docker /var/lib/dockershim
printf %s ${sh(containerdConfig)} >/etc/containerd/config.toml
printf '{"exec-opts": ["native.cgroupdriver=systemd"]}\\n' >/etc/docker/daemon.json
printf 'KUBELET_EXTRA_ARGS=--v=1\\n' >/etc/default/kubelet
sysctl -q -w net.ipv4.ip_forward=1
systemctl restart containerd
for image in pause kube-proxy coredns; do ctr -n k8s.io images import "/srv/homelab-lab/images/$image.tar.gz" >/dev/null; done
`;

const initConfig = (address: string, endpoint: string): string => `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: ${address}}
nodeRegistration: {name: k8s-cp}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: ${handMade.version}
controlPlaneEndpoint: ${endpoint}:6443
networking: {podSubnet: ${handMade.podSubnet}, serviceSubnet: ${handMade.serviceSubnet}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
maxPods: 42
evictionHard: {nodefs.available: 1Gi, imagefs.available: 1Gi, memory.available: 100Mi}
imageGCHighThresholdPercent: 100
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`;

/**
 * k8s-cp and two workers, the second under another name than its host's; its own CNI configuration and routes. An endpoint that is a name
 * stands in everybody's /etc/hosts.
 */
export async function makeByHand(lab: Lab, endpoint?: string): Promise<void> {
  const address = lab.hosts[0]?.address ?? '';
  await onAll(lab, software);
  if (endpoint !== undefined) await onAll(lab, `echo ${sh(`${address} ${endpoint}`)} >>/etc/hosts`);
  await inside(
    lab,
    'k8s-cp',
    `for image in kube-apiserver kube-controller-manager kube-scheduler etcd; do ctr -n k8s.io images import "/srv/homelab-lab/images/$image.tar.gz" >/dev/null; done
printf %s ${sh(initConfig(address, endpoint ?? address))} >/root/kubeadm.yaml
kubeadm init --config /root/kubeadm.yaml >/root/init.log 2>&1 || { tail -n 20 /root/init.log; exit 1; }
sed -i 's/^    - kube-scheduler$/&\\n    - --profiling=false/' /etc/kubernetes/manifests/kube-scheduler.yaml`,
  );
  const join = (await inside(lab, 'k8s-cp', 'kubeadm token create --print-join-command 2>/dev/null')).trim();
  await Promise.all([
    inside(lab, 'k8s-worker1', `${join} >/root/join.log 2>&1 || { tail -n 20 /root/join.log; exit 1; }`),
    inside(
      lab,
      'k8s-worker2',
      `${join} --node-name ${handMade.oddName} >/root/join.log 2>&1 || { tail -n 20 /root/join.log; exit 1; }`,
    ),
  ]);
  await connectPods(lab);
}

/** The pod network of every machine of `lab`: its owner's, whoever made it a node. */
export async function connectPods(lab: Lab): Promise<void> {
  const kubectl = 'kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s';
  const subnets = await inside(
    lab,
    'k8s-cp',
    `left=60
until [ "$(${kubectl} get nodes -o jsonpath='{.items[*].spec.podCIDR}' | wc -w)" = ${lab.hosts.length} ]; do left=$((left - 1)); [ "$left" -gt 0 ]; sleep 1; done
${kubectl} label node ${handMade.oddName} disk=ssd topology.kubernetes.io/zone=attic >/dev/null
${kubectl} taint --overwrite node ${handMade.oddName} dedicated=backup:PreferNoSchedule >/dev/null
${kubectl} get nodes -o jsonpath='{range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address} {.spec.podCIDR}{"\\n"}{end}'`,
  );
  const routes = subnets
    .trim()
    .split('\n')
    .map(line => line.split(' '));
  await Promise.all(
    lab.hosts.map(({ name, address }) => {
      const own = routes.find(([each]) => each === address)?.[1] ?? '';
      const conflist = {
        cniVersion: '1.0.0',
        name: 'hand',
        plugins: [
          {
            type: 'bridge',
            bridge: 'hand0',
            isGateway: true,
            ipMasq: true,
            ipam: { type: 'host-local', ranges: [[{ subnet: own }]], routes: [{ dst: '0.0.0.0/0' }] },
          },
        ],
      };
      const others = routes.filter(([each]) => each !== address);
      return inside(
        lab,
        name,
        `mkdir -p /etc/cni/net.d
printf %s ${sh(JSON.stringify(conflist))} >/etc/cni/net.d/${handMade.cni}
${others.map(([via = '', subnet = '']) => `ip route replace ${sh(subnet)} via ${sh(via)}\n`).join('')}`,
      );
    }),
  );
}
