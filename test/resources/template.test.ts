import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderTemplate } from '../../src/resources/template.ts';
import { root } from '../sample.ts';

const network = { cluster: 'homelab', podSubnet: '10.244.0.0/16', routes: [] };

describe('templates', () => {
  const folder = join(root, 'templates');

  it.each(readdirSync(folder))('%s has no value that is not quoted for its language', name => {
    const bare = [...readFileSync(join(folder, name), 'utf8').matchAll(/\{\{([^}]*)\}\}/g)]
      .map(match => match[1] ?? '')
      .filter(inner => !/^(unit [\w.]+|#each \w+|\/each|#if \w+|\/if|else)$/.test(inner));
    expect(bare).toEqual([]);
  });

  it('throw for a value that is missing', () => {
    expect(() =>
      renderTemplate('homelab-network.service', { ...network, routes: [{ host: 'a', subnet: '10.0.0.0/24' }] }),
    ).toThrow(/not a value/);
    expect(() => renderTemplate('homelab-network.service', { cluster: 'homelab', routes: [] })).toThrow();
  });

  it.each(['%i', '$HOME', 'a"b', "it's", 'a\nb', 'a\\b', '', '`id`', 'a;b'])(
    'throw for %j, which a unit file would misread',
    cluster => {
      expect(() => renderTemplate('homelab-network.service', { ...network, cluster })).toThrow(/not a value/);
    },
  );
});
