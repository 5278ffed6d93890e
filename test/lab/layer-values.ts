// What the layers of a lab's inventory need beside the product's own values: reasons lie in the guests, or in what no registry has.
import { layerVersions } from './bundle/layer-images.ts';
import { layerCharts } from './bundle/layers.ts';

const agent = [
  'CHOWN',
  'KILL',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'SYS_MODULE',
  'SYS_ADMIN',
  'DAC_OVERRIDE',
  'FOWNER',
];

/** A guest has no SYS_RESOURCE to give, and without it eBPF wants BPF and PERFMON by name. */
const capabilities = {
  ciliumAgent: [...agent, 'SETGID', 'SETUID', 'BPF', 'PERFMON'],
  cleanCiliumState: ['NET_ADMIN', 'SYS_MODULE', 'SYS_ADMIN', 'BPF', 'PERFMON'],
};

/** What is not in the bundle is not to be had: say so at once, and ask no registry. */
const image = { pullPolicy: 'Never' };

const cilium = {
  image,
  operator: { image },
  securityContext: { capabilities },
  // No registry has Envoy or Hubble's web page. Names in policies need no Envoy; HTTP in policies does, and fails closed.
  envoy: { enabled: false },
  disableEnvoyVersionCheck: true,
  hubble: { relay: { image, gops: { enabled: false } }, ui: { enabled: false } },
};

/** The inventory's `layers`. */
export function labLayers(): Readonly<Record<string, object>> {
  return {
    crds: { version: chartVersion('prometheus-operator-crds') },
    cilium: { version: chartVersion('cilium'), values: cilium },
    'metrics-server': {
      version: chartVersion('metrics-server'),
      // This chart is for the version before.
      values: { image: { ...image, tag: layerVersions.metricsServer } },
    },
    'sealed-secrets': { version: chartVersion('sealed-secrets'), values: { image } },
    'local-path': {
      version: chartVersion('local-path-provisioner'),
      values: { image, helperImage: { tag: layerVersions.busybox } },
    },
  };
}

function chartVersion(name: string): string {
  const found = layerCharts(layerVersions.cilium).find(chart => chart.name === name);
  if (found === undefined) throw new Error(`no chart ${name} in the bundle`);
  return found.version;
}
