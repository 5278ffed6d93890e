// `homelab certs renew`: one control plane after the other, each proven before the next.
import type { Host } from '../model/cluster.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look } from '../model/probes.ts';
import { sh } from '../model/shell.ts';
import { controlPlanesOf, factsOf, type World } from '../model/world.ts';
import { notRenewed, renewed, renewedKey } from '../resources/certificates.ts';
import { components, freshProcess } from '../resources/control-plane-process.ts';
import { kubeletLogin } from '../resources/kubelet-client.ts';
import { quorumLost } from '../transitions/etcd-member.ts';
import { controlPlaneProbes } from './control-plane.ts';

/** In order. Where the cluster is down already, no single machine can come back alone: all at once. */
export function renewalPhases(world: World, withinDays: number | undefined): readonly Phase[] {
  const hosts = controlPlanesOf(world).filter(
    host => world.facts.has(host.name) && factsOf(world, host).membership.state === 'joined',
  );
  const members = world.etcd === 'unknown' ? [] : world.etcd;
  const isDown = ({ address }: Host) => members.some(each => each.address === address && !each.healthy);
  const isUp = world.nodes !== 'unknown' || (members.length > 0 && quorumLost(members) === undefined);
  const batches = isUp
    ? // A member that is down is worth more than one that can be spared.
      [...hosts.filter(isDown), ...hosts.filter(host => !isDown(host))].map(host => [host])
    : [hosts];
  return batches.filter(batch => batch.length > 0).map(batch => renewal(batch, withinDays));
}

function renewal(batch: readonly Host[], withinDays: number | undefined): Phase {
  const names = batch.map(({ name }) => name);
  return {
    id: `certificates-${names.join('+')}`,
    title: `Renew the certificates of ${names.join(', ')}`,
    summary: 'renewed by kubeadm, etcd and control plane restarted, served',
    asked: true,
    wants: (_, host): readonly Want[] =>
      names.includes(host.name)
        ? [
            notRenewed(),
            kubeletLogin(),
            renewed(withinDays),
            ...components.map(component => freshProcess(component, host.address, renewedKey)),
          ]
        : [],
    probes: world => batch.flatMap(host => renewalProbes(world, host)),
  };
}

function renewalProbes(world: World, host: Host): readonly Probe[] {
  const served = components.flatMap(({ name, port, serves }) =>
    serves === undefined
      ? []
      : [
          look({
            id: `served-${name}`,
            host: host.name,
            title: `${name} serves what lies in ${serves}`,
            expected: 'the same certificate',
            script: `[ -e ${sh(`/etc/kubernetes/manifests/${name}.yaml`)} ] || { echo 'the same, external'; exit 0; }
served=$(timeout 10 openssl s_client -connect ${sh(`127.0.0.1:${port}`)} </dev/null 2>/dev/null | openssl x509 -noout -enddate -fingerprint)
[ "$served" = "$(openssl x509 -noout -enddate -fingerprint -in ${sh(serves)})" ] && printf 'the same, until ' || printf 'another, until '
printf '%s\\n' "$served" | sed -n 's/^notAfter=//p'
`,
            reproduce: `openssl s_client -connect 127.0.0.1:${port} </dev/null 2>/dev/null | openssl x509 -noout -enddate`,
            accept: output => output.startsWith('the same, '),
          }),
        ],
  );
  const well = controlPlaneProbes(world, host).filter(({ id }) => id === 'readyz' || id === 'etcd');
  return [...served, ...well];
}
