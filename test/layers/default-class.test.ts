import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { read, withLayers } from './rig.ts';

const version = { version: '1.0.0', values: {} };
const classOf = (name: string, annotations?: Readonly<Record<string, string>>) => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name, ...(annotations ? { annotations } : {}) },
  provisioner: 'rancher.io/local-path',
});
const byDefault = { 'storageclass.kubernetes.io/is-default-class': 'true' };
const notByDefault = { 'storageclass.kubernetes.io/is-default-class': 'false' };
const judge = (...items: readonly object[]) =>
  read(layers['local-path'].probes(withLayers({ 'local-path': version })), 'default-class').judge({
    code: 0,
    stdout: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    stderr: '',
  });

describe('the default storage class', () => {
  it('is one', () => {
    const judged = judge(classOf('local-path', byDefault), classOf('slow', notByDefault), classOf('plain'));
    expect(judged).toMatchObject({ ok: true, observed: 'one: local-path' });
  });

  it("may be the user's own", () => {
    expect(judge(classOf('nfs', byDefault))).toMatchObject({ ok: true, observed: 'one: nfs' });
  });

  it('is not two: both are named, and what to type', () => {
    expect(judge(classOf('nfs', byDefault), classOf('local-path', byDefault))).toEqual({
      ok: false,
      observed: 'local-path, nfs',
      hint: 'kubectl annotate --overwrite storageclass nfs storageclass.kubernetes.io/is-default-class=false',
    });
  });

  it('is not none', () => {
    expect(judge(classOf('local-path', notByDefault))).toEqual({
      ok: false,
      observed: 'none',
      hint: 'kubectl annotate --overwrite storageclass local-path storageclass.kubernetes.io/is-default-class=true',
    });
  });

  it('is not known where the API server does not answer', () => {
    const probe = read(layers['local-path'].probes(withLayers({ 'local-path': version })), 'default-class');
    expect(probe.judge({ code: 1, stdout: '', stderr: 'connection refused' })).toEqual({
      ok: false,
      observed: 'connection refused',
    });
  });

  it('is asked of the layer whose class it is to be', () => {
    const both = withLayers({ 'local-path': version, longhorn: version });
    expect(layers['local-path'].probes(both).map(({ id }) => id)).not.toContain('default-class');
    expect(read(layers.longhorn.probes(both), 'default-class').expected).toBe('one: longhorn');
  });
});
