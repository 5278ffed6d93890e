// A repository of a registry as the inventory says it is reached: mirrors first, logins by reference.
import { openRepository, type RegistryRepository } from '../io/registry.ts';
import type { Registry } from '../model/cluster.ts';
import type { MakeTools } from './tools.ts';
import { endpointsOf } from './wanted.ts';

export interface OpenOptions extends Pick<MakeTools, 'http' | 'signal' | 'patience' | 'resolveSecret'> {
  readonly registries: readonly Registry[];
}

export function openAsTold(
  registry: string,
  repository: string,
  { registries, http, signal, patience, resolveSecret }: OpenOptions,
): RegistryRepository {
  const endpoints = endpointsOf(registry, registries).map(({ api, credentials }) => ({
    api,
    ...(credentials
      ? {
          credentials: async () => ({
            username: credentials.username,
            password: await resolveSecret(credentials.password),
          }),
        }
      : {}),
  }));
  return openRepository(repository, endpoints, { http, signal, ...(patience ? { patience } : {}) });
}
