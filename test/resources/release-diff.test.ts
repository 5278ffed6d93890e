// Manifests against each other: per object, and no Secret's content among them.
import { expect, it } from 'vitest';
import { diffScript, manifestsDiff } from '../../src/resources/release-diff.ts';
import type { ReleaseOptions } from '../../src/resources/release-script.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from './rig.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const said = (now: string, then: string) => `${base64(now)}\n${base64(JSON.stringify({ manifest: then }))}`;
const configMap = (color: string) =>
  `---\n# Source: x\nkind: ConfigMap\nmetadata: {name: settings, namespace: blog}\ndata: {color: ${color}, size: big}\n`;
const secret = (...pairs: readonly (readonly [string, string])[]) =>
  `---\nkind: Secret\nmetadata: {name: tls, namespace: blog}\ndata:\n${pairs.map(([key, value]) => `  ${key}: ${base64(value)}\n`).join('')}`;

it('the same objects, in whatever order their keys stand: nothing differs', () => {
  const turned = '---\nmetadata: {namespace: blog, name: settings}\nkind: ConfigMap\ndata: {size: big, color: red}\n';
  expect(manifestsDiff(said(configMap('red'), turned))).toBe('1 objects, nothing differs\n');
});

it('a changed field stands alone in a unified diff, under its object', () => {
  const text = manifestsDiff(said(configMap('red'), configMap('blue')));
  expect(text).toContain('~ ConfigMap blog/settings\n@@');
  expect(text).toMatch(/^- {2}color: red$/m);
  expect(text).toMatch(/^\+ {2}color: blue$/m);
  expect(text).not.toMatch(/^[-+].*size/m);
});

it('what is new and what would go is said', () => {
  expect(manifestsDiff(said('', configMap('red')))).toContain('+ ConfigMap blog/settings');
  expect(manifestsDiff(said(configMap('red'), ''))).toContain('- ConfigMap blog/settings');
});

it('of Secrets the lengths, and which changed', () => {
  const text = manifestsDiff(
    said(secret(['ca', 'common'], ['key', 'hunter2hunter2']), secret(['ca', 'common'], ['key', 'hunter2'])),
  );
  expect(text).toMatch(/^- {2}key: \(hidden, 14 bytes\)$/m);
  expect(text).toMatch(/^\+ {2}key: \(hidden, 7 bytes, changed\)$/m);
  expect(text).toMatch(/^ {3}ca: \(hidden, 6 bytes, same\)$/m);
  expect(text).not.toMatch(/hunter2|common|aHVudGVy|Y29tbW9u/);
});

it('a Secret that stays the same differs in nothing, one of the same length does', () => {
  expect(manifestsDiff(said(secret(['key', 'abc']), secret(['key', 'abc'])))).toContain('nothing differs');
  expect(manifestsDiff(said(secret(['key', 'abc']), secret(['key', 'abd'])))).toContain('(hidden, 3 bytes, changed)');
});

it('a Secret that is new shows no content either', () => {
  expect(manifestsDiff(said('', secret(['key', 'hunter2'])))).not.toMatch(/hunter2|aHVudGVy/);
});

const options: ReleaseOptions = {
  name: 'web',
  namespace: 'blog',
  chart: { name: 'web', version: '1.0.0', source: { kind: 'repository', url: 'https://charts.example' } },
  values: { color: 'blue' },
  kubernetes: '1.31',
  file: undefined,
  proxy: {},
  isFelt: false,
  minorsAtOnce: undefined,
  remedies: [],
};

it.each(['v3.18.4', 'v4.2.4'])('Helm %s is asked for a dry run, and changes nothing', version => {
  const folder = scratch();
  const bin = standIns(folder, {
    helm: `echo "$@" >>${folder}/asked
case $1 in
  version) echo ${version} ;;
  get) printf 'kind: ConfigMap\\nmetadata: {name: a}\\n' ;;
  upgrade) printf '{"manifest":"kind: ConfigMap\\\\nmetadata: {name: a}\\\\n"}' ;;
esac`,
  });
  const { code, stdout, stderr } = dash(`set -eu\n${diffScript(options, Buffer.from('chart'))}`, { bin });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(manifestsDiff(stdout)).toBe('1 objects, nothing differs\n');
  const asked = dash(`cat ${folder}/asked`)
    .stdout.split('\n')
    .filter(line => line.startsWith('upgrade'));
  expect(asked).toHaveLength(1);
  expect(asked[0]).toContain('--dry-run=server');
});
