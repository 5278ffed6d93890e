import { describe, expect, it } from 'vitest';
import { endingApis, removedApis } from '../../src/upgrade/removed-apis.ts';

const flowschemas = 'flowschemas';
const asked = (version: string, removedRelease: string) => ({
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

describe('APIs that end on the way', () => {
  it('are those that the API server says it was asked for, and their follower is named', () => {
    expect(endingApis([asked('v1beta3', '1.32')], [], '1.31.1', '1.32.0')).toEqual([
      {
        api: 'flowcontrol.apiserver.k8s.io/v1beta3',
        resource: flowschemas,
        minor: '1.32',
        instead: 'flowcontrol.apiserver.k8s.io/v1',
        requested: true,
        writers: [],
      },
    ]);
  });

  it.each([
    ['not on the way yet', '1.31.1', '1.31.4', '1.32'],
    ['gone already', '1.32.0', '1.33.0', '1.32'],
    ['without a date', '1.31.1', '1.36.0', ''],
  ])('are none when it is %s', (_, from, to, removedRelease) => {
    expect(endingApis([asked('v1beta3', removedRelease)], [wrote('v1beta3', 'helm')], from, to)).toHaveLength(
      removedRelease === '' ? 1 : 0,
    );
  });

  it('count an API that homelab does not know, when the API server does', () => {
    const unknown = { group: '', version: 'v0', resource: 'things', removedRelease: '1.32' };
    expect(endingApis([unknown], [], '1.31.1', '1.32.0')).toMatchObject([{ api: 'v0', instead: undefined }]);
  });

  it('are those that objects were written by, each writer once', () => {
    const written = [
      wrote('v1beta3', 'helm'),
      wrote('v1beta3', 'helm'),
      wrote('v1beta3', 'kubectl'),
      wrote('v1', 'me'),
    ];
    expect(endingApis([], written, '1.31.1', '1.33.0')).toMatchObject([
      { requested: false, writers: ['helm (flowschemas mine)', 'kubectl (flowschemas mine)'] },
    ]);
  });

  it('are told once for both', () => {
    expect(endingApis([asked('v1beta3', '1.32')], [wrote('v1beta3', 'helm')], '1.31.1', '1.32.0')).toMatchObject([
      { requested: true, writers: ['helm (flowschemas mine)'] },
    ]);
  });

  it('keep two resources of one API apart', () => {
    const api = 'storage.k8s.io/v1beta1';
    const written = [{ object: 'csistoragecapacities kube-system/a', api, manager: 'csi' }];
    expect(endingApis([], written, '1.26.0', '1.27.0')).toHaveLength(1);
    expect(endingApis([], [{ object: 'volumeattributesclasses a', api, manager: 'csi' }], '1.26.0', '1.36.0')).toEqual(
      [],
    );
  });

  it('stand in the table once', () => {
    const keys = removedApis.flatMap(({ api, resources }) => resources.map(resource => `${api} ${resource}`));
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });
});
