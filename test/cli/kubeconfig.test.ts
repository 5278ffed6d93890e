import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, describe, expect, it } from 'vitest';
import { kubeconfigPath, mergeKubeconfig, namedKubeconfig, renewKubeconfig } from '../../src/cli/kubeconfig.ts';
import { rewritePrivate, writePrivate } from '../../src/io/private-file.ts';
import { type Recorded, recorded } from '../certificates-sample.ts';
import { inventoryPath } from '../sample.ts';
import { runCli } from './run-cli.ts';

// As kubeadm writes it.
const adminConf = dump({
  apiVersion: 'v1',
  kind: 'Config',
  preferences: {},
  clusters: [
    { name: 'homelab', cluster: { server: 'https://k8s-api.home.arpa:6443', 'certificate-authority-data': 'Q0E=' } },
  ],
  users: [{ name: 'kubernetes-admin', user: { 'client-certificate-data': 'Q1JU', 'client-key-data': 'S0VZ' } }],
  contexts: [{ name: 'kubernetes-admin@homelab', context: { cluster: 'homelab', user: 'kubernetes-admin' } }],
  'current-context': 'kubernetes-admin@homelab',
});
const ours = namedKubeconfig(adminConf, 'homelab', undefined);
const work = {
  apiVersion: 'v1',
  kind: 'Config',
  preferences: { colors: true },
  clusters: [{ name: 'work', cluster: { server: 'https://work:443', 'insecure-skip-tls-verify': false } }],
  users: [{ name: 'work', user: { exec: { command: 'login', args: ['--now'] } } }],
  contexts: [{ name: 'work', context: { cluster: 'work', user: 'work', namespace: 'mine' } }],
  'current-context': 'work',
};
const merged = (theirs: string, use = false) => load(mergeKubeconfig(theirs, ours, 'config', use)) as typeof work;

const dir = mkdtempSync(join(tmpdir(), 'homelab-kubeconfig-'));
afterAll(() => rmSync(dir, { recursive: true }));
const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('the kubeconfig', () => {
  it('has the context named after the cluster, and everything that kubectl needs', () => {
    expect(load(ours)).toEqual({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'homelab',
          cluster: { server: 'https://k8s-api.home.arpa:6443', 'certificate-authority-data': 'Q0E=' },
        },
      ],
      users: [{ name: 'homelab-admin', user: { 'client-certificate-data': 'Q1JU', 'client-key-data': 'S0VZ' } }],
      contexts: [{ name: 'homelab', context: { cluster: 'homelab', user: 'homelab-admin' } }],
      'current-context': 'homelab',
    });
  });

  it('goes by another address where that is asked for', () => {
    expect(namedKubeconfig(adminConf, 'homelab', '192.168.0.10')).toContain('server: https://192.168.0.10:6443');
  });
});

describe('merging it', () => {
  it('leaves every other entry as it is, and the current context', () => {
    expect(merged(dump(work))).toEqual({
      ...work,
      clusters: [...work.clusters, expect.objectContaining({ name: 'homelab' })],
      users: [...work.users, expect.objectContaining({ name: 'homelab-admin' })],
      contexts: [...work.contexts, expect.objectContaining({ name: 'homelab' })],
    });
  });

  it('changes the current context when asked to, or where there was none', () => {
    expect(merged(dump(work), true)['current-context']).toBe('homelab');
    expect(merged(dump({ ...work, 'current-context': '' }))['current-context']).toBe('homelab');
    expect(merged('')['current-context']).toBe('homelab');
    // What kubectl itself leaves of a file whose contexts were all deleted.
    expect(merged('apiVersion: v1\nclusters: null\ncontexts: null\nkind: Config\nusers: null\n').clusters).toHaveLength(
      1,
    );
  });

  it('twice is once: our own entries are replaced', () => {
    const once = mergeKubeconfig(dump(work), ours, 'config', false);
    expect(mergeKubeconfig(once, ours, 'config', false)).toBe(once);
    const rebuilt = namedKubeconfig(adminConf.replace('Q0E=', 'TkVX'), 'homelab', undefined);
    const again = load(mergeKubeconfig(once, rebuilt, 'config', false)) as typeof work;
    expect(again.clusters).toHaveLength(2);
    expect(JSON.stringify(again)).not.toContain('Q0E=');
  });

  it.each(['- a list', 'clusters: 5', '{', 'clusters: [{cluster: {}}]'])('refuses %j and says which file', theirs => {
    expect(() => mergeKubeconfig(theirs, ours, '/home/me/.kube/config', false)).toThrow('/home/me/.kube/config');
  });

  it('goes where kubectl would write', () => {
    expect(kubeconfigPath({ HOME: '/home/me' })).toBe('/home/me/.kube/config');
    expect(kubeconfigPath({ HOME: '/home/me', KUBECONFIG: ':/a:/b' })).toBe('/a');
  });
});

