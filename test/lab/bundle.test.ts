import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseIndexTargets, withoutEpoch } from './bundle/debian.ts';
import { addFiles, writeBareRoot, writeImage } from './bundle/image.ts';
import { renderScripts, writePackage } from './bundle/package.ts';
import { isOlderGo } from './bundle/prerequisites.ts';
import { goModuleHash, goModulesOf, hostTools, imagesOf, packagesOf, recipeHash } from './bundle/recipe.ts';
import { releaseOf, releases } from './bundle/releases.ts';
import { run } from './bundle/run.ts';
import { sumsOf } from './bundle/sums.ts';
import { bundlePath } from './bundle.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lab-bundle-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const own = releaseOf();

describe('recipe', () => {
  test.each(releases)('everything that is packed for $kubernetes is built', release => {
    const built = new Set([...goModulesOf(release).flatMap(({ commands }) => Object.keys(commands)), 'pause']);
    const packed = [
      ...imagesOf(release).flatMap(({ files }) => Object.values(files)),
      ...packagesOf(release).flatMap(({ binaries }) => Object.values(binaries)),
      ...hostTools,
    ];
    expect(packed.filter(name => !built.has(name))).toEqual([]);
  });

  test('the hash is the same each time, and another toolchain or stamp is another part', () => {
    expect(recipeHash(own)).toBe(recipeHash(own));
    const [module] = goModulesOf(own);
    if (module === undefined) throw new Error('no modules');
    const hashes = [module, { ...module, toolchain: 'go1.22.5' }, { ...module, stamps: {} }].map(goModuleHash);
    expect(new Set(hashes).size).toBe(3);
  });

  test('releases stand side by side, and share the parts that are the same', () => {
    expect(new Set(releases.map(recipeHash)).size).toBe(releases.length);
    const parts = (kubernetes: string) =>
      goModulesOf(releaseOf(kubernetes)).map(part => `${part.name} ${goModuleHash(part)}`);
    const shared = parts('v1.31.1').filter(part => parts('v1.31.4').includes(part));
    expect(shared.map(part => part.split(' ')[0])).toEqual(['containerd', 'etcd-v3.5.15', 'coredns', 'cni-plugins']);
  });

  test.each(releases)('the wrapper modules of $kubernetes ask for the versions that are stamped', async release => {
    const { kubernetes, etcd } = release;
    const goMod = (name: string) => readFile(new URL(`go/${name}/go.mod`, import.meta.url), 'utf8');
    const [commands, etcds] = [await goMod(`kubernetes-${kubernetes}`), await goMod(`etcd-${etcd}`)];
    expect(commands).toContain(`require k8s.io/kubernetes ${kubernetes}\n`);
    const replaced = [...commands.matchAll(/^\t(\S+) => (\S+) (\S+)$/gm)];
    expect(replaced.length).toBeGreaterThanOrEqual(30);
    expect(replaced.filter(([, from, to, v]) => from !== to || v !== kubernetes.replace('v1.', 'v0.'))).toEqual([]);
    for (const name of ['server', 'etcdctl', 'etcdutl'])
      expect(etcds).toContain(`go.etcd.io/etcd/${name}/v3 ${etcd}\n`);
  });

  test('a release that cannot be built is refused with those that can', () => {
    expect(() => releaseOf('v1.30.0')).toThrow('v1.30.0');
    expect(() => bundlePath('1.31.4')).toThrow(
      expect.objectContaining({ hint: 'use one of v1.31.1, v1.31.4, v1.32.0' }),
    );
  });

  test('the bundle is in the cache folder that the environment names', () => {
    vi.stubEnv('HOMELAB_LAB_CACHE', '/somewhere');
    expect(bundlePath()).toBe(`/somewhere/bundle-${recipeHash(own)}`);
    expect(bundlePath('v1.31.4')).toBe(`/somewhere/bundle-${recipeHash(releaseOf('v1.31.4'))}`);
    vi.unstubAllEnvs();
  });
});

