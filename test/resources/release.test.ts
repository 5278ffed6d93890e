// A release: what Helm's own record says, what follows from it, and the script that goes with it, run with stand-ins for helm and kubectl.
import { describe, expect, it } from 'vitest';
import { release } from '../../src/resources/release.ts';
import type { ReleaseOptions } from '../../src/resources/release-script.ts';
import { observe, scratch, standIns } from './rig.ts';

const options: ReleaseOptions = {
  name: 'longhorn',
  namespace: 'longhorn-system',
  chart: { name: 'longhorn', version: '1.12.1', source: { kind: 'repository', url: 'https://charts.longhorn.io' } },
  values: { persistence: { defaultClass: true }, csi: { attacherReplicaCount: 1 } },
  kubernetes: '1.31',
  file: undefined,
  proxy: {},
  isFelt: true,
  minorsAtOnce: 1,
  remedies: [],
};
const resource = release(options);
const desired = resource.desired as Record<string, string>;
const line = (revision: number, status: string, chart = desired['chart'], values = desired['values'], minor = '1.31') =>
  `${revision}   ${status}   ${chart}   ${values}   ${minor}\n`;
const whyOf = (output: string) => resource.change(resource.parse(output), [])?.why;

describe('a release', () => {
  it('that is deployed from the same chart, values and minor is in order', () => {
    expect(resource.parse(line(3, 'deployed'))).toEqual(resource.desired);
    expect(whyOf(line(3, 'deployed'))).toBeUndefined();
  });

  it.each([
    ['', 'it is not installed'],
    ['silent\n', 'whether it is installed the API server does not say'],
    [line(1, 'deployed', 'longhorn-1.11.3'), 'its chart is longhorn-1.11.3, not longhorn-1.12.1'],
    [line(1, 'deployed', undefined, 'other'), 'its values differ'],
    [line(1, 'deployed', undefined, undefined, '1.30'), 'it was rendered for Kubernetes 1.30'],
    [line(1, 'pending-install'), 'its last change ended as pending-install'],
    [line(2, 'failed'), 'its last change ended as failed'],
  ])('of which Helm says %j: %s', (output, why) => {
    expect(whyOf(output)).toBe(why);
  });

  it('that others made is left alone, and said', () => {
    const theirs = resource.parse('4   deployed   <none>   <none>   <none>\n');
    expect(resource.change(theirs, [])).toBeUndefined();
    expect(resource.remarks?.(theirs, [])).toMatchObject([
      {
        kind: 'note',
        text: expect.stringMatching(
          /is not homelab's.*kubectl label secret -n longhorn-system -l owner=helm,name=longhorn homelab-chart=CHART-VERSION.*helm list -n longhorn-system/,
        ),
      },
    ]);
  });

  it('is installed without asking, and changed like a restart where others feel it', () => {
    expect(resource.change(resource.blank, [])?.risk).toBe('safe');
    const changed = resource.parse(line(1, 'deployed', undefined, 'other'));
    expect(resource.change(changed, [])?.risk).toBe('disruptive');
    expect(release({ ...options, isFelt: false }).change(changed, [])?.risk).toBe('safe');
  });

  it.each([
    ['longhorn-1.11.3', []],
    ['longhorn-1.12.0', []],
    ['longhorn-1.12.1', []],
    ['longhorn-1.12.1-rc2', []],
    ['longhorn-1.12.5', ['chart-version']],
    ['theirs', ['chart-version']],
    ['theirs-1.2', ['chart-version']],
    ['longhorn-1.10.2', ['chart-version']],
    ['longhorn-1.13.0', ['chart-version']],
    ['longhorn-0.99.9', ['chart-version']],
    ['longhorn-2.12.1', ['chart-version']],
  ])('from chart %s: refusals %j', (chart, ids) => {
    const remarks = resource.remarks?.(resource.parse(line(1, 'deployed', chart)), []) ?? [];
    expect(remarks.flatMap(each => (each.kind === 'refusal' ? [each.id] : []))).toEqual(ids);
  });

  it('from a chart whose version has a v before it is held to the same rule', () => {
    const chart = { ...options.chart, name: 'cert-manager', version: 'v1.17.2' };
    const certificates = release({ ...options, name: 'cert-manager', chart });
    const idsFrom = (version: string) => {
      const observed = certificates.parse(line(1, 'deployed', `cert-manager-${version}`));
      return (certificates.remarks?.(observed, []) ?? []).map(each => each.kind === 'refusal' && each.id);
    };
    expect(idsFrom('v1.16.5')).toEqual([]);
    expect(idsFrom('v1.15.3')).toEqual(['chart-version']);
  });

  it('whose chart has no version that can be read is refused with what writes it there', () => {
    const remarks = resource.remarks?.(resource.parse(line(1, 'deployed', 'theirs')), []);
    expect(remarks).toMatchObject([
      {
        reason: expect.stringContaining('theirs'),
        hint: expect.stringContaining(
          'kubectl label secret -n longhorn-system -l owner=helm,name=longhorn homelab-chart=CHART-VERSION --overwrite',
        ),
      },
    ]);
    const free = release({ ...options, minorsAtOnce: undefined });
    expect(free.remarks?.(free.parse(line(1, 'deployed', 'theirs')), [])).toEqual([]);
  });

  it('has the same digest in whatever order its values were written', () => {
    const other = release({
      ...options,
      values: { csi: { attacherReplicaCount: 1 }, persistence: { defaultClass: true } },
    });
    expect(other.desired).toEqual(resource.desired);
    expect(release({ ...options, values: {} }).desired).not.toEqual(resource.desired);
  });

  it('whose record nobody can read is not taken for one that is not there', () => {
    const folder = scratch();
    const moved = { '/etc/kubernetes/admin.conf': folder };
    const asking = (kubectl: string) => observe(resource, { bin: standIns(folder, { kubectl }), moved });
    expect(asking('exit 1')).toMatchObject({ status: 'unknown' });
    expect(asking(':')).toMatchObject({ status: 'absent' });
    expect(asking(`echo '9   failed   a   b   c'; echo '10   deployed   x   y   z'`)).toEqual({
      status: 'deployed',
      chart: 'x',
      values: 'y',
      kubernetes: 'z',
    });
  });

  it('throws on a record that it does not understand', () => {
    expect(() => resource.parse('Error from server (Forbidden)\n')).toThrow('unexpected record');
  });
});
