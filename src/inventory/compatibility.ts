// Pairs of versions that are known not to go together, each with who says so. What no table has is nobody's word against it.
import semver from 'semver';
import type { LayerName } from '../model/layers.ts';
import { releases } from '../model/releases.ts';
import { minorOf } from '../model/versions.ts';

interface ChartPair {
  readonly chart: LayerName;
  /** Versions of the chart, as semver has ranges. */
  readonly versions: string;
  readonly kubernetes: string;
  readonly source: string;
}

/**
 * Cilium is not among them: its chart accepts every Kubernetes from 1.21 on, and of minors that its table does not list it says that they
 * are untested, not unsupported (Documentation/network/kubernetes/compatibility.rst).
 */
export const chartPairs: readonly ChartPair[] = [
  {
    chart: 'metrics-server',
    versions: '>=3.12.0 <3.13.0',
    kubernetes: '>=1.27.0',
    source: 'metrics-server README, Compatibility Matrix: 0.7, which chart 3.12 brings, is for 1.27 and later',
  },
  {
    chart: 'metrics-server',
    versions: '>=3.13.0 <3.14.0',
    kubernetes: '>=1.31.0',
    source: 'metrics-server README, Compatibility Matrix: 0.8, which chart 3.13 brings, is for 1.31 and later',
  },
  {
    chart: 'metrics-server',
    // The chart beside the sources of 0.9.0 was still 3.13.1: the next one is taken for its own.
    versions: '>=3.14.0',
    kubernetes: '>=1.34.0',
    source: 'metrics-server README, Compatibility Matrix: 0.9, which charts after 3.13 bring, is for 1.34 and later',
  },
  {
    chart: 'longhorn',
    versions: '>=1.11.4 <1.12.0 || >=1.13.0',
    kubernetes: '>=1.34.0',
    source: 'longhorn chart/Chart.yaml, kubeVersion: branch v1.11.x after 1.11.3 (commit c92a6479) and master',
  },
  {
    chart: 'longhorn',
    versions: '*',
    kubernetes: '>=1.25.0',
    source: 'longhorn chart/Chart.yaml, kubeVersion',
  },
];

export interface Clash {
  /** The Kubernetes that it would go with. */
  readonly wants: string;
  readonly source: string;
}

/** Undefined: nobody says that they do not go together. */
export function chartClash(chart: LayerName, version: string, kubernetes: string): Clash | undefined {
  if (![version, kubernetes].every(isRelease)) return undefined;
  const pair = chartPairs.find(
    each =>
      each.chart === chart &&
      semver.satisfies(version, each.versions) &&
      !semver.satisfies(kubernetes, each.kubernetes),
  );
  return pair && { wants: `Kubernetes ${pair.kubernetes.replace('>=', '')} or later`, source: pair.source };
}

/** Of a containerd minor that the table has for this Kubernetes, an older patch is known to lack something. */
export function containerdClash(version: string, kubernetes: string): Clash | undefined {
  if (![version, kubernetes].every(isRelease)) return undefined;
  const minor = minorOf(kubernetes);
  const least = releases[minor]?.containerd.find(each => minorOf(each) === minorOf(version));
  if (least === undefined || semver.gte(version, least)) return undefined;
  return {
    wants: `containerd ${least} or later with Kubernetes ${minor}`,
    source: 'containerd RELEASES.md, Kubernetes Support',
  };
}

// What is no release is refused by its own field's check.
function isRelease(version: string): boolean {
  return semver.valid(version) !== null && semver.prerelease(version) === null;
}
