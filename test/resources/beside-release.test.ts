// A namespace beside a release, by dash with a kubectl that knows Helm's record of it as custom-columns print it.
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import type { Resource } from '../../src/model/plan.ts';
import { layerWants } from '../../src/phases/layers.ts';
import { besideRelease } from '../../src/resources/beside-release.ts';
import { namespace } from '../../src/resources/namespace.ts';
import { layered } from '../layers/rig.ts';
import { host } from '../sample.ts';
import { observe, scratch, standIns } from './rig.ts';

const resource = besideRelease(namespace('longhorn-system', 'privileged'), 'longhorn', 'longhorn-system');
const ours = '3   deployed   longhorn-1.12.1   0a1b2c   1.31';

function seen(records: string, of: Resource = resource) {
  const folder = scratch();
  const bin = standIns(folder, {
    kubectl: `case "$*" in
  *'get secret '*) ${records} ;;
  *'get namespace'*) printf 'Active ' ;;
  *RecurringJob*) exit 1 ;;
  *'get --raw /version') echo '{}' ;;
esac`,
  });
  return observe(of, { bin, moved: { '/etc/kubernetes/admin.conf': folder } });
}

describe('what stands beside a release', () => {
  it.each([
    ['is ours', `echo '${ours}'`],
    ['was handed over', "echo '1   deployed   longhorn-1.11.3   <none>   <none>'"],
    ['is not there yet', ':'],
    ['is not told by the API server', 'exit 1'],
  ])('is as ever where the release %s', (_, records) => {
    const observed = seen(records);
    expect(observed).toBe('');
    expect(resource.change(observed, [])?.why).toBe('it enforces nothing, not privileged');
  });

  it.each([
    ["somebody else's", "echo '1   deployed   <none>   <none>   <none>'"],
    ['of a later revision', `echo '${ours}'; echo '12   deployed   <none>   <none>   <none>'`],
  ])('is left where the release is %s', (_, records) => {
    const observed = seen(records);
    expect(resource.change(observed, [])).toBeUndefined();
    expect(resource.remarks?.(observed, [])).toEqual([]);
  });

  it('is all that a layer has but the release itself', () => {
    const foreign = "echo '1   deployed   <none>   <none>   <none>'";
    const wants = layerWants(layers.longhorn, layered, host('k8s-cp')).flatMap(each =>
      each.kind === 'resource' ? [each] : [],
    );
    expect(wants.map(({ key }) => key)).toEqual([
      'namespace:longhorn-system',
      'release:longhorn-system/longhorn',
      'object:longhorn-system/RecurringJob/daily-snapshot',
    ]);
    expect(wants.filter(each => each.change(seen(foreign, each), []) !== undefined)).toEqual([]);
    expect(wants.filter(each => each.change(seen(':', each), []) !== undefined)).toHaveLength(3);
  });
});
