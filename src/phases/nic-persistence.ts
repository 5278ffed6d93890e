// What keeps adapters awake after a boot: a .link drop-in, a rule of udev, and a unit for what neither can set.
import type { NicPower } from '../model/nic.ts';
import type { Resource } from '../model/plan.ts';
import type { Facts } from '../model/world.ts';
import { file } from '../resources/file.ts';
import { isLeftUp } from '../resources/nic.ts';
import type { Knob } from '../resources/nic-knobs.ts';
import { type Adapter, isWanted, knobsOf, tuneScript } from '../resources/nic-script.ts';
import { renderTemplate } from '../resources/template.ts';
import { unit } from '../resources/unit.ts';

const script = '/usr/local/sbin/homelab-nic-tune';
const template = 'homelab-nic@.service';
const unitPath = `/etc/systemd/system/${template}`;
const mark = '# Written by homelab: homelab plan --only nic-power says why.\n';

/** Of the adapters that have a row at this level; none where there is none. */
export function persistence(
  facts: Facts,
  adapters: readonly Adapter[],
  power: NicPower,
  isAdopted: boolean,
): readonly Resource[] {
  const wantedOf = (of: Adapter | 'machine'): readonly Knob[] =>
    knobsOf(of, power).filter(knob => isWanted(knob, power) && !isLeftUp(knob, isAdopted));
  const kept = adapters.filter(adapter => wantedOf(adapter).length > 0);
  if (kept.length === 0) return [];
  const rules = [...new Set(kept.flatMap(wantedOf).flatMap(({ udev }) => udev ?? []))];
  return [
    ...linkFiles(facts, kept, knob => kept.some(adapter => wantedOf(adapter).includes(knob))),
    ...(rules.length > 0
      ? [
          file({
            path: '/etc/udev/rules.d/81-homelab-nic.rules',
            name: 'udev-rules',
            content: `${mark}${rules.join('\n')}\n`,
          }),
        ]
      : []),
    file({
      path: script,
      name: 'boot-script',
      mode: '755',
      content: tuneScript(kept, power, knob => isLeftUp(knob, isAdopted)),
    }),
    file({ path: unitPath, name: 'boot-unit', content: renderTemplate(template, { script }) }),
    ...kept.map(({ name }) =>
      unit({
        unit: `homelab-nic@${escaped(name)}.service`,
        name: `boot-${name}`,
        title: `Set ${name} again at every boot`,
        reads: [unitPath, script],
        inputs: [`file:${unitPath}`, `file:${script}`],
      }),
    ),
  ];
}

// Only one .link file counts for an adapter, so the one that does is extended.
function linkFiles(
  { nics, power: { systemd } }: Facts,
  adapters: readonly Adapter[],
  has: (knob: Knob) => boolean,
): readonly Resource[] {
  const mine = adapters.filter(adapter => ['wired', 'usb'].includes(adapter.class));
  const active = nics.filter(({ name, linkFile }) => linkFile !== '' && mine.some(each => each.name === name));
  const rows = mine.flatMap(adapter => knobsOf(adapter, { level: 1, remedies: [] })).filter(has);
  const sections = [
    ...(rows.some(({ id }) => id === 'wake-on-lan') ? ['[Link]\nWakeOnLan=magic\n'] : []),
    // Earlier ones do not know the section.
    ...(systemd >= 258 && rows.some(({ id }) => id === 'eee') ? ['[EnergyEfficientEthernet]\nEnable=no\n'] : []),
  ];
  if (sections.length === 0) return [];
  const names = [...new Set(active.map(({ linkFile }) => linkFile.slice(linkFile.lastIndexOf('/') + 1)))].toSorted();
  return names.map(name =>
    file({
      path: `/etc/systemd/network/${name}.d/50-homelab.conf`,
      name: `link-${name.replace(/\.link$/, '')}`,
      content: `${mark}${sections.join('\n')}`,
    }),
  );
}

// systemd-escape(1): a dash in a name would be a slash.
function escaped(name: string): string {
  return name.replace(/[^A-Za-z0-9:_.]/g, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
