// HTTP as downloads need it: proxies of the environment, redirects that keep credentials at home, and no wait without an end.
import type { Readable } from 'node:stream';
import * as tls from 'node:tls';
import { EnvHttpProxyAgent, request } from 'undici';
import { HomelabError } from '../model/errors.ts';

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Readable;
  /** Reads the rest and forgets it, so that the connection can be used again. */
  discard(): Promise<void>;
}

export interface Http {
  /** One GET with up to five redirects. Throws what the network threw. */
  get(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpAnswer>;
  close(): Promise<void>;
}

export interface HttpOptions {
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** PEM certificates trusted beside the usual ones. */
  readonly cas?: readonly string[];
  /** A server that says nothing for so long has gone. */
  readonly silenceMs?: number;
}

const mostRedirects = 5;

export function createHttp({ env, cas = [], silenceMs = 60_000 }: HttpOptions): Http {
  const setting = (name: string) => env[name.toLowerCase()] ?? env[name] ?? '';
  const trust = cas.length > 0 ? { ca: [...usualCas(), ...cas] } : {};
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: setting('HTTP_PROXY'),
    httpsProxy: setting('HTTPS_PROXY'),
    noProxy: setting('NO_PROXY'),
    // Many proxies tunnel to port 443 only.
    proxyTunnel: false,
    connect: { timeout: Math.min(silenceMs, 15_000), ...trust },
    requestTls: trust,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
  });
  return {
    async get(url, headers, signal) {
      let at = new URL(url);
      let sent = headers;
      for (let left = mostRedirects; ; left -= 1) {
        const answer = await request(at, { dispatcher, headers: sent, signal });
        const header = (name: string): string | undefined => {
          const value = answer.headers[name];
          return Array.isArray(value) ? value.join(', ') : value;
        };
        const location = header('location');
        if (![301, 302, 303, 307, 308].includes(answer.statusCode) || location === undefined) {
          return { status: answer.statusCode, header, body: answer.body, discard: () => answer.body.dump() };
        }
        await answer.body.dump();
        if (left === 0) throw new HomelabError('HL_DOWNLOAD', `${url} redirects in a circle`);
        const next = new URL(location, at);
        if (!/^https?:$/.test(next.protocol) || (at.protocol === 'https:' && next.protocol === 'http:')) {
          throw new HomelabError('HL_DOWNLOAD', `${url} redirects to ${next.origin}, which is not encrypted`, {
            hint: 'a proxy or a portal may stand in between; open the address in a browser and see',
          });
        }
        // A registry sends on to somebody's storage: what was meant for the registry stays with it.
        if (next.origin !== at.origin) {
          sent = Object.fromEntries(Object.entries(sent).filter(([name]) => name.toLowerCase() !== 'authorization'));
        }
        at = next;
      }
    },
    close: () => dispatcher.close(),
  };
}

// Giving any CA takes the usual ones away; Node before 22.15 cannot name those of NODE_EXTRA_CA_CERTS.
function usualCas(): readonly string[] {
  const newer: unknown = Reflect.get(tls, 'getCACertificates');
  const found: unknown = typeof newer === 'function' ? newer('default') : undefined;
  return Array.isArray(found) ? found : tls.rootCertificates;
}
