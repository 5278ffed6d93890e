// Charts out of a registry by real Helms, as a control plane asks for one: the lab bundle's programs, a registry on loopback with TLS.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explanationOf } from '../../src/engine/machine.ts';
import type { Chart } from '../../src/model/layers.ts';
import { chartScript, registriesFolder } from '../../src/resources/chart-source.ts';
import { beginning, explained } from '../../src/resources/release-script.ts';
import { type Mirror, startMirror } from '../bundle/mirror.ts';
import { ociChart } from '../bundle/small-world.ts';
import { layerVersions } from './bundle/layer-images.ts';
import { layersPath } from './layers-bundle.ts';
import { output, run } from './run.ts';

const lab = layersPath();
const reason = existsSync(lab) ? undefined : 'no lab bundle with layers here';
const arch = process.arch === 'x64' ? 'amd64' : process.arch;

describe.skipIf(reason !== undefined).each(['helm3', 'helm'] as const)(
  reason ?? 'a chart in a registry by %s',
  which => {
    let work = '';
    let mirror: Mirror;

    beforeAll(async () => {
      work = await mkdtemp(path.join(tmpdir(), 'homelab-oci-'));
      await mkdir(path.join(work, 'bin'));
      await symlink(path.join(lab, `tools/helm-${layerVersions[which]}-${arch}`), path.join(work, 'bin/helm'));
      const tls = await certificate();
      const served = ociChart('charts/web', '1.0.0_build.3', await packedChart());
      mirror = await startMirror({ ...served, tls, token: { login: 'me:hunter2' } });
    });
    afterAll(async () => {
      await mirror?.close();
      if (work) await rm(work, { recursive: true, force: true });
    });

    async function certificate() {
      const at = (name: string) => path.join(work, name);
      const request = [
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=registry',
      ];
      await run([
        ...(request as ['openssl']),
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        at('key'),
        '-out',
        at('crt'),
      ]);
      return { key: await readFile(at('key'), 'utf8'), cert: await readFile(at('crt'), 'utf8') };
    }

    async function packedChart(): Promise<Buffer> {
      await mkdir(path.join(work, 'web'));
      await writeFile(path.join(work, 'web/Chart.yaml'), 'apiVersion: v2\nname: web\nversion: 1.0.0+build.3\n');
      await run(['tar', '-czf', path.join(work, 'web.tgz'), '-C', work, 'web']);
      return readFile(path.join(work, 'web.tgz'));
    }

    /** What Helm, told of the registry what containerd is, says of the chart. */
    async function shown(password: string | undefined, more: Partial<Chart> = {}, isTrusted = true) {
      const { host } = new URL(mirror.url);
      const folder = await mkdtemp(path.join(work, 'machine-'));
      const registry = path.join(folder, host);
      await mkdir(registry);
      if (isTrusted) await writeFile(path.join(registry, 'ca.crt'), await readFile(path.join(work, 'crt')));
      const login = Buffer.from(`me:${password}`).toString('base64');
      const header = password === undefined ? '' : `[header]\nAuthorization = "Basic ${login}"\n`;
      await writeFile(path.join(registry, 'hosts.toml'), `server = "${mirror.url}"\n${header}`);
      const source = { kind: 'oci', url: `oci://${host}/charts` } as const;
      const chart: Chart = { name: 'web', version: '1.0.0+build.3', source, ...more };
      const script = `set -eu\n${beginning({ proxy: {} })}${chartScript(chart, undefined)}"$helm" show chart "$@"\n`;
      const env = { PATH: `${work}/bin:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: folder };
      const said = await output(['dash', '-c', script.replaceAll(registriesFolder, folder)], {
        env,
        timeoutMs: 120_000,
      });
      return {
        ...said,
        told: explanationOf(explained({ name: 'web', namespace: 'blog', chart }), said.stderr)?.message,
      };
    }

    test('comes with the CA and the login that containerd has', async () => {
      const { code, stdout, stderr } = await shown('hunter2');
      expect(code, stderr).toBe(0);
      // Nothing of the way there is among it.
      expect(stdout.trim().split('\n').toSorted()).toEqual(['apiVersion: v2', 'name: web', 'version: 1.0.0+build.3']);
    });

    test.each([
      ['a tag that is not there', () => shown('hunter2', { version: '2.0.0' }), /^there is no chart web 2\.0\.0/],
      ['a name that is not there', () => shown('hunter2', { name: 'other' }), /^there is no chart other/],
      ['no login', () => shown(undefined), /does not let us in/],
      ['a wrong login', () => shown('wrong'), /does not let us in/],
      ['nobody who vouches', () => shown('hunter2', {}, false), /cannot be reached/],
      [
        'nobody there',
        () => shown('hunter2', { source: { kind: 'oci', url: 'oci://127.0.0.1:9/charts' } }),
        /cannot be reached/,
      ],
    ])('%s is told in our words', async (_, asked, words) => {
      const { code, stderr, told } = await asked();
      expect(code).not.toBe(0);
      expect(told, stderr).toMatch(words);
    });
  },
);
