// Registries over their HTTP API v2: mirrors first, tokens on demand, and nothing believed whose digest differs.
import { createHash } from 'node:crypto';
import { HomelabError } from '../model/errors.ts';
import type { Http, HttpAnswer } from './http.ts';
import { type Patience, persist, refuseStatus, usualPatience } from './persist.ts';

export interface RegistryEndpoint {
  /** Its API's root: 'https://registry.k8s.io/v2'. */
  readonly api: string;
  /** Asked for at the moment it is needed. */
  readonly credentials?: () => Promise<{ readonly username: string; readonly password: string }>;
}

/** One repository of one registry, as its first endpoint that has it gives it. */
export interface RegistryRepository {
  /** Its bytes, and their digest. */
  manifest(reference: string, accept: string): Promise<{ readonly bytes: Buffer; readonly digest: string }>;
  /** One GET of a blob, for `download`. */
  blob(digest: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer>;
}

export interface RegistryOptions {
  readonly http: Http;
  readonly signal: AbortSignal;
  readonly patience?: Patience;
}

/** No manifest is bigger (containerd's own limit). */
const mostManifestBytes = 8 * 1024 * 1024;

export function openRepository(
  repository: string,
  endpoints: readonly RegistryEndpoint[],
  { http, signal, patience = usualPatience }: RegistryOptions,
): RegistryRepository {
  const clients = endpoints.map(endpoint => authorised(endpoint, repository, http, signal));
  // What one endpoint listed, the same one has: mirrors may be ahead of each other.
  let chosen: (typeof clients)[number] | undefined;
  const fetchManifest = (client: (typeof clients)[number], reference: string, accept: string) => {
    const what = `the manifest ${repository}:${reference} of ${client.host}`;
    return persist(what, patience, signal, async () => {
      const answer = await client.get(`manifests/${reference}`, { accept });
      await refuseStatus(answer, what, [200]);
      const bytes = await readAll(answer, what);
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      const said = reference.startsWith('sha256:') ? reference : answer.header('docker-content-digest');
      if (said !== undefined && said !== digest) {
        throw new HomelabError('HL_BUNDLE', `${what} is not what it should be`, {
          context: { details: [`expected ${said}`, `found    ${digest}`] },
          hint: 'the mirror or a proxy on the way may be stale or broken; run the same command again, or use another mirror',
        });
      }
      return { bytes, digest };
    });
  };
  return {
    async manifest(reference, accept) {
      if (chosen) return fetchManifest(chosen, reference, accept);
      const failures: HomelabError[] = [];
      for (const client of clients) {
        try {
          const manifest = await fetchManifest(client, reference, accept);
          chosen = client;
          return manifest;
        } catch (error) {
          if (!(error instanceof HomelabError) || error.code !== 'HL_DOWNLOAD') throw error;
          failures.push(error);
        }
      }
      const [first] = failures;
      if (!first) throw new Error('a registry without an endpoint');
      if (failures.length === 1) throw first;
      throw new HomelabError('HL_DOWNLOAD', `${repository}:${reference} is in no mirror and not in its registry`, {
        context: { details: failures.map(each => each.message) },
        hint: first.hint,
      });
    },
    blob(digest, headers) {
      if (!chosen) throw new Error('a blob before its manifest');
      return chosen.get(`blobs/${digest}`, headers);
    },
  };
}

function authorised(endpoint: RegistryEndpoint, repository: string, http: Http, signal: AbortSignal) {
  const base = `${endpoint.api}/${repository}/`;
  const { host } = new URL(endpoint.api);
  let authorization: string | undefined;
  return {
    host,
    async get(path: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
      const asked = (): Promise<HttpAnswer> =>
        http.get(`${base}${path}`, { ...headers, ...(authorization ? { authorization } : {}) }, signal);
      const answer = await asked();
      const challenge = answer.header('www-authenticate');
      if (answer.status !== 401 || challenge === undefined) return answer;
      // Also when a token has run out in the middle of a long download.
      await answer.discard();
      authorization = await answerTo(challenge, endpoint, host, repository, http, signal);
      return asked();
    },
  };
}

/** The Authorization header that a challenge asks for (distribution spec, token authentication). */
async function answerTo(
  challenge: string,
  { api, credentials }: RegistryEndpoint,
  host: string,
  repository: string,
  http: Http,
  signal: AbortSignal,
): Promise<string | undefined> {
  const given = await credentials?.();
  const basic = given && `Basic ${Buffer.from(`${given.username}:${given.password}`).toString('base64')}`;
  if (/^basic\b/i.test(challenge)) {
    if (basic) return basic;
    throw denied(host);
  }
  const fields = new Map(
    [...challenge.matchAll(/([a-z]+)="([^"]*)"/gi)].map(([, key = '', value = '']) => [key, value]),
  );
  const realm = fields.get('realm') ?? '';
  const isSafe = URL.canParse(realm) && (new URL(realm).protocol === 'https:' || new URL(api).protocol === 'http:');
  if (!/^bearer\b/i.test(challenge) || !isSafe) {
    throw new HomelabError('HL_DOWNLOAD', `${host} asks for a login that is not understood: ${challenge}`, {
      hint: 'give a mirror for it in containerd.registries of the inventory',
    });
  }
  const url = new URL(realm);
  const service = fields.get('service');
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', fields.get('scope') ?? `repository:${repository}:pull`);
  const answer = await http.get(url.href, basic ? { authorization: basic } : {}, signal);
  if (answer.status === 401 || answer.status === 403) {
    await answer.discard();
    throw denied(host);
  }
  await refuseStatus(answer, `a token for ${host}`, [200]);
  const said: unknown = JSON.parse((await readAll(answer, `a token for ${host}`)).toString('utf8'));
  const token =
    typeof said === 'object' && said !== null
      ? ['token', 'access_token'].map(key => Reflect.get(said, key)).find(value => typeof value === 'string')
      : undefined;
  if (token === undefined) throw denied(host);
  return `Bearer ${token}`;
}

function denied(host: string): HomelabError {
  return new HomelabError('HL_DOWNLOAD', `${host} refuses the login`, {
    hint: `give credentials for it, by reference: containerd.registries["${host}"].credentials in the inventory`,
  });
}

async function readAll(answer: HttpAnswer, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostManifestBytes) throw new HomelabError('HL_DOWNLOAD', `${what} is too big to be one`);
  }
  return Buffer.concat(chunks);
}