describe('a merged kubeconfig after certs renew', () => {
  // Two certificates of one name, the second of which lasts half a minute longer.
  const certificate = (of: Recorded) =>
    Buffer.from(/super-admin\.conf\n([\s\S]*?END CERTIFICATE-----)/.exec(recorded(of))?.[1] ?? '').toString('base64');
  const [old, fresh] = [certificate('before'), certificate('after')];
  const named = (data: string, server?: string) => namedKubeconfig(adminConf.replace('Q1JU', data), 'homelab', server);
  const theirs = mergeKubeconfig(dump(work), named(old, '192.168.0.10'), 'config', false);

  it('has the new certificate in the same entry; server, other contexts and the current one stay', () => {
    const renewed = renewKubeconfig(theirs, named(fresh), 'config') ?? '';
    expect(load(renewed)).toEqual(load(theirs.replace(old, fresh)));
    expect(renewed).toContain('https://192.168.0.10:6443');
  });

  it.each([
    ['it was never merged', dump(work)],
    ['its certificate is the newer one', mergeKubeconfig(dump(work), named(fresh), 'config', false)],
    ['it is another cluster’s of the same name', theirs.replace('Q0E=', 'Q0Ey')],
    ['it logs in by other means', theirs.replace(old, '')],
  ])('is left alone where %s', (_, text) => {
    expect(renewKubeconfig(text, named(text.includes(fresh) ? old : fresh), 'config')).toBeUndefined();
  });
});

describe('a private file', () => {
  it('is its owner’s alone, in a folder that is too', async () => {
    const path = join(dir, 'new', 'config');
    await writePrivate(path, 'text');
    expect([readFileSync(path, 'utf8'), modeOf(path), modeOf(join(dir, 'new'))]).toEqual(['text', 0o600, 0o700]);
  });

  it('keeps what was there before, and stays a link where it was one', async () => {
    const target = join(dir, 'dotfiles');
    const path = join(dir, 'link');
    writeFileSync(target, 'before');
    chmodSync(target, 0o644);
    symlinkSync(target, path);
    await rewritePrivate(path, before => `${before} and after`);
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect([readFileSync(target, 'utf8'), modeOf(target)]).toEqual(['before and after', 0o600]);
    expect([readFileSync(`${path}.homelab-backup`, 'utf8'), modeOf(`${path}.homelab-backup`)]).toEqual([
      'before',
      0o600,
    ]);
  });

  it('is left alone where nothing changes or the change fails, and the lock is given back', async () => {
    const path = join(dir, 'kept');
    writeFileSync(path, 'same');
    await rewritePrivate(path, before => before);
    await expect(
      rewritePrivate(path, () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(readFileSync(path, 'utf8')).toBe('same');
    expect([`${path}.lock`, `${path}.homelab-backup`, `${path}.homelab-new`].filter(each => existsSync(each))).toEqual(
      [],
    );
  });

  it('that kubectl is changing is not touched', async () => {
    const path = join(dir, 'locked');
    writeFileSync(path, 'theirs');
    writeFileSync(`${path}.lock`, '');
    await expect(rewritePrivate(path, () => 'ours')).rejects.toThrow(`${path}.lock`);
    expect([readFileSync(path, 'utf8'), existsSync(`${path}.lock`)]).toEqual(['theirs', true]);
  });
});

describe('homelab kubeconfig', () => {
  it.each([
    [['--out', 'x', '--merge'], 'exclude each other'],
    [['--use'], '--merge'],
  ])('exits 2 at %j', async (argv, message) => {
    const { code, stderr } = await runCli(['kubeconfig', '-i', inventoryPath, '--rehearse', ...argv]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
