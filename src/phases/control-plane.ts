// The first control plane: images, init, and the proof that what runs is what was asked for.
import type { Host } from '../model/cluster.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { controlPlaneOf, endpointOf, type World } from '../model/world.ts';
import { auditLogPath, auditPolicyPath, encryptionPath, madeWith } from '../transitions/choices.ts';
import { init } from '../transitions/init.ts';
import { deleteJoinToken } from '../transitions/join-token.ts';
import { certificateEnds, readCertificates } from './certificates.ts';
import { choices } from './choices.ts';
import { controlPlaneFiles } from './control-plane-files.ts';
import { encryptionProbe } from './encryption-probe.ts';
import { phaseNames } from './names.ts';
import { images, kubeadmFiles, kubelet } from './node-software.ts';
import { httpGet, look, seen } from './probes.ts';

export const controlPlane: Phase = {
  ...phaseNames.controlPlane,
  wants(world, host): readonly Want[] {
    if (host.name !== controlPlaneOf(world).name) return [];
    const transition = init(world, host);
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
export function controlPlaneProbes(world: World, { name: host, address }: Host): readonly Probe[] {
  const kubectl = adminKubectl(10);
  const readyz = {
    id: 'readyz',
    host,
    title: 'the API server says it is ready',
    expected: 'ok',
    reproduce: `sudo ${kubectl} get --raw /readyz?verbose`,
  };
  const probes: readonly Probe[] = [
    // Nodes are read from an API server that has just said ok to this question.
    world.nodes !== 'unknown' && host === controlPlaneOf(world).name
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
      script: httpGet(2381, '/health'),
      reproduce: 'curl -s http://127.0.0.1:2381/health',
      accept: output => /"health":\s*"true"/.test(output),
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
    look({
      id: 'cgroup',
      host,
      title: "a pod's cgroup was made by systemd",
      expected: 'kubepods….slice',
      script: `pid=$(pgrep -ox etcd); sed -n 's/^[0-9]*:\\(name=systemd\\|\\):.*\\/\\(kubepods[^/]*[.]slice\\)\\/.*/\\2/p' "/proc/$pid/cgroup" | sort -u`,
      reproduce: 'cat /proc/$(pgrep -ox etcd)/cgroup',
      accept: output => /^kubepods\S*\.slice$/.test(output),
    }),
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
  if (world.live === 'unknown') return [];
  const { kubernetes } = world.cluster;
  const decided: readonly (readonly [string, string, string, string])[] = [
    ['podSubnet', 'kubernetes.podSubnet', kubernetes.podSubnet, world.live.podSubnet],
    ['serviceSubnet', 'kubernetes.serviceSubnet', kubernetes.serviceSubnet, world.live.serviceSubnet],
    ['endpoint', 'kubernetes.endpoint', endpointOf(world), world.live.endpoint],
    ['version', 'kubernetes.version', kubernetes.version, world.live.version],
  ];
  return decided
    .filter(([, , wanted, live]) => wanted !== live)
    .map(([id, path, wanted, live]) => ({
      kind: 'refusal' as const,
      id,
      reason: `the running cluster's ${id} is ${live || '(none)'}, the inventory says ${wanted}; it was decided at init`,
      hint: `write ${path}: "${live}" into the inventory`,
    }));
}
