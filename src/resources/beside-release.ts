// What a layer has beside its Helm release: where the release is somebody else's, all of it is left as it is.
import type { Json } from '../model/cluster.ts';
import type { Resource } from '../model/plan.ts';
import { findRecord } from './release-record.ts';

const foreign = 'homelab: the release is not ours';

/** The same resource, read and wanted only where the release is ours or not there yet. */
export function besideRelease(resource: Resource, name: string, namespace: string): Resource {
  const isForeign = (observed: Json) => observed === foreign;
  return {
    ...resource,
    read: `if [ -e /etc/kubernetes/admin.conf ]; then
${findRecord(name, namespace)}  [ "$(echo "$found" | cut -d ' ' -f 3)" != '<none>' ] || { echo '${foreign}'; exit 0; }
fi
${resource.read}`,
    parse: output => (output.trim() === foreign ? foreign : resource.parse(output)),
    change: (observed, stale) => (isForeign(observed) ? undefined : resource.change(observed, stale)),
    remarks: (observed, stale) => (isForeign(observed) ? [] : (resource.remarks?.(observed, stale) ?? [])),
  };
}
