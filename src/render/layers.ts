// The table of `homelab layers list`.
import type { ListedLayer } from '../model/layers.ts';
import { formatTable } from './progress.ts';
import { oneLine } from './text.ts';

export function layersTable(layers: readonly ListedLayer[]): string {
  const rows = layers.map(({ name, wanted, chart, status, revision, namespace, state }) =>
    [
      name,
      wanted || '-',
      chart || '-',
      status || '-',
      revision === null ? '-' : String(revision),
      namespace,
      state,
      '',
    ].map(oneLine),
  );
  return formatTable([['LAYER', 'WANTED', 'CHART', 'STATUS', 'REVISION', 'NAMESPACE', 'STATE', ''], ...rows]);
}
