// homelab profiles: the sets of versions that were tested together, and who ran each.
import { type Profile, profiles, usualProfile } from '../inventory/profiles.ts';
import { layerNames } from '../model/layers.ts';
import { formatTable } from '../render/progress.ts';
import type { Io } from './session.ts';

export async function runProfiles(
  { output }: { readonly output?: 'plain' | 'json' },
  { stdout }: Pick<Io, 'stdout'>,
): Promise<number> {
  const found = Object.entries(profiles);
  stdout.write(output === 'json' ? `${JSON.stringify(found.map(asJson))}\n` : asTable(found));
  return 0;
}

function asJson([name, profile]: readonly [string, Profile]) {
  return { name, isUsual: name === usualProfile, ...profile };
}

function asTable(found: readonly (readonly [string, Profile])[]): string {
  const row = (title: string, cell: (profile: Profile) => string) => [title, ...found.map(([, each]) => cell(each))];
  const columns = found.map(([name]) => (name === usualProfile ? `${name} *` : name));
  return `${formatTable(
    [
      ['PROFILE', ...columns],
      row('Kubernetes', ({ kubernetes }) => kubernetes),
      row('containerd', ({ containerd }) => containerd),
      ...layerNames.map(name => row(name, ({ layers }) => layers[name])),
    ].map(cells => [...cells, '']),
  )}
${found.map(([name, { source }]) => `${name.padEnd(9)} ran in: ${source}\n`).join('')}* what homelab init writes; each version can be overridden in the inventory, and pairs that are known not to go together are refused\n`;
}
