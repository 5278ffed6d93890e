// The first control plane: images, init, and the proof that what runs is what was asked for.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { httpGet, look, seen } from '../model/probes.ts';
import { controlPlaneOf, controlPlanesOf, endpointOf, isAdopted, type World } from '../model/world.ts';
import { auditLogPath, auditPolicyPath, encryptionPath, madeWith } from '../transitions/choices.ts';
import { init } from '../transitions/init.ts';
import { deleteJoinToken } from '../transitions/join-token.ts';
import { restore } from '../transitions/restore.ts';
import { certificateEnds, readCertificates } from './certificates.ts';
import { choices } from './choices.ts';
import { controlPlaneFiles } from './control-plane-files.ts';
import { encryptionProbe } from './encryption-probe.ts';
import { phaseNames } from './names.ts';
import { images, kubeadmFiles, kubelet } from './node-software.ts';

export const controlPlane: Phase = {
  ...phaseNames.controlPlane,
  wants(world, host): readonly Want[] {
    if (host.name !== controlPlaneOf(world).name) return [];
    const transition = world.restore ? restore(world, host, world.restore) : init(world, host);
    return [
      ...images(world, host),
      ...controlPlaneFiles(world, host),
      transition,
      ...(transition.now === 'absent' ? [deleteJoinToken()] : []),
      kubeadmFiles(host),
      kubelet(),
      ...drift(world),
      ...choices(world),
    ];
  },
  probes: world => controlPlaneProbes(world, controlPlaneOf(world)),
};

/** What every control plane proves of itself. */
export function controlPlaneProbes(world: World, of: Host): readonly Probe[] {
  const { name: host, address } = of;
  const kubectl = adminKubectl(10);
  const readyz = {
    id: 'readyz',
    host,
    title: 'the API server says it is ready',
    expected: 'ok',
    reproduce: `sudo ${kubectl} get --raw /readyz?verbose`,
  };
  const probes: readonly Probe[] = [
    // Nodes are read from an API server that has just said ok to this question; of several it may have been another one.
    world.nodes !== 'unknown' && controlPlanesOf(world).length === 1
      ? seen({ ...readyz, observed: 'ok' })
      : look({
          ...readyz,
          // A control plane that has just started takes a moment.
          script: `left=60; until ${kubectl} --server=https://${address}:6443 get --raw /readyz 2>/dev/null || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 1; done`,
          timeoutMs: 90_000,
        }),
    look({
      id: 'etcd',
      host,
      title: 'etcd itself says it is healthy',
      expected: 'health true',
      // An etcd outside the cluster has no manifest here, and is its owner's.
      script: `[ -e /etc/kubernetes/manifests/etcd.yaml ] || { echo external; exit 0; }\n${httpGet(2381, '/health')}`,
      reproduce: 'curl -s http://127.0.0.1:2381/health',
      accept: output => output === 'external' || /"health":\s*"true"/.test(output),
    }),
    look({
      id: 'certificates',
      host,
      title: 'certificates are valid for more than 30 days',
      expected: 'none ends within 30 days',
      script: readCertificates,
      reproduce: 'sudo kubeadm certs check-expiration',
      accept: output => apiServerEnd(output) !== undefined && endingSoon(output).length === 0,
      show: output =>
        endingSoon(output)
          .map(({ path, end }) => `${path}: ${end}`)
          .join(', ') || `API server: ${apiServerEnd(output) ?? 'no certificate'}`,
    }),
    // Whoever set the machine up may have chosen the other driver.
    ...(isAdopted(world, of)
      ? []
      : [
          look({
            id: 'cgroup',
            host,
            title: "a pod's cgroup was made by systemd",
            expected: 'kubepods….slice',
            script: `pid=$(pgrep -ox etcd); sed -n 's/^[0-9]*:\\(name=systemd\\|\\):.*\\/\\(kubepods[^/]*[.]slice\\)\\/.*/\\2/p' "/proc/$pid/cgroup" | sort -u`,
            reproduce: 'cat /proc/$(pgrep -ox etcd)/cgroup',
            accept: output => /^kubepods\S*\.slice$/.test(output),
          }),
        ]),
  ];
  // Before init nothing runs yet; in a rehearsal nothing ever does.
  const isAudited = madeWith(world, 'audit-policy-file', auditPolicyPath);
  const isEncrypted = madeWith(world, 'encryption-provider-config', encryptionPath);
  return [...probes, ...(isAudited ? [auditLog(host)] : []), ...(isEncrypted ? [encryptionProbe(host, address)] : [])];
}

function auditLog(host: string): Probe {
  return look({
    id: 'audit-log',
    host,
    title: 'the API server writes its audit log',
    expected: 'written within 5 minutes',
    script: `echo "$(($(date +%s) - $(stat -c %Y ${auditLogPath}))) s ago"`,
    accept: output => Number.parseInt(output, 10) <= 300,
  });
}

const monthMs = 30 * 24 * 3600 * 1000;

function endingSoon(output: string) {
  // Not a number is not more than a month either.
  return certificateEnds(output).filter(({ leftMs }) => !(leftMs > monthMs));
}

function apiServerEnd(output: string): string | undefined {
  return certificateEnds(output).find(({ path }) => path === '/etc/kubernetes/pki/apiserver.crt')?.end;
}

// What kubeadm init decided for good: said, not acted on.
function drift(world: World): readonly Want[] {
  const { live } = world;
  if (live === 'unknown') return [];
  const { version, podSubnet, serviceSubnet } = world.cluster.kubernetes;
  const endpoint = nameOf(endpointOf(world));
  const decided: readonly (readonly [string, string, string])[] = [
    ['podSubnet', podSubnet, ipv4Of(live.podSubnet) || (isExternal(world) ? podSubnet : '')],
    ['serviceSubnet', serviceSubnet, ipv4Of(live.serviceSubnet)],
    // Told none, kubeadm takes the address of the machine that it runs on.
    ['endpoint', endpoint, nameOf(live.endpoint) || controlPlaneOf(world).address],
    ['version', version, live.version],
  ];
  return decided
    .filter(([, wanted, found]) => wanted !== found)
    .map(([id, wanted, found]) => ({
      kind: 'refusal' as const,
      id,
      reason: `the running cluster's ${id} is ${found || '(none)'}, the inventory says ${wanted}; it was decided at init`,
      hint: `write kubernetes.${id}: "${found}" into the inventory`,
    }));
}

// Without the port.
function nameOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, '');
}

// 'IPv4,IPv6' where a cluster has both.
function ipv4Of(subnets: string): string {
  return subnets.split(',').find(each => !each.includes(':')) ?? '';
}

// Told no pod subnet, kubeadm leaves it to the network.
function isExternal({ cluster }: World): boolean {
  return cluster.network.provider === 'external';
}
