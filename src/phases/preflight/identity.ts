// Clones: what must tell machines apart, and is the same after a disk or a virtual machine was copied.
import type { Probe } from '../../model/plan.ts';
import { seen } from '../../model/probes.ts';
import { type Facts, factsOf, reachedHosts } from '../../model/world.ts';
import type { Checks } from './check.ts';

export const identity: Checks = (world, host) => {
  const facts = factsOf(world, host);
  const hosts = reachedHosts(world);
  const index = hosts.indexOf(host);
  // Of two newcomers the later one is told: one of them may stay as it is.
  const others = hosts
    .filter((each, at) => at < index || factsOf(world, each).membership.state !== 'absent')
    .filter(each => each !== host)
    .map(each => factsOf(world, each));
  const unique = (
    id: string,
    what: string,
    of: (facts: Facts) => string,
    reproduce: string,
    hint: string,
    isCurable = true,
  ): Probe => {
    const own = of(facts);
    const same = others.filter(each => of(each) === own).map(each => each.host);
    const twins = same.length === 0 || own === 'unknown' ? '' : `, the same as ${same.join(' and ')}`;
    return seen({
      id,
      host: host.name,
      title: `has a ${what} of its own`,
      expected: `no other machine's`,
      observed:
        own === '' ? 'none' : twins !== '' && !isCurable ? `${own}${twins}: its board's maker set none` : own + twins,
      ok: own !== '' && (twins === '' || !isCurable),
      reproduce,
      hint,
    });
  };
  return [
    unique(
      'hostname',
      'hostname',
      each => each.hostname,
      'hostname',
      `sudo hostnamectl set-hostname ${host.name}, on ${host.name}`,
    ),
    unique(
      'machine-id',
      'machine-id',
      each => each.machineId,
      'cat /etc/machine-id',
      `sudo rm -f /etc/machine-id /var/lib/dbus/machine-id; sudo systemd-machine-id-setup; sudo reboot, on ${host.name}`,
    ),
    ...(facts.container
      ? []
      : [
          unique(
            'product-uuid',
            'product UUID',
            each => each.productUuid,
            'sudo cat /sys/class/dmi/id/product_uuid',
            'give the virtual machine a new UUID in its hypervisor (VMware: uuid.action = "create" and start it; Proxmox: qm set ID --smbios1 uuid=$(uuidgen))',
            // Cheap boards share one and nobody can change it; a copied virtual machine shares more than that.
            facts.virtualization !== 'none',
          ),
        ]),
    unique(
      'mac',
      'MAC address',
      ({ nics }) =>
        nics.find(nic => nic.addresses.some(each => each.split('/')[0] === host.address))?.mac ??
        nics.find(nic => nic.addresses.length > 0)?.mac ??
        'unknown',
      'ip link',
      'give the virtual network card a new MAC address in its hypervisor, then sudo reboot',
    ),
  ];
};
