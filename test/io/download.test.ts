import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { download } from '../../src/io/download.ts';
import { createHttp } from '../../src/io/http.ts';
import { type Mirror, type MirrorOptions, startMirror } from '../bundle/mirror.ts';

const content = Buffer.alloc(200_000, 'content ');
const sha256 = createHash('sha256').update(content).digest('hex');
const digest = `sha256:${sha256}`;
const signal = new AbortController().signal;
const patience = { tries: 3, firstPauseMs: 1 };

let dir = '';
let mirror: Mirror;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'homelab-download-'));
});
afterEach(async () => {
  rmSync(dir, { recursive: true, force: true });
  await mirror.close();
});

async function fetchIt(options: MirrorOptions = {}, env: Record<string, string> = {}, path = join(dir, 'file')) {
  mirror = await startMirror({ blobs: new Map([[digest, content]]), ...options });
  const http = createHttp({ env });
  const url = `${mirror.url}/storage/${digest}`;
  try {
    await download(
      { what: 'the file', path, sha256, bytes: content.length, get: headers => http.get(url, headers, signal) },
      { signal, patience },
    );
    return readFileSync(path);
  } finally {
    await http.close();
  }
}

describe('a download', () => {
  test('goes on from what an earlier run left', async () => {
    writeFileSync(join(dir, 'file.partial'), content.subarray(0, 150_000));
    expect(await fetchIt()).toEqual(content);
    expect(mirror.seen.map(({ range }) => range)).toEqual(['bytes=150000-']);
  });

  test('begins anew when what was left is of another file', async () => {
    writeFileSync(join(dir, 'file.partial'), Buffer.alloc(150_000, 'other '));
    await expect(fetchIt()).rejects.toMatchObject({ code: 'HL_BUNDLE' });
    await mirror.close();
    expect(await fetchIt()).toEqual(content);
    expect(mirror.seen.map(({ range }) => range)).toEqual([undefined]);
  });

  test('gives up after a few tries that bring nothing, and says what to do', async () => {
    const faults = [{ path: /./, times: 99, does: { status: 502 } }];
    await expect(fetchIt({ faults })).rejects.toMatchObject({
      code: 'HL_DOWNLOAD',
      exitCode: 4,
      hint: expect.stringContaining('HTTPS_PROXY'),
    });
    expect(mirror.seen).toHaveLength(patience.tries);
  });

  test('redirects a few times and no more', async () => {
    mirror = await startMirror({});
    const http = createHttp({ env: {} });
    const server = createServer((_, response) => void response.writeHead(302, { location: '/again' }).end());
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(http.get(url, {}, signal)).rejects.toMatchObject({ message: expect.stringContaining('circle') });
    await http.close();
    server.close();
  });
});

describe('a proxy', () => {
  async function proxy() {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const to = new URL(request.url ?? '');
      const socket = connect(Number(to.port), to.hostname, () => {
        socket.write(`GET ${to.pathname} HTTP/1.0\r\nHost: ${to.host}\r\n\r\n`);
        const chunks: Buffer[] = [];
        socket.on('data', chunk => chunks.push(chunk));
        socket.on('end', () => {
          const all = Buffer.concat(chunks);
          response.end(all.subarray(all.indexOf('\r\n\r\n') + 4));
        });
      });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return { asked, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  test('of the environment is used, except for what NO_PROXY names', async () => {
    const { asked, server, url } = await proxy();
    expect(await fetchIt({}, { http_proxy: url })).toEqual(content);
    expect(asked).toHaveLength(1);
    await mirror.close();
    rmSync(join(dir, 'file'));
    expect(await fetchIt({}, { HTTP_PROXY: url, NO_PROXY: '127.0.0.1' })).toEqual(content);
    expect(asked).toHaveLength(1);
    server.close();
  });
});

const small = mkdtempSync(join(tmpdir(), 'homelab-small-'));
const canMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status === 0;
if (canMount) execFileSync('umount', [small]);
test.skipIf(!canMount)('a full disk is said to be one, and what arrived is kept', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
  try {
    const error = fetchIt({}, {}, join(small, 'file'));
    await expect(error).rejects.toMatchObject({
      code: 'HL_BUNDLE',
      message: expect.stringContaining('the disk is full'),
      hint: expect.stringContaining('make room'),
    });
    expect(mirror.seen).toHaveLength(1);
  } finally {
    execFileSync('umount', [small]);
    rmSync(small, { recursive: true });
  }
});
