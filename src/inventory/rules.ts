// What no single field can tell: uniqueness, control planes, addresses that would collide. Tolerant of errors elsewhere.
import { layerNames } from '../model/layers.ts';
import type { Finding, Path } from './issue.ts';
import { usualProfile } from './profiles.ts';
import { at, listAt } from './raw.ts';
import { proxyGiven } from './registries.ts';
import { checkSuite } from './repositories.ts';
import type { Rule } from './rule.ts';
import { endpointIsNoWorker, subnetsApart } from './rules-addresses.ts';
import { controlPlanes, uniqueHosts, uniqueTaints } from './rules-hosts.ts';
import { versionsTogether } from './rules-versions.ts';

/** `lineOf`: where the other half of a collision stands. */
export function crossFindings(raw: unknown, lineOf: (path: Path) => number): Finding[] {
  // Of a list or a word at the top, one line is enough.
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  return rules.flatMap(rule => rule(raw, lineOf));
}

const versionsGiven: Rule = raw => {
  if (at(raw, ['profile']) !== undefined) return [];
  const example = `profile: "${usualProfile}"`;
  return ['kubernetes', 'containerd']
    .filter(section => at(raw, [section, 'version']) === undefined)
    .map(section => ({
      path: [section, 'version'],
      of: 'absence',
      expectation: `is required unless a profile gives it, for example ${example}`,
    }));
};

const basicNeedsKubeProxy: Rule = raw =>
  at(raw, ['kubernetes', 'kubeProxy']) === false && (at(raw, ['network', 'provider']) ?? 'basic') === 'basic'
    ? [
        {
          path: ['kubernetes', 'kubeProxy'],
          expectation: 'expected true: with network provider basic nothing else serves services',
        },
      ]
    : [];

const layerVersions: Rule = raw => {
  if (at(raw, ['profile']) !== undefined) return [];
  const isCilium = at(raw, ['network', 'provider']) === 'cilium';
  return layerNames
    .filter(name => (name === 'cilium' ? isCilium : at(raw, ['layers', name]) !== undefined))
    .filter(
      name => at(raw, ['layers', name, 'enabled']) !== false && at(raw, ['layers', name, 'version']) === undefined,
    )
    .map(name => ({
      path: ['layers', name, 'version'],
      of: 'absence',
      expectation: `is required unless a profile gives it, for example profile: "${usualProfile}"`,
    }));
};

const ciliumIsTheNetwork: Rule = raw =>
  at(raw, ['layers', 'cilium']) !== undefined && at(raw, ['network', 'provider']) !== 'cilium'
    ? [
        {
          path: ['layers', 'cilium'],
          expectation: 'expected network: {provider: cilium} too: what Cilium is to be is decided there',
        },
      ]
    : [];

const repositorySuites: Rule = raw =>
  ['kubernetes', 'containerd'].flatMap((section): Finding[] => {
    const path = [section, 'repository'];
    if (typeof at(raw, path) !== 'object' || at(raw, path) === null) return [];
    const suite = at(raw, [...path, 'suite']) ?? '/';
    const components = listAt(raw, [...path, 'components']);
    if (typeof suite !== 'string' || checkSuite(suite)) return [];
    // apt refuses both (sources.list(5)), but only on the machine, and for every repository at once.
    if (suite.endsWith('/') && components.length > 0) {
      return [{ path: [...path, 'components'], expectation: 'a suite that ends in / takes no components' }];
    }
    if (!suite.endsWith('/') && components.length === 0) {
      return [{ path: [...path, 'components'], expectation: `suite ${suite} needs components, for example [main]` }];
    }
    return [];
  });

const rules: readonly Rule[] = [
  uniqueHosts,
  controlPlanes,
  versionsGiven,
  subnetsApart,
  endpointIsNoWorker,
  basicNeedsKubeProxy,
  layerVersions,
  versionsTogether,
  ciliumIsTheNetwork,
  repositorySuites,
  proxyGiven,
  uniqueTaints,
];