describe('images', () => {
  test('are a docker archive whose sums are right, and the same bytes from the same tree', async () => {
    const program = path.join(folder, 'program');
    await writeFile(program, '#!/bin/sh\n', { mode: 0o700 });
    const archives: Buffer[] = [];
    for (const round of ['first', 'second']) {
      const root = path.join(folder, round);
      await writeBareRoot(root, new Map([['/usr/local/bin/program', program]]));
      const file = path.join(folder, `${round}.tar.gz`);
      const scratch = path.join(folder, 'image');
      const entrypoint = ['/usr/local/bin/program'];
      await writeImage({
        reference: 'example.test/program:1',
        architecture: 'amd64',
        entrypoint,
        user: '1:1',
        root,
        scratch,
        file,
      });
      archives.push(await readFile(file));
    }
    expect(archives[0]?.equals(archives[1] ?? Buffer.alloc(0))).toBe(true);

    const out = path.join(folder, 'unpacked');
    await mkdir(out);
    await writeFile(path.join(folder, 'plain.tar'), gunzipSync(archives[0] ?? Buffer.alloc(0)));
    await run(['tar', '--extract', `--file=${folder}/plain.tar`, `--directory=${out}`]);
    const [manifest] = JSON.parse(await readFile(path.join(out, 'manifest.json'), 'utf8'));
    expect(manifest.RepoTags).toEqual(['example.test/program:1']);
    const config = await readFile(path.join(out, manifest.Config));
    expect(manifest.Config).toBe(`${createHash('sha256').update(config).digest('hex')}.json`);
    const layer = path.join(out, manifest.Layers[0]);
    expect(JSON.parse(config.toString())).toMatchObject({
      architecture: 'amd64',
      config: { User: '1:1', Entrypoint: ['/usr/local/bin/program'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${(await sumsOf(layer)).sha256}`] },
    });
    const listing = await run(['tar', '--list', '--verbose', '--numeric-owner', `--file=${layer}`]);
    expect(listing).toMatch(/^-rwxr-xr-x 0\/0 +10 1970-01-01 00:00 usr\/local\/bin\/program$/m);
    expect(listing).toMatch(/^drwxrwxrwt 0\/0 .* tmp\/$/m);
  });

  test('files are executable in the image whatever they were on disk', async () => {
    const root = path.join(folder, 'tree');
    await mkdir(root);
    await writeFile(path.join(folder, 'plain'), 'x', { mode: 0o600 });
    await addFiles(root, new Map([['/a/b', path.join(folder, 'plain')]]));
    expect(await run(['stat', '--format=%a', path.join(root, 'a/b')])).toBe('755\n');
  });
});

describe('packages', () => {
  test('a service package has its unit, its conffile and sums that dpkg can check', async () => {
    const spec = packagesOf(own).find(({ name }) => name === 'kubelet');
    if (spec === undefined) throw new Error('no kubelet');
    await writeFile(path.join(folder, 'kubelet'), 'binary');
    const pool = path.join(folder, 'pool');
    await mkdir(pool);
    const binaries = new Map([['kubelet', path.join(folder, 'kubelet')]]);
    await writePackage({ spec, architecture: 'amd64', binaries, scratch: path.join(folder, 'deb'), pool });
    expect(await readdir(pool)).toEqual(['kubelet_1.31.1-1.1_amd64.deb']);
    const deb = path.join(pool, 'kubelet_1.31.1-1.1_amd64.deb');
    expect(await run(['dpkg-deb', '--field', deb, 'Package', 'Version', 'Depends'])).toBe(
      `Package: kubelet\nVersion: 1.31.1-1.1\nDepends: ${spec.depends.join(', ')}\n`,
    );
    expect(await run(['dpkg-deb', '--info', deb, 'conffiles'])).toBe('/etc/default/kubelet\n');
    const sum = createHash('md5').update('binary').digest('hex');
    expect(await run(['dpkg-deb', '--info', deb, 'md5sums'])).toContain(`${sum}  usr/bin/kubelet\n`);
    const content = await run(['dpkg-deb', '--contents', deb]);
    expect(content).toMatch(/^-rwxr-xr-x root\/root .* \.\/usr\/bin\/kubelet$/m);
    expect(content).toMatch(/^-rw-r--r-- root\/root .* \.\/usr\/lib\/systemd\/system\/kubelet\.service$/m);
  });

  test('maintainer scripts are sh', async () => {
    for (const spec of packagesOf(own)) {
      for (const [name, text] of Object.entries(renderScripts(spec))) {
        const file = path.join(folder, `${spec.name}.${name}`);
        await writeFile(file, text);
        await run(['dash', '-n', file]);
      }
    }
  });
});

describe('Debian', () => {
  test('its sources are its own, main, and have the release itself among them', () => {
    const lines = [
      'Packages\tDebian\tbookworm\tmain\thttp://mirror.test/debian/',
      'DEP-11\tDebian\tbookworm\tmain\thttp://mirror.test/debian/',
      'Packages\tDebian\tbookworm-security\tmain\thttp://mirror.test/security/',
      'Packages\tDebian\tbookworm\tcontrib\thttp://mirror.test/debian/',
      'Packages\tSomebody\tbookworm\tmain\thttp://somebody.test/',
    ];
    expect(parseIndexTargets(lines.join('\n'))).toEqual([
      { uri: 'http://mirror.test/debian/', suite: 'bookworm' },
      { uri: 'http://mirror.test/security/', suite: 'bookworm-security' },
    ]);
    expect(parseIndexTargets(lines.slice(2).join('\n'))).toEqual([]);
  });

  test('file names lose the epoch', () => {
    expect(withoutEpoch('iproute2_6.1.0-3_amd64.deb')).toBe('iproute2_6.1.0-3_amd64.deb');
    expect(withoutEpoch('nfs-common_1%3a2.6.2-4_amd64.deb')).toBe('nfs-common_2.6.2-4_amd64.deb');
  });
});

test('Go 1.22 and newer will do', () => {
  expect(['go1.21.13', 'go1.22.0', 'go1.26.8', 'devel'].map(isOlderGo)).toEqual([true, false, false, false]);
});
