// Apt repositories: where packages come from and which key signs them.
import type { Repository } from '../model/cluster.ts';
import { type Finding, type Problem, shown } from './issue.ts';
import { expandPath, type Places, pathProblem } from './paths.ts';
import { at } from './raw.ts';

type Key = Repository['key'];

/** Reads a file of the operator's disk; throws as node:fs does. */
export type ReadText = (path: string) => string;

/** The community-owned repository, one per minor version. https://kubernetes.io/blog/2023/08/15/pkgs-k8s-io-introduction/ */
export function kubernetesRepository(version: string): Repository {
  const minor = version.split('.').slice(0, 2).join('.');
  const url = `https://pkgs.k8s.io/core:/stable:/${minor}/deb/`;
  return { url, suite: '/', components: [], pin: [], key: { kind: 'url', url: `${url}Release.key` } };
}

/**
 * Docker's repository, the one that carries containerd.io. Its path has the machine's OS in it, and an inventory may mix
 * Debian and Ubuntu: {os} and {codename} are for the containerd phase to replace from facts (os.id, os.codename).
 */
export const dockerRepository: Repository = {
  url: 'https://download.docker.com/linux/{os}',
  suite: '{codename}',
  components: ['stable'],
  pin: [],
  key: { kind: 'url', url: 'https://download.docker.com/linux/{os}/gpg' },
};

/** The address is not repeated: it may hold a password, which is one of the things refused. */
export function checkUrl(value: string): Problem | undefined {
  const expectation = 'expected an address that begins with https://, http:// or file:/';
  if (!/^(https?:\/\/|file:\/)/.test(value) || /[\s\p{Cc}"'<>\\^`|]/u.test(value) || !URL.canParse(value)) {
    return { expectation };
  }
  const url = new URL(value);
  if (url.username || url.password) return { expectation: 'expected an address without user and password' };
  return undefined;
}

export function checkSuite(value: string): Problem | undefined {
  if (/^[A-Za-z0-9{}_.~/+-]+$/.test(value)) return undefined;
  return { expectation: `expected a suite such as bookworm, or / for a flat repository, not ${shown(value)}` };
}

export function checkComponent(value: string): Problem | undefined {
  if (/^[A-Za-z0-9_.~/+-]+$/.test(value)) return undefined;
  return { expectation: `expected a component such as main, not ${shown(value)}` };
}

export function checkPackage(value: string): Problem | undefined {
  if (/^[a-z0-9][a-z0-9+.-]+$/.test(value)) return undefined;
  return { expectation: `expected the name of a Debian package, not ${shown(value)}` };
}

export function checkKey(value: string): Problem | undefined {
  if (value === 'none') return undefined;
  if (/^https:\/\//.test(value)) return checkUrl(value);
  if (/^[a-z]+:\/\//i.test(value)) return { expectation: 'expected a key from an https:// address or a file' };
  return pathProblem(value);
}

/** The keys that an inventory names, files read; works on an inventory that is wrong elsewhere. */
export function readKeys(
  raw: unknown,
  places: Places,
  readText: ReadText,
): { readonly keys: ReadonlyMap<string, Key>; readonly findings: readonly Finding[] } {
  const keys = new Map<string, Key>();
  const findings: Finding[] = [];
  for (const section of ['kubernetes', 'containerd']) {
    const path = [section, 'repository', 'key'];
    const value = at(raw, path);
    if (typeof value !== 'string' || checkKey(value)) continue;
    if (value === 'none') keys.set(section, { kind: 'none' });
    else if (value.startsWith('https://')) keys.set(section, { kind: 'url', url: value });
    else {
      const text = read(expandPath(value, places), readText);
      if (typeof text === 'string') keys.set(section, { kind: 'text', text });
      else findings.push({ path, ...text });
    }
  }
  return { keys, findings };
}

function read(path: string, readText: ReadText): string | Problem {
  try {
    const text = readText(path);
    // Its text travels to the machines: a mistaken path must not send a private key there.
    if (text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----') && !text.includes('PRIVATE KEY')) return text;
    return { expectation: 'expected a file with an ASCII-armored PGP public key (gpg --armor --export)' };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { expectation: code === 'ENOENT' ? `no such file: ${path}` : `file cannot be read (${code}): ${path}` };
  }
}
