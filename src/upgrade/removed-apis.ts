// APIs that a version no longer serves, and who still uses them. It breaks clients, not the upgrade: said, not refused.
// The table is the API's own: APILifecycleRemoved and APILifecycleReplacement in k8s.io/api v0.36 (zz_generated.prerelease-lifecycle.go), from
// the first minor that homelab can upgrade to; autoscaling/v2beta2 from the deprecation guide (kubernetes.io/docs/reference/using-api).
import semver from 'semver';
import type { AskedApi, RequestedApi, WrittenApi } from '../model/upgrade-facts.ts';
import { reaches } from './settings.ts';

export interface RemovedApi {
  /** 'group/version'. */
  readonly api: string;
  /** Plural names. */
  readonly resources: readonly string[];
  /** First minor without it. */
  readonly minor: string;
  /** What is used instead; undefined: nothing with the same shape. */
  readonly instead?: string;
}

const flow = (version: string, minor: string, instead: string): RemovedApi => ({
  api: `flowcontrol.apiserver.k8s.io/${version}`,
  resources: ['flowschemas', 'prioritylevelconfigurations'],
  minor,
  instead: `flowcontrol.apiserver.k8s.io/${instead}`,
});
const dynamicResources = ['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'];

export const removedApis: readonly RemovedApi[] = [
  flow('v1beta1', '1.26', 'v1beta3'),
  { api: 'autoscaling/v2beta2', resources: ['horizontalpodautoscalers'], minor: '1.26', instead: 'autoscaling/v2' },
  { api: 'storage.k8s.io/v1beta1', resources: ['csistoragecapacities'], minor: '1.27', instead: 'storage.k8s.io/v1' },
  flow('v1beta2', '1.29', 'v1beta3'),
  flow('v1beta3', '1.32', 'v1'),
  {
    api: 'admissionregistration.k8s.io/v1alpha1',
    resources: ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'],
    minor: '1.32',
    instead: 'admissionregistration.k8s.io/v1',
  },
  {
    api: 'admissionregistration.k8s.io/v1beta1',
    resources: ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'],
    minor: '1.34',
    instead: 'admissionregistration.k8s.io/v1',
  },
  {
    api: 'storage.k8s.io/v1alpha1',
    resources: ['volumeattributesclasses'],
    minor: '1.35',
    instead: 'storage.k8s.io/v1',
  },
  { api: 'certificates.k8s.io/v1alpha1', resources: ['clustertrustbundles'], minor: '1.37' },
  {
    api: 'networking.k8s.io/v1beta1',
    resources: ['ipaddresses', 'servicecidrs'],
    minor: '1.37',
    instead: 'networking.k8s.io/v1',
  },
  {
    api: 'storage.k8s.io/v1beta1',
    resources: ['volumeattributesclasses'],
    minor: '1.37',
    instead: 'storage.k8s.io/v1',
  },
  { api: 'resource.k8s.io/v1beta1', resources: dynamicResources, minor: '1.38', instead: 'resource.k8s.io/v1' },
];

export interface UsedApi {
  readonly api: string;
  readonly resource: string;
  /** First minor without it. */
  readonly minor: string;
  readonly instead: string | undefined;
  /** Somebody asked for it since the API server started. */
  readonly requested: boolean;
  /** 'kubernetes-admin, kubectl/v1.31.1', where an audit log names them. */
  readonly askers: readonly string[];
  /** 'helm (flowschemas probes)'. */
  readonly writers: readonly string[];
}

export interface Uses {
  readonly requested: readonly RequestedApi[];
  readonly asked: readonly AskedApi[];
  readonly written: readonly WrittenApi[];
}

/** Those of the uses that end on the way from version `from` to `to`. */
export function endingApis({ requested, asked, written }: Uses, from: string, to: string): readonly UsedApi[] {
  const ends = (minor: string) => reaches(to, minor) && !reaches(from, minor);
  const counted = requested.flatMap(({ group, version, resource, removedRelease: minor }) =>
    semver.valid(`${minor}.0`) !== null && ends(minor)
      ? [{ api: group === '' ? version : `${group}/${version}`, resource, minor }]
      : [],
  );
  const writes = written.flatMap(({ object, api, manager }) => {
    const [resource = ''] = object.split(' ');
    const minor = entryOf(api, resource)?.minor;
    return minor !== undefined && ends(minor) ? [{ api, resource, minor, writer: `${manager} (${object})` }] : [];
  });
  const isSame = (one: Named) => (other: Named) => one.api === other.api && one.resource === other.resource;
  const all = [...counted, ...writes];
  return all
    .filter((each, index) => all.findIndex(isSame(each)) === index)
    .map(each => ({
      api: each.api,
      resource: each.resource,
      minor: each.minor,
      instead: entryOf(each.api, each.resource)?.instead,
      requested: counted.some(isSame(each)),
      askers: once(asked.filter(isSame(each)).map(({ who }) => who)),
      writers: once(writes.filter(isSame(each)).map(({ writer }) => writer)),
    }));
}

interface Named {
  readonly api: string;
  readonly resource: string;
}

function once(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}

function entryOf(api: string, resource: string): RemovedApi | undefined {
  return removedApis.find(each => each.api === api && each.resources.includes(resource));
}
