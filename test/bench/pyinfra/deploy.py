"""The end state of `homelab bootstrap` as a pyinfra deploy; the data come from the inventory, as for Ansible."""

from io import StringIO

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.files import Directory, File
from pyinfra.facts.server import Command, Sysctl
from pyinfra.operations import apt, files, server, systemd

data = host.data
is_control_plane = "control_plane" in host.groups
kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf"


def put(wanted):
    return [
        files.put(
            name=f"Write {one['path']}",
            src=StringIO(one["content"]),
            dest=one["path"],
            user="root",
            group="root",
            mode=one["mode"],
        )
        for one in wanted
    ]


def require(what, answer):
    if not answer:
        raise SystemExit(f"{host.name}: {what}")


# Prepare the machines
put(data.base_files)
apt.packages(name="Prerequisites", packages=data.prerequisites, no_recommends=True)
sysctl = host.get_fact(Sysctl, keys=[one["key"] for one in data.sysctls])
for one in data.sysctls:
    if str(sysctl.get(one["key"])) != one["value"]:
        server.sysctl(name=f"Set {one['key']}", key=one["key"], value=one["value"])
files.block(
    name="The endpoint's name",
    path="/etc/hosts",
    content=data.hosts_block,
    marker="# homelab: {mark}",
    begin="begin",
    end="end",
)

# Install containerd, kubeadm, kubelet, kubectl
changed = put(data.containerd_files)
installed = host.get_fact(DebPackages)
held = host.get_fact(Command, "apt-mark showhold").split()
wanted = {data.containerd_package: data.containerd_version} | {
    name: data.kubernetes_version for name in ("kubeadm", "kubelet", "kubectl")
}
for name, version in wanted.items():
    found = [one.split(":")[-1] for one in installed.get(name, [])]
    if name not in held or not any(one.startswith(version) for one in found):
        server.shell(
            name=f"Install {name} {version} and hold it",
            commands=[
                "apt-get -qq update",
                f"apt-get -qq install --yes --no-install-recommends --allow-change-held-packages {name}='*{version}-*'",
                f"apt-mark hold {name}",
            ],
        )
systemd.service(name="containerd runs", service="containerd.service", running=True, enabled=True)
answer = host.get_fact(Command, "ctr version; containerd config dump | grep -o 'SystemdCgroup = [a-z]*' | sort -u") or ""
require("containerd is not the wanted one", data.containerd_version in answer and "SystemdCgroup = true" in answer)
answer = host.get_fact(Command, "kubeadm version -o short; kubelet --version")
require("kubeadm or kubelet is not the wanted one", answer.count(f"v{data.kubernetes_version}") == 2)
missing = host.get_fact(
    Command,
    f"kubeadm config images list --kubernetes-version v{data.kubernetes_version} 2>/dev/null | grep -E '{data.images_of_role}' |"
    " while read -r image; do ctr -n k8s.io images list -q | grep -qxF \"$image\" || echo \"$image\"; done",
)
for image in (missing or "").split():
    server.shell(name=f"Pull {image}", commands=[f"ctr -n k8s.io images pull {image}"])

# Membership
if is_control_plane:
    if host.get_fact(File, "/etc/kubernetes/admin.conf") is None:
        files.put(name="kubeadm's documents", src=StringIO(data.kubeadm_config), dest="/root/kubeadm.yaml", mode="600")
        server.shell(name="kubeadm init", commands=["kubeadm init --config /root/kubeadm.yaml --skip-token-print"])
    else:
        decided = host.get_fact(
            Command, f"{kubectl} -n kube-system get configmap kubeadm-config -o jsonpath='{{.data.ClusterConfiguration}}'"
        )
        require("init decided other subnets", data.pod_subnet in decided and data.service_subnet in decided)
        answer = host.get_fact(
            Command,
            f"{kubectl} get --raw /readyz && "
            "timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2381 && printf \"GET /health HTTP/1.0\\r\\n\\r\\n\" >&3 && cat <&3' && "
            "for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; do "
            "openssl x509 -noout -checkend 2592000 -in $file || exit 1; done",
        )
        require("the control plane is not healthy", '"health":"true"' in answer.replace(" ", ""))
elif host.get_fact(File, "/etc/kubernetes/kubelet.conf") is None:
    raise SystemExit(f"{host.name} has not joined: kubeadm token create --print-join-command on the control plane")

# Connect the pods
systemd.service(name="The kubelet runs", service="kubelet.service", running=True, enabled=True)
put(data.network_files)
systemd.service(name="The routes' unit", service="homelab-network.service", running=True, enabled=True)
require("/etc/cni/net.d is missing", host.get_fact(Directory, "/etc/cni/net.d"))
answer = host.get_fact(Command, "ip -4 route show")
require("a route is missing", all(one in answer for one in data.pod_routes))

# Prove it
if is_control_plane:
    nodes = " ".join(f"node/{name}" for name in data.all_nodes)
    answer = host.get_fact(
        Command,
        f"{kubectl} wait --for=condition=Ready --timeout=120s {nodes} && "
        f"{kubectl} wait -n kube-system --for=condition=Available --timeout=120s deployment/coredns",
    )
    require("not every node is Ready", answer.count("condition met") == len(data.all_nodes) + 1)
