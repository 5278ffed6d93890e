// Network adapters that sleep lose their machine: what each one does to save power, switched off and kept off.
import type { Host } from '../model/cluster.ts';
import { hypervisorCureOf } from '../model/hypervisors.ts';
import type { Phase, Probe, Want } from '../model/plan.ts';
import { look, seen } from '../model/probes.ts';
import { sh } from '../model/shell.ts';
import { type Facts, factsOf, isAdopted, type Nic, reachedHosts, type World } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { isAwake, nicPower as knobs, shownValues } from '../resources/nic.ts';
import { type Adapter, knobsOf, readScript } from '../resources/nic-script.ts';
import { notAtBoot, tunedProfile } from '../resources/power-daemons.ts';
import { phaseNames } from './names.ts';
import { persistence } from './nic-persistence.ts';

export const nicPower: Phase = {
  ...phaseNames.nicPower,
  // A link that comes back late costs one member, not all.
  width: world => ([...world.facts.values()].some(({ membership }) => membership.state === 'joined') ? 1 : undefined),
  wants(world, host): readonly Want[] {
    const facts = factsOf(world, host);
    const isNamed = world.named?.includes(phaseNames.nicPower.id) ?? false;
    if (facts.container)
      return isNamed
        ? [{ kind: 'note', text: `n/a: it is a container (${facts.virtualization}), its links are virtual` }]
        : [];
    const { level } = host.nicPower;
    if (level === 0 && !isNamed) return [];
    const adopted = isAdopted(world, host);
    const adapters = physical(facts);
    const live = (of: Adapter | 'machine') =>
      knobs({
        of,
        power: host.nicPower,
        node: facts.membership.state === 'joined' ? host.name : undefined,
        isAdopted: adopted,
        isNamed,
        toolsFrom: isNamed && !world.named?.includes(phaseNames.hostBase.id) ? phaseNames.hostBase.id : undefined,
      });
    return [
      ...(level === 0 ? [] : daemons(facts, level)),
      live('machine'),
      ...adapters.filter(adapter => hasKnobs(adapter, host)).map(live),
      ...(level === 0 ? [] : persistence(facts, adapters, host.nicPower, adopted)),
      ...(isNamed ? withoutKnobs(facts, host) : []),
      ...(isNamed || facts.membership.state === 'absent' ? guestNote(facts) : []),
    ];
  },
  probes: world => reachedHosts(world).flatMap(host => evidence(world, host)),
};

