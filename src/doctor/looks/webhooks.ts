// Whether the API server's machine reaches the webhooks that it must ask: a second look, for it needs to know them.
import { command } from '../../model/shell.ts';
import type { MachineFacts } from '../machine-facts.ts';
import { nameOf } from '../objects/common.ts';
import { askedWebhooks } from '../objects/webhooks.ts';
import type { Lists } from '../snapshot.ts';
import { reasonOf } from './reach.ts';
import { answersIn, sideBySide } from './script.ts';

/** Each is a lane. */
const servicesAtMost = 5;

/** sh; undefined when there is nobody to ask. A webhook without a pod that is ready is not asked: that much is known. */
export function webhooksScript(lists: Lists): string | undefined {
  const targets = targetsOf(lists);
  if (targets.length === 0) return undefined;
  const lanes = targets.map(({ service, port, address }) => [
    {
      id: `${service}:${port}`,
      script: `timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' - ${command(address, String(port))}`,
    },
  ]);
  return `${sideBySide(lanes)}exit 0\n`;
}

/** Never throws; one that was not asked is not there. */
export function readWebhooks({ stdout }: { readonly stdout: string }): NonNullable<MachineFacts['webhooks']> {
  return [...answersIn(stdout)].map(([id, { code, words }]) => {
    const at = id.lastIndexOf(':');
    const says = reasonOf(code, words.split('\n').at(-1) ?? '');
    return { service: id.slice(0, at), port: Number(id.slice(at + 1)), ok: code === 0, says };
  });
}

function targetsOf({ validatingwebhookconfigurations, mutatingwebhookconfigurations, services, endpoints }: Lists) {
  if (services.state !== 'seen' || endpoints.state !== 'seen') return [];
  const asked = new Set(
    [validatingwebhookconfigurations, mutatingwebhookconfigurations].flatMap(list =>
      list.state === 'seen' ? askedWebhooks(list.items).map(({ service, port }) => `${service}:${port}`) : [],
    ),
  );
  const ready = new Set(
    endpoints.items.filter(({ subsets }) => subsets.some(({ addresses }) => addresses.length > 0)).map(nameOf),
  );
  return services.items
    .flatMap(each => {
      const { clusterIP: address, ports } = each.spec;
      const service = nameOf(each);
      if (address === '' || address === 'None' || !ready.has(service)) return [];
      return ports.flatMap(({ port }) => (asked.has(`${service}:${port}`) ? [{ service, port, address }] : []));
    })
    .slice(0, servicesAtMost);
}
