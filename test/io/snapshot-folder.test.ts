// What doctor looks at may come from a folder: its own, or lists that anybody saved.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { objects } from '../../src/doctor/snapshot.ts';
import { loadSnapshot, saveSnapshot } from '../../src/io/snapshot-folder.ts';
import { recorded, states } from '../doctor/recorded.ts';
import { root } from '../sample.ts';

const made: string[] = [];
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'homelab-snapshot-'));
  made.push(path);
  return path;
};
const copy = (state: string): string => {
  const path = folder();
  cpSync(join(root, 'test/fixtures/doctor/recorded', state), path, { recursive: true });
  return path;
};
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

describe('lists as kubectl printed them', () => {
  it.each(states)('are read whole: %s', async state => {
    const snapshot = await recorded(state);
    for (const [kind, look] of Object.entries(snapshot.lists)) {
      if (look.state === 'seen') expect([kind, look.unreadable]).toEqual([kind, 0]);
    }
    expect(objects(snapshot, 'nodes').map(({ metadata }) => metadata.name)).toEqual(['n1', 'n2']);
    expect(snapshot.machines.map(({ name, role }) => [name, role])).toEqual([
      ['n1', 'control-plane'],
      ['n2', 'worker'],
    ]);
    expect(new Date(snapshot.at).toISOString()).toMatch(/^2026-11-21T20:/);
  });

  it('need not be there, and an empty one is not a missing one', async () => {
    const snapshot = await recorded('broken-pods');
    expect(snapshot.lists.statefulsets).toEqual({ state: 'seen', items: [], unreadable: 0 });
    expect(snapshot.lists.apiservices).toEqual({ state: 'unknown', why: 'not in this folder' });
    expect(snapshot.machines[0]?.unreached?.kind).toBe('not asked');
  });

  it('may be mixed in one file, as kubectl get nodes,pods prints them', async () => {
    const path = folder();
    const items = ['nodes', 'pods'].flatMap(
      name =>
        JSON.parse(readFileSync(join(root, `test/fixtures/doctor/recorded/broken-pods/${name}.json`), 'utf8')).items,
    );
    writeFileSync(join(path, 'all.json'), JSON.stringify({ kind: 'List', apiVersion: 'v1', items }));
    const snapshot = await loadSnapshot(path);
    expect(objects(snapshot, 'nodes')).toHaveLength(2);
    expect(objects(snapshot, 'pods')).toHaveLength(13);
  });

  it("do not take another group's kind of the same name", async () => {
    const path = copy('broken-pods');
    const theirs = {
      kind: 'Node',
      apiVersion: 'longhorn.io/v1beta2',
      metadata: { name: 'n1', namespace: 'longhorn-system' },
    };
    writeFileSync(join(path, 'longhorn.json'), JSON.stringify({ kind: 'List', apiVersion: 'v1', items: [theirs] }));
    expect(objects(await loadSnapshot(path), 'nodes')).toHaveLength(2);
  });
});

describe('a folder that is not what it should be', () => {
  it('says which kind is cut short, and reads the rest', async () => {
    const path = copy('broken-pods');
    truncateSync(join(path, 'pods.json'), 50_000);
    const snapshot = await loadSnapshot(path);
    expect(snapshot.lists.pods).toMatchObject({
      state: 'unknown',
      why: expect.stringMatching(/^pods\.json: no JSON: /),
    });
    expect(objects(snapshot, 'nodes')).toHaveLength(2);
  });

  it('counts objects that are none and keeps the others', async () => {
    const path = copy('broken-pods');
    const pods = JSON.parse(readFileSync(join(path, 'pods.json'), 'utf8'));
    pods.items.push({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 7 } }, null, 'pod', {
      kind: 'Pod',
      apiVersion: 'v1',
    });
    writeFileSync(join(path, 'pods.json'), JSON.stringify(pods));
    const { lists } = await loadSnapshot(path);
    expect(lists.pods).toMatchObject({ state: 'seen', unreadable: 4 });
    expect(lists.pods.state === 'seen' && lists.pods.items).toHaveLength(13);
  });

  it('has no NUL in what is read: it would fit into no command', async () => {
    const path = copy('broken-pods');
    const nodes = readFileSync(join(path, 'nodes.json'), 'utf8');
    writeFileSync(join(path, 'nodes.json'), nodes.replaceAll('"n2"', '"n\\u00002"'));
    const { lists } = await loadSnapshot(path);
    expect(lists.nodes).toMatchObject({ items: [{ metadata: { name: 'n1' } }], unreadable: 1 });
  });

  it('takes no name that Kubernetes would not: a person types it', async () => {
    const path = copy('broken-pods');
    const nodes = readFileSync(join(path, 'nodes.json'), 'utf8');
    const pods = readFileSync(join(path, 'pods.json'), 'utf8');
    writeFileSync(join(path, 'nodes.json'), nodes.replaceAll('"n2"', '"$(reboot)"'));
    writeFileSync(join(path, 'pods.json'), pods.replaceAll('"n2"', '"$(reboot)"'));
    mkdirSync(join(path, 'machines'));
    writeFileSync(join(path, 'machines', '$(reboot).json'), '{}');
    const snapshot = await loadSnapshot(path);
    expect(snapshot.machines.map(({ name }) => name)).toEqual(['n1']);
    expect(snapshot.lists.nodes).toMatchObject({ unreadable: 1 });
    expect(objects(snapshot, 'pods').some(({ spec }) => spec.nodeName === '')).toBe(true);
    expect(JSON.stringify(snapshot.lists.pods)).not.toContain('"nodeName":"$(reboot)"');
  });

  it.each([
    ['nothing there', '/nowhere', /cannot be read/],
    ['nothing in it', '', /holds nothing that doctor reads/],
  ])('%s', async (_, path, message) => {
    await expect(loadSnapshot(path || folder())).rejects.toMatchObject({
      code: 'HL_USAGE',
      message: expect.stringMatching(message),
    });
  });
});

describe('what is saved', () => {
  it('is what is read again', async () => {
    const snapshot = await recorded('worker-kubelet-stopped');
    const path = join(folder(), 'saved');
    await saveSnapshot(path, snapshot);
    expect(await loadSnapshot(path)).toEqual({ ...snapshot, api: snapshot.api });
  });

  it('does not fall on other files', async () => {
    const path = copy('broken-pods');
    await expect(saveSnapshot(path, await recorded('broken-pods'))).rejects.toMatchObject({ code: 'HL_USAGE' });
  });

  it('has no environment, no annotation of strangers and no text of a ConfigMap that no rule reads', async () => {
    const path = folder();
    const metadata = {
      name: 'x',
      namespace: 'y',
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'hunter2' },
    };
    const spec = {
      containers: [{ name: 'a', env: [{ name: 'PASSWORD', value: 'hunter2' }], args: ['--token=hunter2'] }],
    };
    const items = [
      { kind: 'Pod', apiVersion: 'v1', metadata, spec },
      { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { 'my.conf': 'hunter2' } },
      { kind: 'Secret', apiVersion: 'v1', metadata, data: { password: 'hunter2' } },
    ];
    writeFileSync(join(path, 'all.json'), JSON.stringify({ kind: 'List', apiVersion: 'v1', items }));
    expect(JSON.stringify(await loadSnapshot(path))).not.toContain('hunter2');
  });
});
