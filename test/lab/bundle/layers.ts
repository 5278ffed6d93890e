// What the lab's layers are made of, as data: beside the cluster's own bundle, whose hash knows nothing of them.
import { existsSync } from 'node:fs';
import { type CiliumVersion, ciliumFor, fromDebian, layerDebian, layerImages, layerVersions } from './layer-images.ts';
import type { ModuleFiles } from './module-files.ts';
import { type GoModule, goModuleHash, hash, prunedFolders, recentGo, recipeHash } from './recipe.ts';
import { isDefault, type Release, releaseOf } from './releases.ts';

/** Counts up when code here packs differently from the same data. */
const packingVersion = 1;

const cilium = 'github.com/cilium/cilium';
const metricsServer = 'sigs.k8s.io/metrics-server';
const localPath = 'github.com/rancher/local-path-provisioner';
const sealedSecrets = 'github.com/bitnami-labs/sealed-secrets';

/** Where the kernel has no modules, Cilium's agent dies of the missing file (cilium#31795); everywhere else the source is upstream's. */
const withoutModules = {
  module: cilium,
  file: 'pkg/datapath/linux/modules/modules_linux.go',
  from: '"/proc/modules"',
  to: '"/dev/null"',
} as const;

interface CiliumSource {
  /** Folder of its wrapper under test/lab/go. */
  readonly folder: string;
  readonly toolchain: string;
  /** As upstream stamps it: commit and time of the tag. */
  readonly commit: string;
  /** Of the module, as go.sum has it. */
  readonly sum: string;
}

const ciliumSources: Readonly<Record<CiliumVersion, CiliumSource>> = {
  '1.16.1': {
    folder: 'cilium',
    toolchain: 'go1.22.12',
    commit: '685790550b 2024-08-13T13:37:09Z',
    sum: 'h1:7FiLrRJbO3d/RE423FUN0GxhrFDQBYRwr1veHN7uBys=',
  },
  '1.17.8': {
    folder: 'cilium-v1.17.8',
    toolchain: 'go1.24.7',
    commit: '03b5572f35 2025-09-17T19:10:44Z',
    sum: 'h1:xP8+IETIWFig5OyVwdCzc0SGQXjJbBZ14KHq7TB4vF8=',
  },
};

export function layerModules(
  version: CiliumVersion = layerVersions.cilium,
  hasModules = existsSync('/proc/modules'),
): readonly GoModule[] {
  const { folder, toolchain, commit } = ciliumSources[version];
  return [
    {
      name: folder,
      toolchain,
      tags: ['osusergo', 'ipam_provider_operator'],
      commands: {
        'cilium-agent': `${cilium}/daemon`,
        'cilium-cni': `${cilium}/plugins/cilium-cni`,
        'cilium-dbg': `${cilium}/cilium-dbg`,
        'cilium-health': `${cilium}/cilium-health`,
        'cilium-health-responder': `${cilium}/cilium-health/responder`,
        'cilium-mount': `${cilium}/tools/mount`,
        'cilium-operator-generic': `${cilium}/operator`,
        'cilium-sysctlfix': `${cilium}/tools/sysctlfix`,
        hubble: `${cilium}/hubble`,
        'hubble-relay': `${cilium}/hubble-relay`,
      },
      stamps: {
        // Taken apart by the agent, which else reports no version at all.
        [`${cilium}/pkg/version.ciliumVersion`]: `${version} ${commit}`,
        [`${cilium}/hubble/pkg.Version`]: `v${version}`,
      },
      ...(hasModules ? {} : { patch: withoutModules }),
      expect: 'about 6 min on two free cores',
    },
    {
      name: 'metrics-server',
      toolchain: 'go1.22.12',
      commands: { 'metrics-server': `${metricsServer}/cmd/metrics-server` },
      stamps: { 'k8s.io/client-go/pkg/version.gitVersion': layerVersions.metricsServer },
      expect: 'about 2 min',
    },
    {
      name: 'local-path-provisioner',
      toolchain: recentGo,
      commands: { 'local-path-provisioner': localPath },
      stamps: { 'main.VERSION': layerVersions.localPath },
      expect: 'about 1 min',
    },
    {
      name: 'sealed-secrets',
      toolchain: recentGo,
      commands: {
        'sealed-secrets-controller': `${sealedSecrets}/cmd/controller`,
        kubeseal: `${sealedSecrets}/cmd/kubeseal`,
      },
      stamps: { 'main.VERSION': layerVersions.sealedSecrets },
      expect: 'about 2 min',
    },
    {
      name: 'helm-v4',
      toolchain: recentGo,
      commands: { 'helm-v4': 'helm.sh/helm/v4/cmd/helm' },
      stamps: { 'helm.sh/helm/v4/internal/version.version': `v${layerVersions.helm}` },
      expect: 'about 2 min',
    },
    {
      name: 'helm-v3',
      toolchain: recentGo,
      commands: { 'helm-v3': 'helm.sh/helm/v3/cmd/helm' },
      // Unstamped, Helm 3 believes in Kubernetes v1.20.
      stamps: {
        'helm.sh/helm/v3/internal/version.version': `v${layerVersions.helm3}`,
        'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor': '1',
        'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor': '37',
        'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': '1',
        'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': '37',
      },
      expect: 'about 2 min',
    },
  ];
}

