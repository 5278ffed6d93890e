// Registries and proxies: forms of their names and addresses, and the certificates that registries are trusted by.
import { X509Certificate } from 'node:crypto';
import { toSubnet } from './addresses.ts';
import { type Finding, type Problem, shown } from './issue.ts';
import { isSubdomain } from './names.ts';
import { expandPath, type Places, pathProblem } from './paths.ts';
import { at } from './raw.ts';
import { checkUrl, type ReadText } from './repositories.ts';
import type { Rule } from './rule.ts';

/** host[:port]: it becomes a folder on every machine. */
export function checkRegistry(value: string): Problem | undefined {
  const [, name = '', port] = /^([A-Za-z0-9.-]+?)(?::([0-9]{1,5}))?$/.exec(value) ?? [];
  const isHost = isSubdomain(name) && (name.includes('.') || name === 'localhost' || port !== undefined);
  if (isHost && Number(port ?? 1) <= 65535) return undefined;
  return { expectation: `expected a registry's host such as ghcr.io or mirror.home.arpa:5000, not ${shown(value)}` };
}

export function checkMirror(value: string): Problem | undefined {
  if (!/^https?:\/\//.test(value)) return { expectation: 'expected an address that begins with https:// or http://' };
  return checkUrl(value);
}

/** It goes through curl-like tools, systemd and apt alike. */
export function checkProxyUrl(value: string): Problem | undefined {
  const problem = checkMirror(value);
  if (problem) return problem;
  const url = new URL(value);
  return url.pathname === '/' && url.search === '' && /^[A-Za-z0-9.:/-]+$/.test(value)
    ? undefined
    : { expectation: 'expected a proxy such as http://proxy.home.arpa:3128, without a path' };
}

export function checkNoProxy(value: string): Problem | undefined {
  if (isSubdomain(value.replace(/^\./, '')) || toSubnet(value) !== undefined) return undefined;
  return { expectation: `expected a name, .domain, address or subnet, not ${shown(value)}` };
}

/** In `user:password` the first colon ends the name (RFC 7617). */
export function checkCredentialName(value: string): Problem | undefined {
  if (/^[^\s\p{Cc}:]+$/u.test(value)) return undefined;
  return { expectation: 'expected a login name without spaces and colons' };
}

export const proxyGiven: Rule = raw => {
  const proxy = at(raw, ['proxy']);
  if (typeof proxy !== 'object' || proxy === null || Array.isArray(proxy)) return [];
  if (at(proxy, ['http']) !== undefined || at(proxy, ['https']) !== undefined) return [];
  return [{ path: ['proxy'], expectation: 'expected http, https or both; leave proxy out where there is none' }];
};

/** The certificates that an inventory names, files read; works on an inventory that is wrong elsewhere. */
export function readCas(
  raw: unknown,
  places: Places,
  readText: ReadText,
): { readonly cas: ReadonlyMap<string, string>; readonly findings: readonly Finding[] } {
  const cas = new Map<string, string>();
  const findings: Finding[] = [];
  const registries = at(raw, ['containerd', 'registries']);
  for (const host of typeof registries === 'object' && registries !== null ? Object.keys(registries) : []) {
    const path = ['containerd', 'registries', host, 'ca'];
    const value = at(raw, path);
    if (typeof value !== 'string' || pathProblem(value)) continue;
    const found = readPem(expandPath(value, places), readText);
    if (typeof found === 'string') cas.set(host, found);
    else findings.push({ path, ...found });
  }
  return { cas, findings };
}

/** Certificates alone: what is named here by mistake must not travel. */
export function readPem(path: string, readText: ReadText): string | Problem {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { expectation: code === 'ENOENT' ? `no such file: ${path}` : `file cannot be read (${code}): ${path}` };
  }
  const expectation = `expected PEM certificates alone in ${path}`;
  // It travels to every machine: a mistaken path must not send a private key there.
  if (text.includes('PRIVATE KEY')) return { expectation };
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch {
    return { expectation };
  }
  return blocks.length > 0 ? `${blocks.join('\n')}\n` : { expectation };
}
