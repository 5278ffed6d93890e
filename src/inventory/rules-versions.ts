// Versions that are known not to go together, wherever each of them comes from.
import { layerNames } from '../model/layers.ts';
import { type Clash, chartClash, containerdClash } from './compatibility.ts';
import type { Finding, Path } from './issue.ts';
import { profileOf } from './profiles.ts';
import { at, textAt } from './raw.ts';
import type { Rule } from './rule.ts';

export const versionsTogether: Rule = raw => {
  const profile = profileOf(at(raw, ['profile']));
  const chosen = (path: Path, fromProfile: string | undefined): Chosen | undefined => {
    const written = at(raw, path);
    const version = written === undefined ? fromProfile : textAt(raw, path);
    return version === undefined ? undefined : { version, path: written === undefined ? ['profile'] : path };
  };
  const kubernetes = chosen(['kubernetes', 'version'], profile?.kubernetes);
  const containerd = chosen(['containerd', 'version'], profile?.containerd);
  if (!kubernetes) return [];
  const clashes = layerNames.filter(isWanted(raw)).map((name): Finding | undefined => {
    const chart = chosen(['layers', name, 'version'], profile?.layers[name]);
    return chart && finding(`chart ${name}`, chart, kubernetes, chartClash(name, chart.version, kubernetes.version));
  });
  if (containerd) {
    const clash = containerdClash(containerd.version, kubernetes.version);
    clashes.push(finding('containerd', containerd, kubernetes, clash));
  }
  return clashes.filter(each => each !== undefined);
};

/** `path`: where it stands. */
interface Chosen {
  readonly version: string;
  readonly path: Path;
}

function isWanted(raw: unknown): (name: (typeof layerNames)[number]) => boolean {
  return name =>
    at(raw, ['layers', name, 'enabled']) !== false &&
    (at(raw, ['layers', name]) !== undefined || (name === 'cilium' && at(raw, ['network', 'provider']) === 'cilium'));
}

function finding(what: string, one: Chosen, kubernetes: Chosen, clash: Clash | undefined): Finding | undefined {
  if (!clash) return undefined;
  return {
    // What somebody wrote against a profile is what they can take back.
    path: one.path.length > 1 ? one.path : kubernetes.path,
    expectation: `${what} ${one.version}${of(one)} does not go with Kubernetes ${kubernetes.version}${of(kubernetes)}: it wants ${clash.wants} (${clash.source}); homelab profiles lists sets that go together`,
  };
}

function of({ path }: Chosen): string {
  return path.length > 1 ? '' : ' of the profile';
}
