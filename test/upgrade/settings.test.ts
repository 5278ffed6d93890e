import { describe, expect, it } from 'vitest';
import { gatesGone, gatesLocked } from '../../src/upgrade/gone.ts';
import { obsoleteFlags, obsoleteGates, obsoleteKubeadmGates, parseGates } from '../../src/upgrade/settings.ts';

describe('settings that a version does not know any more', () => {
  it.each([
    ['PodSecurity', '1.27.9', undefined],
    ['PodSecurity', '1.28.0', '1.28'],
    ['PodSecurity', '1.33.1', '1.28'],
    ['KMSv2', '1.32.0', '1.32'],
    ['AppArmor', '1.32.9', undefined],
    ['AppArmor', '1.33.0', '1.33'],
    ['MemoryManager', '1.36.0', '1.36'],
    ['NodeSwap', '1.36.0', undefined],
  ])('the gate %s at %s', (gate, to, minor) => {
    expect(obsoleteGates({ [gate]: true }, to)).toEqual(
      minor === undefined ? [] : [{ setting: gate, minor, how: 'gone' }],
    );
  });

  it('a gate that may only have its own value, when it has the other', () => {
    expect(obsoleteGates({ SidecarContainers: false }, '1.33.0')).toEqual([
      { setting: 'SidecarContainers', minor: '1.33', how: 'locked' },
    ]);
    expect(obsoleteGates({ SidecarContainers: true }, '1.33.0')).toEqual([]);
    expect(obsoleteGates({ SidecarContainers: false }, '1.32.0')).toEqual([]);
    expect(obsoleteGates({ GitRepoVolumeDriver: true }, '1.36.0')).toHaveLength(1);
    expect(obsoleteGates({ GitRepoVolumeDriver: false }, '1.36.0')).toEqual([]);
  });

  it("kubeadm's own gates", () => {
    expect(obsoleteKubeadmGates({ EtcdLearnerMode: true }, '1.32.0')).toEqual([]);
    expect(obsoleteKubeadmGates({ EtcdLearnerMode: true, PublicKeysECDSA: true }, '1.33.0')).toEqual([
      { setting: 'EtcdLearnerMode', minor: '1.33', how: 'gone' },
    ]);
  });

  it('flags, of the process that had them', () => {
    const flags = ['cloud-provider', 'profiling'];
    expect(obsoleteFlags('kube-apiserver', flags, '1.33.0')).toEqual([
      { setting: '--cloud-provider', minor: '1.33', how: 'gone' },
    ]);
    expect(obsoleteFlags('kube-apiserver', flags, '1.32.0')).toEqual([]);
    // It still has it.
    expect(obsoleteFlags('kubelet', flags, '1.36.0')).toEqual([]);
    expect(obsoleteFlags('etcd', flags, '1.36.0')).toEqual([]);
  });

  it('are told from the text of a flag', () => {
    expect(parseGates('KMSv2=true, AppArmor=False')).toEqual({ KMSv2: true, AppArmor: false });
    expect(parseGates('')).toEqual({});
  });

  it('stand once in each table', () => {
    for (const table of [gatesGone, gatesLocked]) {
      const names = Object.values(table).flatMap(text => text.split(' '));
      expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    }
  });
});
