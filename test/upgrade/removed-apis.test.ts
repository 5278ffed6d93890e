import { describe, expect, it } from 'vitest';
import { endingApis, removedApis, type Uses } from '../../src/upgrade/removed-apis.ts';

const flowschemas = 'flowschemas';
const api = 'flowcontrol.apiserver.k8s.io/v1beta3';
const requested = (version: string, removedRelease: string) => ({
  group: 'flowcontrol.apiserver.k8s.io',
  version,
  resource: flowschemas,
  removedRelease,
});
const wrote = (version: string, manager: string) => ({
  object: `${flowschemas} mine`,
  api: `flowcontrol.apiserver.k8s.io/${version}`,
  manager,
});
const ending = (uses: Partial<Uses>, from: string, to: string) =>
  endingApis({ requested: [], asked: [], written: [], ...uses }, from, to);

describe('APIs that end on the way', () => {
  it('are those that the API server says it was asked for, and their follower is named', () => {
    expect(ending({ requested: [requested('v1beta3', '1.32')] }, '1.31.1', '1.32.0')).toEqual([
      {
        api,
        resource: flowschemas,
        minor: '1.32',
        instead: 'flowcontrol.apiserver.k8s.io/v1',
        requested: true,
        askers: [],
        writers: [],
      },
    ]);
  });

  it('are none that are not on the way, gone already, or without a date', () => {
    const uses = { requested: [requested('v1beta3', '1.32')], written: [wrote('v1beta3', 'helm')] };
    expect(ending(uses, '1.31.1', '1.31.4')).toEqual([]);
    expect(ending(uses, '1.32.0', '1.33.0')).toEqual([]);
    expect(ending({ requested: [requested('v1beta9', '')] }, '1.31.1', '1.36.0')).toEqual([]);
  });

  it('count an API that homelab does not know, when the API server does', () => {
    const unknown = { group: '', version: 'v0', resource: 'things', removedRelease: '1.32' };
    expect(ending({ requested: [unknown] }, '1.31.1', '1.32.0')).toMatchObject([{ api: 'v0', instead: undefined }]);
  });

  it('are those that objects were written by, each writer once', () => {
    const written = [
      wrote('v1beta3', 'helm'),
      wrote('v1beta3', 'helm'),
      wrote('v1beta3', 'kubectl'),
      wrote('v1', 'me'),
    ];
    expect(ending({ written }, '1.31.1', '1.33.0')).toMatchObject([
      { requested: false, writers: ['helm (flowschemas mine)', 'kubectl (flowschemas mine)'] },
    ]);
  });

  it('are told once, with who asked for this very one and who wrote by it', () => {
    const asked = [
      { api, resource: flowschemas, who: 'ci, helm/v3' },
      { api, resource: flowschemas, who: 'ci, helm/v3' },
      { api, resource: 'others', who: 'somebody' },
    ];
    const uses = { requested: [requested('v1beta3', '1.32')], asked, written: [wrote('v1beta3', 'helm')] };
    expect(ending(uses, '1.31.1', '1.32.0')).toMatchObject([
      { requested: true, askers: ['ci, helm/v3'], writers: ['helm (flowschemas mine)'] },
    ]);
  });

  it('keep two resources of one API apart', () => {
    const of = (object: string) => ({ written: [{ object, api: 'storage.k8s.io/v1beta1', manager: 'csi' }] });
    expect(ending(of('csistoragecapacities kube-system/a'), '1.26.0', '1.27.0')).toHaveLength(1);
    expect(ending(of('volumeattributesclasses a'), '1.26.0', '1.36.0')).toEqual([]);
  });

  it('stand in the table once', () => {
    const keys = removedApis.flatMap(each => each.resources.map(resource => `${each.api} ${resource}`));
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });
});
