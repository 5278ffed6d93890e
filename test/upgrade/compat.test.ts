import { describe, expect, it } from 'vitest';
import { cgroupFit, containerdFit, kernelFit, systemFit } from '../../src/upgrade/compat.ts';

describe('what a machine has, against the version it is to run', () => {
  it.each([
    ['2.1.5', '1.32.0', 'fits'],
    ['2.0.0', '1.31.4', 'fits'],
    ['2.0.0', '1.32.0', 'untested'],
    // Newer than the table knows.
    ['2.2.0', '1.31.4', 'fits'],
    ['1.7.20', '1.31.0', 'fits'],
    ['1.7.20', '1.32.0', 'untested'],
    ['1.7.28', '1.36.0', 'untested'],
    ['2.1.5', '1.36.0', 'untested'],
    ['1.7.30', '1.37.0', 'breaks'],
    ['2.2.0', '1.37.0', 'fits'],
    ['1.5.9', '1.27.0', 'untested'],
    ['absent', '1.36.0', 'fits'],
  ])('containerd %s with Kubernetes %s: %s', (version, to, kind) => {
    expect(containerdFit(version, to).kind).toBe(kind);
  });

  it.each([
    [1, '1.30.0', 'fits'],
    [1, '1.31.0', 'untested'],
    [1, '1.34.9', 'untested'],
    [1, '1.35.0', 'breaks'],
    [2, '1.35.0', 'fits'],
  ] as const)('cgroup v%i with Kubernetes %s: %s', (cgroup, to, kind) => {
    expect(cgroupFit(cgroup, to).kind).toBe(kind);
  });

  it.each([
    ['4.15.0-213-generic', '1.31.0', 'fits'],
    ['4.15.0-213-generic', '1.32.0', 'untested'],
    ['4.19.0-27-amd64', '1.33.0', 'fits'],
    ['4.19.0-27-amd64', '1.34.0', 'untested'],
    ['5.10.0-37-amd64', '1.34.0', 'fits'],
    ['5.13.0-52-generic', '1.34.0', 'untested'],
    ['6.1.0-41-amd64', '1.36.0', 'fits'],
    ['10.2.0', '1.36.0', 'fits'],
  ])('kernel %s with Kubernetes %s: %s', (kernel, to, kind) => {
    expect(kernelFit(kernel, to).kind).toBe(kind);
  });

  it.each([
    ['debian', '10', 'untested'],
    ['debian', '11', 'fits'],
    ['debian', '', 'fits'],
    ['ubuntu', '18.04', 'untested'],
    ['ubuntu', '20.04', 'fits'],
  ])('%s %s: %s', (id, versionId, kind) => {
    expect(systemFit({ id, versionId, pretty: id }).kind).toBe(kind);
  });

  it('says what to type', () => {
    expect(containerdFit('1.7.20', '1.32.0')).toMatchObject({
      text: expect.stringContaining('1.7.24'),
      hint: expect.stringContaining('homelab bootstrap'),
    });
    expect(cgroupFit(1, '1.35.0').hint).toContain('unified_cgroup_hierarchy=1');
  });
});
