// Runtime, cgroups, kernel and system against the version that is to run on them; and what the version brings.

import { releases } from '../../model/releases.ts';
import { cgroupFit, containerdFit, kernelFit, minorText, systemFit, type Verdict } from '../../upgrade/compat.ts';
import { runningVersions } from '../../upgrade/running.ts';
import type { Finding, Findings } from './finding.ts';

export const fit: Findings = ({ world, host, facts, read, hops, to }) => {
  const { containerd, cgroup, kernel, os } = facts;
  const judged = (id: string, title: string, observed: string, reproduce: string, verdict: Verdict): Finding => ({
    id,
    title: `has ${title} that Kubernetes ${minorText(to)} runs on`,
    expected: verdict.kind === 'fits' ? observed : 'what is tested with it',
    observed,
    reproduce,
    ...(verdict.kind === 'untested' ? { notes: [`${verdict.text} (${verdict.hint})`] } : {}),
    ...(verdict.kind === 'breaks' ? { refuse: { reason: verdict.text, hint: verdict.hint } } : {}),
  });
  const etcd = read.controlPlane?.manifests['etcd']?.image;
  const { apiServers, kubelets } = runningVersions(world);
  const runs = [
    ...(apiServers[host.name] === undefined ? [] : [`API server v${apiServers[host.name]}`]),
    `kubelet v${kubelets[host.name] ?? facts.kubelet}`,
  ].join(', ');
  return [
    {
      id: 'way',
      title: 'the way of its versions',
      expected: `${to} at the end`,
      observed: [runs, ...hops].join(' → '),
      reproduce: 'kubectl get nodes',
    },
    judged('containerd', 'a containerd', containerd, 'containerd --version', containerdFit(containerd, to)),
    judged('cgroup', 'cgroups', `v${cgroup}`, 'stat -fc %T /sys/fs/cgroup (cgroup2fs is v2)', cgroupFit(cgroup, to)),
    judged('kernel', 'a kernel', kernel, 'uname -r', kernelFit(kernel, to)),
    judged('os', 'a system', os.pretty, 'cat /etc/os-release', systemFit(os)),
    ...(etcd === undefined
      ? []
      : [
          {
            id: 'brings',
            title: 'what comes with it',
            expected: 'etcd and CoreDNS of each version',
            observed: `etcd ${tagOf(etcd)} now; ${hops.map(brings).join('; ')}`,
            reproduce: `kubeadm config images list --kubernetes-version ${hops.at(-1) ?? host.name}`,
          },
        ]),
  ];
};

function brings(hop: string): string {
  const known = releases[minorText(hop)];
  return known ? `${hop}: etcd ${known.etcd}, CoreDNS ${known.coreDns} or later` : `${hop}: not in homelab's tables`;
}

function tagOf(image: string): string {
  return image.slice(image.lastIndexOf(':') + 1);
}
