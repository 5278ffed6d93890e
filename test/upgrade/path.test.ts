import { describe, expect, it } from 'vitest';
import { upgradePath } from '../../src/upgrade/path.ts';

const all = (version: string, kubelet = version) => ({
  apiServers: { cp: version },
  kubelets: { cp: kubelet, w: kubelet },
});

describe('the way of an upgrade', () => {
  it.each([
    ['a patch at once', all('1.31.1'), 'v1.31.4', [], ['v1.31.4']],
    ['a minor at once, without a patch before it', all('1.31.1'), 'v1.32.0', ['v1.31.4', 'v1.32.0'], ['v1.32.0']],
    ['nothing where all is there', all('1.31.4'), 'v1.31.4', ['v1.31.4'], []],
    [
      'through the newest patch that can be had of each minor between',
      all('1.31.1'),
      'v1.34.0',
      ['v1.32.0', 'v1.32.10', 'v1.32.9', 'v1.33.1', 'v1.33.2-rc.1', 'v1.34.0'],
      ['v1.32.10', 'v1.33.1', 'v1.34.0'],
    ],
    ['what was begun first', all('1.32.0', '1.31.1'), 'v1.33.1', [], ['v1.32.0', 'v1.33.1']],
    ['what was begun, also when it is the wanted one', all('1.32.0', '1.31.1'), 'v1.32.0', [], ['v1.32.0']],
    ['also for a kubelet that somebody updated by hand', all('1.31.1', '1.32.0'), 'v1.32.0', [], ['v1.32.0']],
    [
      'control planes that differ, then on',
      { apiServers: { a: '1.31.4', b: '1.31.1' }, kubelets: { a: '1.31.4', b: '1.31.1' } },
      '1.32.0',
      [],
      ['v1.31.4', 'v1.32.0'],
    ],
    [
      'no hop to a kubelet that no API server may reach in one',
      all('1.31.1', '1.33.0'),
      'v1.33.0',
      ['v1.32.3'],
      ['v1.32.3', 'v1.33.0'],
    ],
  ])('goes %s', (_, now, to, available, hops) => {
    expect(upgradePath({ now, to, available })).toEqual({ hops });
  });

  it.each([
    [
      'a skipped minor, and says which to take first',
      all('1.31.1'),
      'v1.33.0',
      ['v1.33.0', 'v1.31.4'],
      /v1\.32 lies between/,
      /--to v1\.32\.N first/,
    ],
    [
      'to go back, and says what restore can do',
      all('1.32.0'),
      'v1.31.1',
      [],
      /^cp, w run v1\.32\.0 already, and Kubernetes goes back to no older version/,
      /backup of v1\.31\.1.*homelab restore/,
    ],
    [
      'to go back from the middle of an upgrade',
      all('1.32.0', '1.31.1'),
      'v1.31.4',
      [],
      /cp runs v1\.32\.0 already/,
      /homelab upgrade --to v1\.32\.0$/,
    ],
    ['what is no version', all('1.31.1'), 'newest', [], /newest is no version/, /--to v1\.32\.0/],
    ['another major', all('1.31.1'), 'v2.0.0', [], /no way/, /same major/],
    ['where nothing answers', { apiServers: {}, kubelets: { w: '1.31.1' } }, 'v1.32.0', [], /not known/, /journalctl/],
    [
      'API servers too far apart',
      { apiServers: { a: '1.33.0', b: '1.31.0' }, kubelets: {} },
      'v1.33.0',
      ['v1.32.0'],
      /more than one minor apart/,
      /bring b to v1\.33\.0/,
    ],
  ])('refuses %s', (_, now, to, available, reason, hint) => {
    const { refuse } = upgradePath({ now, to, available });
    expect(refuse?.reason).toMatch(reason);
    expect(refuse?.hint).toMatch(hint);
  });
});
