// Releases as Helm's records tell them, against what is wanted.
import { expect, it } from 'vitest';
import { release } from '../../src/resources/release.ts';
import { type Known, listedLayers, listScript } from '../../src/resources/release-list.ts';
import type { ReleaseOptions } from '../../src/resources/release-script.ts';
import { dash } from '../dash.ts';

const options: ReleaseOptions = {
  name: 'longhorn',
  namespace: 'longhorn-system',
  chart: { name: 'longhorn', version: '1.12.1', source: { kind: 'repository', url: 'https://charts.longhorn.io' } },
  values: {},
  kubernetes: '1.31',
  file: undefined,
  proxy: {},
  isFelt: true,
  minorsAtOnce: 1,
  remedies: [],
};
const desired = release(options).desired as Record<string, string>;
const known: readonly Known[] = [
  { name: 'longhorn', release: 'longhorn', namespace: 'longhorn-system', wanted: options },
  { name: 'local-path', release: 'local-path-provisioner', namespace: 'local-path-storage', wanted: undefined },
];
const line = (place: string, revision: number, status: string, marks: readonly string[]) =>
  `${place}   ${revision}   ${status}   ${marks.join('   ')}\n`;
const ours = [desired['chart'] ?? '', desired['values'] ?? '', '1.31'];
const theirs = ['<none>', '<none>', '<none>'];
const rows = (records: string, helm = '') =>
  listedLayers(known, `${records}[]\n${helm}`).map(
    ({ name, wanted, chart, status, revision, state }) => `${name}|${wanted}|${chart}|${status}|${revision}|${state}`,
  );

it('counts the newest revision, as numbers go', () => {
  const records =
    line('longhorn-system longhorn', 9, 'superseded', ours) + line('longhorn-system longhorn', 10, 'deployed', ours);
  expect(rows(records)[0]).toBe('longhorn|1.12.1|longhorn-1.12.1|deployed|10|as wanted');
});

it('says what is not as wanted, in the words of a plan', () => {
  const other = [...ours.slice(0, 1), 'other', '1.30'];
  expect(rows(line('longhorn-system longhorn', 1, 'failed', other))[0]).toBe(
    'longhorn|1.12.1|longhorn-1.12.1|failed|1|its values differ; it was rendered for Kubernetes 1.30; its last change ended as failed',
  );
});

it('says what is there and not wanted, and what is others’, with the chart that Helm tells', () => {
  const records =
    line('local-path-storage local-path-provisioner', 1, 'deployed', ['local-path-provisioner-0.0.37', 'x', '1.31']) +
    line('blog grafana', 4, 'deployed', theirs);
  const helm = JSON.stringify([{ namespace: 'blog', name: 'grafana', chart: 'grafana-12.11.1' }]);
  expect(rows(records, helm)).toEqual([
    'longhorn|1.12.1|||null|not installed',
    'local-path||local-path-provisioner-0.0.37|deployed|1|there, and not wanted',
    "grafana||grafana-12.11.1|deployed|4|not homelab's",
  ]);
});

it('a layer’s release that others made is theirs', () => {
  expect(rows(line('longhorn-system longhorn', 2, 'deployed', theirs))[0]).toContain("not homelab's");
});

it('a machine without a cluster says nothing', () => {
  expect(dash(`set -eu\n${listScript.replaceAll('/etc/kubernetes', '/nonexistent')}`)).toMatchObject({
    code: 0,
    stdout: '',
  });
  expect(rows('')).toEqual(['longhorn|1.12.1|||null|not installed', 'local-path||||null|not wanted']);
});