export function layerFiles(ciliumVersion: CiliumVersion): readonly ModuleFiles[] {
  return [
    {
      name: 'cilium',
      module: cilium,
      version: `v${ciliumVersion}`,
      sum: ciliumSources[ciliumVersion].sum,
      paths: {
        bpf: 'bpf',
        chart: 'install/kubernetes/cilium',
        'init-container.sh': 'images/cilium/init-container.sh',
        'install-plugin.sh': 'plugins/cilium-cni/install-plugin.sh',
        'cni-uninstall.sh': 'plugins/cilium-cni/cni-uninstall.sh',
      },
      without: ['bpf/tests', 'bpf/complexity-tests'],
    },
    {
      name: 'metrics-server',
      module: metricsServer,
      version: 'v0.7.2',
      sum: 'h1:0t1FhxdEHKHF/SduSRdkNHIYb24TpHqew2B/64GzOq8=',
      paths: { chart: 'charts/metrics-server' },
    },
    {
      name: 'local-path-provisioner',
      module: localPath,
      version: 'v0.0.30',
      sum: 'h1:OkiuofkCSscddl7tma/B9Ox1wu+JEVSrP7IcZI65Ggo=',
      paths: { chart: 'deploy/chart/local-path-provisioner' },
    },
    {
      // The chart follows its application: 2.17.7 installs 0.32.2, and came with the sources of 0.33.0.
      name: 'sealed-secrets',
      module: sealedSecrets,
      version: 'v0.33.0',
      sum: 'h1:bfkjrOUwwdn4GffDC/S7OAgNbXVN7FqzIueyV7yW2fA=',
      paths: { chart: 'helm/sealed-secrets' },
    },
    {
      name: 'prometheus-operator-crds',
      module: 'github.com/prometheus-operator/prometheus-operator',
      version: 'v0.93.1',
      sum: 'h1:4Juk8v93RdG1DSGD/mGp+SeQKPmnlLIj2iq3blLZgFY=',
      paths: { 'chart/templates': 'example/prometheus-operator-crd' },
    },
  ];
}

export interface ChartSpec {
  readonly name: string;
  readonly version: string;
  /** Where the files come from has none. */
  readonly chartYaml?: string;
  /** Its templates are CRDs and nothing else. */
  readonly isKinds?: true;
}

/** Each from the folder `chart` of the layerFiles of its name. */
export function layerCharts(ciliumVersion: CiliumVersion): readonly ChartSpec[] {
  return [
    { name: 'cilium', version: ciliumVersion },
    { name: 'metrics-server', version: '3.12.1' },
    { name: 'local-path-provisioner', version: '0.0.30' },
    { name: 'sealed-secrets', version: '2.17.7' },
    {
      name: 'prometheus-operator-crds',
      // prometheus-community's number for the chart of these CRDs.
      version: '31.0.1',
      isKinds: true,
      chartYaml: `apiVersion: v2
name: prometheus-operator-crds
description: The operator's own CRDs, as a chart
type: application
version: 31.0.1
appVersion: v0.93.1
kubeVersion: '>=1.16.0-0'
`,
    },
  ];
}

/** Programs for the operator's machine. */
export const layerTools = [
  { name: 'helm', version: layerVersions.helm, binary: 'helm-v4' },
  { name: 'helm', version: layerVersions.helm3, binary: 'helm-v3' },
  { name: 'kubeseal', version: layerVersions.sealedSecrets, binary: 'kubeseal' },
] as const;

export interface LayersRecipe {
  readonly release: Release;
  readonly cilium: CiliumVersion;
}

/** What stands on this Kubernetes; without one, on the lab's own. */
export function layersRecipe(kubernetes?: string): LayersRecipe {
  const release = releaseOf(kubernetes);
  return { release, cilium: ciliumFor(isDefault(release)) };
}

/** First 16 hex digits over everything that decides what is in the bundle with layers. */
export function layersHash({ release, cilium: version }: LayersRecipe): string {
  const data = [layerFiles(version), layerCharts(version), layerTools, fromDebian, layerImages(version)];
  return hash(
    packingVersion,
    recipeHash(release),
    layerModules(version).map(goModuleHash),
    ...data,
    layerDebian,
    prunedFolders,
  );
}
