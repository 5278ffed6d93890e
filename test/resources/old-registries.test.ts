import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { oldRegistries } from '../../src/resources/old-registries.ts';
import { apply, changeOf, observe, scratch } from './rig.ts';

const mark = '# Written by homelab.';

/** A folder of registries: kept, gone, gone with a file of somebody's, and one that is somebody else's altogether. */
function registries() {
  const root = join(scratch(), 'certs.d');
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const name of ['kept', 'gone', 'shared']) {
    write(`${name}/hosts.toml`, `${mark}\nserver = "https://${name}"\nca = "${root}/${name}/ca.crt"\n`);
    write(`${name}/ca.crt`, 'a CA');
  }
  write('shared/client.cert', 'of somebody');
  write('theirs/hosts.toml', `server = "https://theirs"\n${mark}\n`);
  write('no-mention/hosts.toml', `${mark}\nserver = "https://no-mention"\n`);
  write('no-mention/ca.crt', 'of somebody');
  return {
    root,
    resource: oldRegistries({ root, mark, wanted: ['kept'] }),
    has: (path: string) => existsSync(join(root, path)),
  };
}

describe('registries that left the inventory', () => {
  it('are those that homelab wrote and nobody wants', () => {
    const { root, resource } = registries();
    expect(observe(resource)).toEqual(['gone', 'no-mention', 'shared']);
    expect(changeOf(resource, ['gone'])).toMatchObject({ risk: 'safe', diff: `- ${root}/gone` });
    expect(resource.change([], [])).toBeUndefined();
  });

  it('are taken away with their CA, and nothing of anybody else', () => {
    const { resource, has } = registries();
    expect(apply(resource)).toMatchObject({ code: 0, stderr: '' });
    expect(observe(resource)).toEqual(resource.desired);
    expect(['gone', 'shared/hosts.toml', 'shared/ca.crt', 'no-mention/hosts.toml'].filter(has)).toEqual([]);
    const left = ['kept/hosts.toml', 'kept/ca.crt', 'shared/client.cert', 'theirs/hosts.toml', 'no-mention/ca.crt'];
    expect(left.filter(has)).toEqual(left);
  });

  it('are none where there is no such folder', () => {
    expect(observe(oldRegistries({ root: join(scratch(), 'none'), mark, wanted: [] }))).toEqual([]);
  });
});
