// Feature gates and flags that somebody set and that a version on the way does not know any more.
import semver from 'semver';
import { flagsGone, gatesGone, gatesLocked, kubeadmGatesGone } from './gone.ts';

export type Gates = Readonly<Record<string, boolean>>;

export interface Obsolete {
  /** The gate's name, or the flag with its dashes. */
  readonly setting: string;
  /** The first minor that does not take it: '1.33'. */
  readonly minor: string;
  /** 'locked': only the other value is accepted from there on. */
  readonly how: 'gone' | 'locked';
}

/** Gates of the processes that no longer start with them at version `to`. */
export function obsoleteGates(gates: Gates, to: string): readonly Obsolete[] {
  const gone = firstMinors(gatesGone);
  const locked = firstMinors(gatesLocked);
  return Object.entries(gates).flatMap(([setting, value]): readonly Obsolete[] => {
    const minor = gone.get(setting);
    if (minor !== undefined && reaches(to, minor)) return [{ setting, minor, how: 'gone' }];
    const other = locked.get(value ? `-${setting}` : setting);
    return other !== undefined && reaches(to, other) ? [{ setting, minor: other, how: 'locked' }] : [];
  });
}

/** The same for kubeadm's own gates: it refuses its ClusterConfiguration. */
export function obsoleteKubeadmGates(gates: Gates, to: string): readonly Obsolete[] {
  return obsolete(Object.keys(gates), kubeadmGatesGone, to);
}

/** Flags, named without dashes, that the process no longer knows. */
export function obsoleteFlags(process: string, flags: readonly string[], to: string): readonly Obsolete[] {
  return obsolete(flags, flagsGone[process] ?? {}, to).map(each => ({ ...each, setting: `--${each.setting}` }));
}

/** 'A=true,B=false', the form of --feature-gates. */
export function parseGates(text: string): Gates {
  return Object.fromEntries(
    text.split(',').flatMap(each => {
      const [name = '', value = ''] = each.trim().replace(/^"|"$/g, '').split('=');
      return name === '' ? [] : [[name, value.trim().toLowerCase() === 'true']];
    }),
  );
}

function obsolete(names: readonly string[], table: Readonly<Record<string, string>>, to: string): readonly Obsolete[] {
  const gone = firstMinors(table);
  return names.flatMap((setting): readonly Obsolete[] => {
    const minor = gone.get(setting);
    return minor !== undefined && reaches(to, minor) ? [{ setting, minor, how: 'gone' }] : [];
  });
}

function firstMinors(table: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(table).flatMap(([minor, names]) => names.split(' ').map(name => [name, minor] as const)),
  );
}

/** Is the version of this minor or a later one? */
export function reaches(version: string, minor: string): boolean {
  return semver.gte(version, `${minor}.0`);
}
