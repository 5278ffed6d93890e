// Of webhooks only those count that stop what they are asked about: the others are asked and not waited for.
import type { ObjectOf } from './kinds.ts';

type Configuration = ObjectOf<'validatingwebhookconfigurations'>;

interface AskedWebhook {
  readonly name: string;
  /** namespace/name. */
  readonly service: string;
  readonly port: number;
}

/** Webhooks of these configurations that the API server must have an answer of, by way of a Service. */
export function askedWebhooks(configurations: readonly Configuration[]): readonly AskedWebhook[] {
  return configurations.flatMap(({ webhooks }) =>
    webhooks.flatMap(({ name, failurePolicy, clientConfig: { service } }) =>
      service && failurePolicy !== 'Ignore'
        ? [{ name, service: `${service.namespace}/${service.name}`, port: service.port || 443 }]
        : [],
    ),
  );
}
