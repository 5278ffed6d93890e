import { expect, it } from 'vitest';
import { findChart } from '../../src/bundle/chart-index.ts';

const sum = 'a'.repeat(64);
const index = `
apiVersion: v1
entries:
  cilium:
  - {version: 1.17.0, created: "2025-01-01T00:00:00Z", urls: [cilium-1.17.0.tgz], digest: ${sum}}
  - {version: 1.10, urls: ["https://elsewhere.test/a/cilium.tgz"], digest: "sha256:${sum}"}
  - {version: "1.9.0", urls: [/cilium-1.9.0.tgz]}
  - {version: "1.8.0", urls: ["oci://elsewhere.test/cilium"]}
  - {version: "1.7.0"}
  - {broken: true}
generated: "2025-01-01T00:00:00Z"
`;
const find = (version: string, text = index, name = 'cilium') =>
  findChart(text, { name, version, source: { kind: 'repository', url: 'x' } }, 'https://charts.test/stable');

it.each([
  ['1.17.0', 'https://charts.test/stable/cilium-1.17.0.tgz', sum],
  // YAML without quotes: a number for others.
  ['1.10', 'https://elsewhere.test/a/cilium.tgz', sum],
  ['1.9.0', 'https://charts.test/cilium-1.9.0.tgz', undefined],
])('%s is found by its own version', (version, url, sha256) => {
  expect(find(version)).toEqual({ url, sha256 });
});

it('a version that is not there is told with those that are, and where others are listed', () => {
  expect(() => find('1.16.0')).toThrow(
    expect.objectContaining({
      code: 'HL_BUNDLE',
      message: 'https://charts.test/stable has no chart cilium 1.16.0',
      hint: expect.stringContaining('homelab profiles'),
      context: { details: ['versions there: 1.17.0, 1.10, 1.9.0, 1.8.0, 1.7.0'] },
    }),
  );
  expect(() => find('1.17.0', index, 'other')).toThrow('has no chart other 1.17.0');
});

it.each(['1.8.0', '1.7.0'])('%s, which is nowhere that is spoken to, is said', version => {
  expect(() => find(version)).toThrow(`does not say where chart cilium ${version} is`);
});

it.each(['<html>\n<p>log in: here</p>', 'entries: [', 'entries: {cilium: x}', ''])('%j is no index', text => {
  expect(() => find('1.17.0', text)).toThrow('something that is no index of charts');
});
