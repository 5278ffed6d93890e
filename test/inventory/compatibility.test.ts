// Sets that were tested together pass; pairs that are known not to go together are refused where somebody wrote them.
import { describe, expect, test } from 'vitest';
import { chartPairs } from '../../src/inventory/compatibility.ts';
import { profiles } from '../../src/inventory/profiles.ts';
import { layerNames } from '../../src/model/layers.ts';
import { clusterOf, issuesOf, minimal } from './helpers.ts';

const allLayers = `network: {provider: cilium}\nlayers: {${layerNames.map(name => `${name}: {}`).join(', ')}}\n`;
const said = (text: string) =>
  issuesOf(text).map(({ line, path, expectation }) => `${line} ${path}: ${expectation.split(';')[0]}`);
const with131 = (text: string) => `${minimal}${text}\n`;
const without = (text: string) => `${minimal.replace(/profile.*\n/, '')}${text}\n`;

describe('every profile', () => {
  test.each(Object.entries(profiles))('%s goes together with all layers, and says who ran it', (name, profile) => {
    const cluster = clusterOf(minimal.replace('"1.31"', `"${name}"`) + allLayers);
    expect(cluster.kubernetes.version).toBe(profile.kubernetes);
    expect(Object.fromEntries(layerNames.map(each => [each, cluster.layers[each]?.version]))).toEqual(profile.layers);
    expect(profile.source).not.toBe('');
  });
});

describe('what is known not to go together', () => {
  test('a metrics-server of 0.9 with Kubernetes before 1.34, beside a profile', () => {
    expect(said(with131('layers: {metrics-server: {version: "3.14.0"}}'))).toEqual([
      '8 layers.metrics-server.version: chart metrics-server 3.14.0 does not go with Kubernetes v1.31.13 of the profile: it wants Kubernetes 1.34.0 or later (metrics-server README, Compatibility Matrix: 0.9, which charts after 3.13 bring, is for 1.34 and later)',
    ]);
  });

  test('a Longhorn whose chart refuses the Kubernetes', () => {
    expect(said(with131('layers: {longhorn: {version: "1.11.4"}}'))).toEqual([
      expect.stringContaining('chart longhorn 1.11.4 does not go with Kubernetes v1.31.13 of the profile'),
    ]);
    expect(said(with131('layers: {longhorn: {version: "1.11.3"}}'))).toEqual([]);
  });

  test('containerd 2.0.0 with Kubernetes 1.33, with nothing of a profile', () => {
    expect(said(without('kubernetes: {version: "v1.33.1"}\ncontainerd: {version: "2.0.0"}'))).toEqual([
      '8 containerd.version: containerd 2.0.0 does not go with Kubernetes v1.33.1: it wants containerd 2.0.4 or later with Kubernetes 1.33 (containerd RELEASES.md, Kubernetes Support)',
    ]);
  });

  test('a newer Kubernetes over a profile whose versions are too old for it', () => {
    const text = minimal.replace('"1.31"', '"lab-1.31"');
    expect(said(`${text}kubernetes: {version: "v1.36.0"}\ncontainerd: {version: "2.1.5"}\n`)).toEqual([]);
    expect(said(with131('kubernetes: {version: "v1.30.2"}\nlayers: {metrics-server: {}}'))).toEqual([
      expect.stringContaining('8 kubernetes.version: chart metrics-server 3.13.1 of the profile does not go with'),
    ]);
  });
});

describe('what no table has', () => {
  test.each([
    [
      'a containerd minor that is newer than the table',
      'kubernetes: {version: "v1.31.1"}\ncontainerd: {version: "2.4.0"}',
    ],
    ['a Kubernetes that is newer than the table', 'kubernetes: {version: "v1.40.0"}\ncontainerd: {version: "2.1.0"}'],
    [
      'a Cilium that its own table does not have for this minor',
      'network: {provider: cilium}\nlayers: {cilium: {version: "1.16.1"}}',
    ],
    ['a layer that is switched off', 'layers: {metrics-server: {version: "3.14.0", enabled: false}}'],
    ['a layer that nobody wants', 'network: {provider: basic}'],
  ])('%s is taken', (_, text) => {
    expect(issuesOf(with131(text))).toEqual([]);
  });
});

test('every pair says who says so, and has a version of Kubernetes that it goes with', () => {
  for (const pair of chartPairs) {
    expect(pair.source).toMatch(/README|Chart\.yaml/);
    expect(pair.kubernetes).toMatch(/^>=1\.\d+\.0$/);
  }
});
