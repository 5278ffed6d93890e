// A mirror on loopback that speaks what real ones speak (apt repository, registry v2, Range, tokens, redirects) and fails as they do.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type Blob = Buffer | { readonly path: string };

/** What goes wrong with the first `times` requests whose path matches. */
export interface Fault {
  readonly path: RegExp;
  times: number;
  readonly does: 'cut' | 'hang' | 'corrupt' | 'ignore-range' | { readonly status: number };
}

export interface Seen {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export interface MirrorOptions {
  /** Served under /apt/. */
  readonly apt?: string;
  /** 'repository/reference' → manifest. */
  readonly manifests?: ReadonlyMap<string, Buffer>;
  readonly blobs?: ReadonlyMap<string, Blob>;
  /** Blobs are sent on to this address. */
  readonly storage?: string;
  /** The registry wants a token; with a login, only for it. A token is good for so many requests. */
  readonly token?: { readonly login?: string; readonly uses?: number };
  readonly faults?: readonly Fault[];
  /** PEM; plain HTTP when not given. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Where it listens; loopback when not given. */
  readonly address?: string;
}

export interface Mirror {
  readonly url: string;
  readonly seen: Seen[];
  close(): Promise<void>;
}

export async function startMirror(options: MirrorOptions): Promise<Mirror> {
  const seen: Seen[] = [];
  let url = '';
  let uses = 0;
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    // containerd tells mirrors which registry it means: ?ns=registry.k8s.io
    const path = (request.url ?? '').replace(/^(\/v2\/[^?]*)\?.*$/, '$1');
    const { authorization, range } = request.headers;
    seen.push({ path, range, authorization });
    const fault = options.faults?.find(each => each.times > 0 && each.path.test(path));
    if (fault) fault.times -= 1;
    if (fault && typeof fault.does === 'object') return void response.writeHead(fault.does.status).end();
    if (path.startsWith('/apt/') && options.apt !== undefined) {
      return send(
        request,
        response,
        { path: join(options.apt, decodeURIComponent(path.slice('/apt/'.length))) },
        fault,
      );
    }
    const { token } = options;
    if (token && path.startsWith('/token')) {
      const login = token.login === undefined ? undefined : `Basic ${Buffer.from(token.login).toString('base64')}`;
      if (login !== undefined && authorization !== login) return void response.writeHead(401).end();
      uses = 0;
      return void response.end(JSON.stringify({ token: 'let-me-in' }));
    }
    const isServed = path.startsWith('/v2/') || path.startsWith('/storage/');
    if (
      token &&
      path.startsWith('/v2/') &&
      (authorization !== 'Bearer let-me-in' || ++uses > (token.uses ?? Infinity))
    ) {
      const challenge = `Bearer realm="${url}/token",service="mirror",scope="repository:x:pull"`;
      return void response.writeHead(401, { 'www-authenticate': challenge }).end();
    }
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(path);
    const bytes = manifest && options.manifests?.get(`${manifest[1]}/${manifest[2]}`);
    if (bytes) {
      response.setHeader('docker-content-digest', digestOf(bytes));
      response.setHeader('content-type', JSON.parse(bytes.toString()).mediaType);
      return send(request, response, bytes, fault);
    }
    const digest = /\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1] ?? '';
    if (isServed && options.storage !== undefined) {
      return void response.writeHead(307, { location: `${options.storage}/storage/${digest}` }).end();
    }
    const blob = options.blobs?.get(digest);
    if (isServed && blob) return send(request, response, blob, fault);
    return void response.writeHead(404).end();
  };
  const { address = '127.0.0.1', tls } = options;
  const server = tls ? createTlsServer(tls, answer) : createServer(answer);
  await new Promise<void>(resolve => server.listen(0, address, resolve));
  url = `${tls ? 'https' : 'http'}://${address}:${(server.address() as AddressInfo).port}`;
  return { url, seen, close: () => closed(server) };
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function send(request: IncomingMessage, response: ServerResponse, blob: Blob, fault: Fault | undefined): void {
  if (!Buffer.isBuffer(blob) && (!existsSync(blob.path) || !statSync(blob.path).isFile())) {
    response.writeHead(404).end();
    return;
  }
  const size = Buffer.isBuffer(blob) ? blob.length : statSync(blob.path).size;
  const asked = fault?.does === 'ignore-range' ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const start = Number(asked ?? 0);
  if (start >= size && asked !== undefined) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  const head = {
    'content-length': size - start,
    ...(asked ? { 'content-range': `bytes ${start}-${size - 1}/${size}` } : {}),
  };
  response.writeHead(asked ? 206 : 200, head);
  const isWhole = fault?.does !== 'cut' && fault?.does !== 'hang';
  if (isWhole && !Buffer.isBuffer(blob) && fault?.does !== 'corrupt') {
    createReadStream(blob.path, { start }).pipe(response);
    return;
  }
  const bytes = (Buffer.isBuffer(blob) ? blob : readFileSync(blob.path)).subarray(start);
  if (fault?.does === 'corrupt') response.end(Buffer.alloc(bytes.length, 'x'));
  else if (isWhole) response.end(bytes);
  else {
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => {
      // A moment later, so that what was sent has been received.
      if (fault?.does === 'cut') setTimeout(() => response.destroy(), 100);
    });
  }
}