// By name: the kernel lists them in another order after each boot, and files are made from the list.
function physical({ nics }: Facts): readonly Nic[] {
  return nics
    .filter(nic => nic.class !== 'virtual')
    .toSorted((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
}

function hasKnobs(adapter: Adapter, { nicPower }: Host): boolean {
  return knobsOf(adapter, nicPower).length > 0;
}

// Installed is enough: what does not run today may be started tomorrow.
function daemons({ nics, power }: Facts, level: 1 | 2): readonly Want[] {
  const has = (name: Facts['power']['daemons'][number]) => power.daemons.includes(name);
  const tlp = ['RUNTIME_PM_ON_AC=on', 'WIFI_PWR_ON_AC=off', 'WOL_DISABLE=N', 'USB_AUTOSUSPEND=0'];
  return [
    ...(has('tlp')
      ? [
          file({
            path: '/etc/tlp.d/90-homelab.conf',
            name: 'tlp',
            title: 'Keep TLP from putting adapters to sleep',
            content: [...tlp, ...(level === 2 ? ['PCIE_ASPM_ON_AC=performance'] : [])]
              .map(line => `${line}\n`)
              .join(''),
          }),
        ]
      : []),
    ...(has('powertop') ? [notAtBoot('powertop.service')] : []),
    ...(has('tuned') ? [tunedProfile()] : []),
    ...(has('NetworkManager') && nics.some(nic => nic.class === 'wifi')
      ? [
          file({
            path: '/etc/NetworkManager/conf.d/99-homelab.conf',
            name: 'network-manager',
            title: 'Keep NetworkManager from switching Wi-Fi power save on',
            // 2 is off, 3 is on.
            content: '[connection]\nwifi.powersave = 2\n',
          }),
        ]
      : []),
  ];
}

function withoutKnobs(facts: Facts, host: Host): readonly Want[] {
  const mine = physical(facts).filter(adapter => !hasKnobs(adapter, host));
  if (physical(facts).length === 0) return [{ kind: 'note', text: 'n/a: virtual, it has no adapter of its own' }];
  return mine.map(nic => ({ kind: 'note', text: withoutPower(nic) }));
}

function withoutPower({ name, driver }: Nic): string {
  return `${name} (paravirtual, ${driver}): n/a, its power is the hypervisor's`;
}

function guestNote({ power, virtualization }: Facts): readonly Want[] {
  const cure = hypervisorCureOf(power, virtualization);
  return cure === undefined ? [] : [{ kind: 'note', text: `what sleeps below a guest is set on its host. ${cure}` }];
}

function evidence(world: World, host: Host): readonly Probe[] {
  const facts = factsOf(world, host);
  const adapters = facts.container ? [] : physical(facts);
  const reproduce = `homelab plan --only nic-power/${host.name}`;
  if (adapters.length === 0) {
    const expected = 'n/a: virtual';
    return [
      seen({
        id: 'adapters',
        host: host.name,
        title: 'adapters do not sleep',
        expected,
        observed: expected,
        reproduce,
      }),
    ];
  }
  const { nicPower: power } = host;
  const adopted = isAdopted(world, host);
  const awake = (of: Adapter | 'machine'): Probe => {
    const name = of === 'machine' ? of : of.name;
    const options = { of, power, isAdopted: adopted };
    return look({
      id: name,
      host: host.name,
      title: of === 'machine' ? 'the machine does not sleep' : `${name} (${of.driver}) does not sleep`,
      expected: power.level === 0 ? 'looked at' : 'every knob as it should be, or n/a',
      script: `${header(of)}${readScript(of, knobsOf(of, power))}`,
      timeoutMs: 60_000,
      reproduce,
      hint: `homelab bootstrap --only nic-power/${host.name} sets it again; what is not known is said by: ${reproduce}`,
      accept: output => isAwake(options, valuesIn(output)),
      show: output => `${shownValues(valuesIn(output))}; ${output.split('\n')[0]}`,
    });
  };
  return [
    awake('machine'),
    ...adapters.map(nic =>
      hasKnobs(nic, host)
        ? awake(nic)
        : seen({
            id: nic.name,
            host: host.name,
            title: `${nic.name} (${nic.driver}) does not sleep`,
            expected: 'n/a: paravirtual',
            observed: 'n/a: paravirtual',
            reproduce,
          }),
    ),
    ...(facts.virtualization === 'none' ? [] : [guest(host, adapters)]),
  ];
}

// The first line of a piece of evidence: which boot it is of.
function header(of: Adapter | 'machine'): string {
  const changes = of === 'machine' ? '' : ` carrier changes $(cat ${sh(`/sys/class/net/${of.name}/carrier_changes`)})`;
  return `echo "boot $(cut -c 1-8 /proc/sys/kernel/random/boot_id)${changes}"\n`;
}

function valuesIn(output: string): string {
  return output.slice(output.indexOf('\n') + 1);
}

// A guest cannot see its host sleep, only what that leaves: links that went, leases that were not renewed, a clock that was set.
function guest(host: Host, adapters: readonly Nic[]): Probe {
  return look({
    id: 'guest',
    host: host.name,
    title: 'what its hypervisor let it feel since boot',
    expected: 'told',
    script: `${adapters.map(({ name }) => `printf '%s: %s carrier changes; ' ${sh(name)} "$(cat ${sh(`/sys/class/net/${name}/carrier_changes`)})"\n`).join('')}lease=$(stat -c %Y /run/systemd/netif/leases/* /var/lib/dhcp/*.leases /run/NetworkManager/devices/* 2>/dev/null | sort -n | tail -n 1 || true)
if [ -n "$lease" ]; then printf 'DHCP lease of %s s ago; ' "$(($(date +%s) - lease))"; fi
# systemd notes each jump of the clock under this id
printf 'clock set %s times\\n' "$(timeout 20 journalctl -b -q -o cat MESSAGE_ID=c7a787079b354eaaa9e77b371893cd27 2>/dev/null | wc -l)"`,
    accept: () => true,
    reproduce: 'journalctl -b -k -g "[Ll]ink (is )?[Dd]own"; journalctl -b MESSAGE_ID=c7a787079b354eaaa9e77b371893cd27',
  });
}
