// All layers. A new one is a folder, its name in model/layers.ts, and a line here.
import type { LayerName } from '../model/layers.ts';
import { cilium } from './cilium/index.ts';
import { crds } from './crds/index.ts';
import type { Layer } from './layer.ts';
import { localPath } from './local-path/index.ts';
import { longhorn } from './longhorn/index.ts';
import { metricsServer } from './metrics-server/index.ts';
import { sealedSecrets } from './sealed-secrets/index.ts';

export const layers: Readonly<Record<LayerName, Layer>> = {
  crds,
  cilium,
  'metrics-server': metricsServer,
  'sealed-secrets': sealedSecrets,
  'local-path': localPath,
  longhorn,
};
