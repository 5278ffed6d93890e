import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  indexFiles,
  newest,
  parseIndex,
  parsePackages,
  parseRelease,
  withoutSignature,
} from '../../src/bundle/apt-index.ts';
import { compareVersions } from '../../src/bundle/debian-version.ts';
import { parseImageRef } from '../../src/bundle/image-ref.ts';
import { endpointsOf } from '../../src/bundle/wanted.ts';

const sum = (digit: string) => digit.repeat(64);

describe('a Release file', () => {
  const text = `Origin: x\nMD5Sum:\n ${'a'.repeat(32)} 10 Packages.gz\nSHA256:\n ${sum('1')} 10 main/binary-amd64/Packages\n ${sum('2')} 5 main/binary-amd64/Packages.gz\n ${sum('3')} 5 Packages\nAcquire-By-Hash: yes\n`;

  it('names its files with their sha256', () => {
    expect(parseRelease(text)).toEqual([
      { path: 'main/binary-amd64/Packages', sha256: sum('1') },
      { path: 'main/binary-amd64/Packages.gz', sha256: sum('2') },
      { path: 'Packages', sha256: sum('3') },
    ]);
    expect(parseRelease('<html>')).toEqual([]);
  });

  it('has an index for each component and architecture, or one for all', () => {
    const files = parseRelease(text);
    expect(indexFiles(files, ['main'], 'amd64').map(file => file.sha256)).toEqual([sum('2')]);
    expect(indexFiles(files, [], 'amd64').map(file => file.sha256)).toEqual([sum('3')]);
    expect(indexFiles(files, ['main'], 'arm64')).toEqual([]);
  });

  it('can be had out of InRelease', () => {
    const signed = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: x\n- -dash: y\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n`;
    expect(withoutSignature(signed)).toBe('Origin: x\n-dash: y\n');
  });
});

describe('Packages', () => {
  const paragraph = (name: string, version: string, arch: string, sha = sum('a')) =>
    `Package: ${name}\nArchitecture: ${arch}\nVersion: ${version}\nFilename: ./pool/${name}.deb\nSize: 7\nSHA256: ${sha}\nDescription: x\n Package: fake\n`;

  it('gives the wanted names for the architecture, and nothing without a sum', () => {
    const text = [
      paragraph('kubeadm', '1.31.1-1.1', 'amd64'),
      paragraph('kubeadm', '1.31.1-1.1', 'arm64'),
      paragraph('kubelet', '1.31.1-1.1', 'amd64', ''),
      paragraph('other', '1', 'amd64'),
      paragraph('docs', '1', 'all'),
    ].join('\n');
    expect(
      parseIndex(text, ['kubeadm', 'kubelet', 'docs', 'fake'], 'amd64').map(
        deb => `${deb.name} ${deb.arch} ${deb.filename}`,
      ),
    ).toEqual(['kubeadm amd64 pool/kubeadm.deb', 'docs all pool/docs.deb']);
  });

  it('is read paragraph by paragraph', () => {
    expect(parsePackages(paragraph('a', '1:2', 'all'))).toEqual([
      { name: 'a', version: '1:2', arch: 'all', filename: 'pool/a.deb', bytes: 7, sha256: sum('a') },
    ]);
  });

  it('chooses the newest that will do', () => {
    const debs = parseIndex(
      ['1.31.1-1.1', '1.31.10-1.1', '1.31.9-1.1'].map(each => paragraph('k', each, 'all')).join('\n'),
      ['k'],
      'amd64',
    );
    expect(newest(debs, () => true)?.version).toBe('1.31.10-1.1');
    expect(newest(debs, version => version.startsWith('1.31.9'))?.version).toBe('1.31.9-1.1');
    expect(newest(debs, () => false)).toBeUndefined();
  });
});

const hasDpkg = spawnSync('dpkg', ['--version']).status === 0;
describe('versions', () => {
  it.each([
    ['1.31.9-1.1', '1.31.10-1.1'],
    ['2.1.5~rc1-1', '2.1.5-1'],
    ['2.1.5-1', '1:1.0-1'],
    ['1.0', '1.0-1'],
    ['1.0a', '1.0+b'],
  ])('%s is older than %s', (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  });

  it.skipIf(!hasDpkg)('stand in the order that dpkg gives them', () => {
    const part = fc.stringMatching(/^[0-9][0-9a-z.+~]{0,8}$/);
    const version = fc
      .tuple(fc.constantFrom('', '1:'), part, fc.constantFrom('', '-1', '-1.1', '-2~bpo1'))
      .map(parts => parts.join(''));
    fc.assert(
      fc.property(version, version, (left, right) => {
        const isOlder = spawnSync('dpkg', ['--compare-versions', left, 'lt', right]).status === 0;
        expect(compareVersions(left, right) < 0).toBe(isOlder);
      }),
      { numRuns: 150 },
    );
  });
});

describe('the name of an image', () => {
  it.each([
    ['registry.k8s.io/coredns/coredns:v1.11.3', 'registry.k8s.io', 'coredns/coredns', 'v1.11.3'],
    ['mirror.home.arpa:5000/app', 'mirror.home.arpa:5000', 'app', 'latest'],
    ['nginx:1.27', 'docker.io', 'library/nginx', '1.27'],
    ['user/app', 'docker.io', 'user/app', 'latest'],
    [`ghcr.io/a/b@sha256:${sum('1')}`, 'ghcr.io', 'a/b', `sha256:${sum('1')}`],
  ])('%s is taken apart', (text, registry, repository, reference) => {
    expect(parseImageRef(text)).toMatchObject({ registry, repository, reference });
  });

  it('that is none is refused', () => {
    for (const text of ['', 'UPPER:1', 'a b', 'x:', '../x'])
      expect(() => parseImageRef(text), text).toThrow('is not the name');
  });
});

it('a registry is asked after its mirrors, each with its own login', () => {
  const secret = { kind: 'env' as const, name: 'X' };
  const credentials = { username: 'me', password: secret };
  const registries = [
    {
      host: 'docker.io',
      mirrors: ['https://mirror.test:5000/v2/hub', 'https://other.test'],
      ca: undefined,
      credentials: undefined,
    },
    { host: 'mirror.test:5000', mirrors: [], ca: undefined, credentials },
  ];
  expect(endpointsOf('docker.io', registries)).toEqual([
    { api: 'https://mirror.test:5000/v2/hub/v2', credentials },
    { api: 'https://other.test/v2', credentials: undefined },
    { api: 'https://registry-1.docker.io/v2', credentials: undefined },
  ]);
});
