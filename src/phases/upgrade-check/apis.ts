// Clients that still use an API which a version on the way no longer serves. They break, the upgrade does not: said with names.
import semver from 'semver';
import { controlPlaneOf } from '../../model/world.ts';
import { endingApis, type UsedApi } from '../../upgrade/removed-apis.ts';
import { runningVersions } from '../../upgrade/running.ts';
import type { Finding, Findings } from './finding.ts';

export const apis: Findings = ({ world, host, to }) => {
  if (host !== controlPlaneOf(world)) return [];
  const clusters = [...(world.upgradeFacts ?? [])].flatMap(([, { controlPlane }]) =>
    controlPlane && controlPlane.cluster !== 'unknown' ? [controlPlane.cluster] : [],
  );
  const from = semver.sort(
    Object.values(runningVersions(world).apiServers).flatMap(each => semver.valid(each) ?? []),
  )[0];
  if (from === undefined || clusters.length === 0) return [];
  // Each API server counts for itself; the objects are the same for all.
  const used = endingApis(
    {
      requested: clusters.flatMap(({ requestedApis }) => requestedApis),
      asked: clusters.flatMap(({ askedApis }) => askedApis),
      written: clusters[0]?.writtenApis ?? [],
    },
    from,
    to,
  );
  return [
    {
      id: 'removed-apis',
      title: 'nobody uses an API that goes',
      expected: 'no request since the API server started, no object written by it',
      observed: used.length === 0 ? 'none seen' : used.map(({ api, resource }) => `${resource} ${api}`).join(', '),
      reproduce: 'kubectl get --raw /metrics | grep apiserver_requested_deprecated_apis',
      notes: used.map(each => noteOf(each)),
    } satisfies Finding,
  ];
};

function noteOf({ api, resource, minor, instead, requested, askers, writers }: UsedApi): string {
  const who = [
    ...(requested ? [`asked for since the API server started${askers.length > 0 ? ` by ${some(askers)}` : ''}`] : []),
    ...(writers.length > 0 ? [`written by ${some(writers)}`] : []),
  ].join('; ');
  const cure = instead === undefined ? 'nothing takes its place' : `it is ${instead} now`;
  const convert = `kubectl convert -f FILE${instead === undefined ? '' : ` --output-version ${instead}`}`;
  return `${resource} of ${api} is gone in Kubernetes ${minor} (${who}): ${cure}; update that client, or its files: ${convert}`;
}

function some(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}
