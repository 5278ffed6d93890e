// Versions of what is installed: exact ones, because a range would mean another cluster tomorrow.
import semver from 'semver';
import { type Problem, shown } from './issue.ts';
import { profiles } from './profiles.ts';

export const oldestKubernetes = 'v1.26.0';
export const oldestContainerd = '2.0.0';

export function checkKubernetesVersion(value: string): Problem | undefined {
  const example = 'expected an exact Kubernetes version such as "v1.31.13"';
  if (/^v?[0-9]+\.[0-9]+$/.test(value)) return { expectation: `${example}: the patch number is missing` };
  if (/^[0-9]+\.[0-9]+\.[0-9]+$/.test(value)) return { expectation: `${example}, with its v`, suggestion: `v${value}` };
  if (/^v?[0-9]+\.[0-9]+\.[0-9]+[-+]/.test(value)) return { expectation: `${example}: pre-releases are refused` };
  if (!/^v1\.[0-9]+\.[0-9]+$/.test(value) || semver.valid(value) === null) {
    return { expectation: `${example}, not ${shown(value)}` };
  }
  if (!semver.gte(value, oldestKubernetes))
    return { expectation: `expected ${oldestKubernetes} or newer, not ${value}` };
  return undefined;
}

export function checkContainerdVersion(value: string): Problem | undefined {
  const example = 'expected an exact containerd version such as "2.1.5"';
  if (/^v[0-9]/.test(value)) return { expectation: `${example}, without the v`, suggestion: value.slice(1) };
  if (!/^[0-9]+\.[0-9]+\.[0-9]+$/.test(value) || semver.valid(value) === null) {
    return { expectation: `${example}, not ${shown(value)}` };
  }
  if (!semver.gte(value, oldestContainerd))
    return { expectation: `expected ${oldestContainerd} or newer, not ${value}` };
  return undefined;
}

export function checkChartVersion(value: string): Problem | undefined {
  const example = 'expected an exact version of the chart such as "1.18.12"';
  if (/^v[0-9]/.test(value)) return { expectation: `${example}, without the v`, suggestion: value.slice(1) };
  if (!/^[0-9]+\.[0-9]+\.[0-9]+$/.test(value)) return { expectation: `${example}, not ${shown(value)}` };
  return undefined;
}

export function checkProfile(value: string): Problem | undefined {
  if (Object.hasOwn(profiles, value)) return undefined;
  const known = Object.keys(profiles).map(name => `"${name}"`);
  return { expectation: `expected a tested set of versions: ${known.join(', ')}; not ${shown(value)}` };
}
