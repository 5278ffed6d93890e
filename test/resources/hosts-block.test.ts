import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostsBlock } from '../../src/resources/hosts-block.ts';
import { apply, isRoot, observe, type RigOptions, scratch } from './rig.ts';

const block = hostsBlock(['192.168.0.10 k8s-api.home.arpa']);
const ours = '# homelab: begin\n192.168.0.10 k8s-api.home.arpa\n# homelab: end\n';
const theirs = '127.0.0.1 localhost\n10.0.0.5 nas # 한글\n';

describe('the block in /etc/hosts', () => {
  it('in order wants nothing, and anything else is a difference', () => {
    expect(block.change(block.desired, [])).toBeUndefined();
    expect(block.change('', [])).toMatchObject({ why: 'our block in /etc/hosts differs', risk: 'safe' });
    expect(block.change('192.168.0.99 k8s-api.home.arpa\n', [])?.diff).toBe(
      '@@ -1,1 +1,1 @@\n-192.168.0.99 k8s-api.home.arpa\n+192.168.0.10 k8s-api.home.arpa',
    );
  });
});

const canMount = isRoot && spawnSync('unshare', ['-m', 'mount', '--bind', '/tmp', '/tmp']).status === 0;

describe.skipIf(!canMount)('the block in /etc/hosts on this machine, /etc bound elsewhere', () => {
  function machine(hosts: string) {
    const etc = join(scratch(), 'etc');
    mkdirSync(etc);
    // Debian's awk is a link by way of /etc/alternatives.
    mkdirSync(join(etc, 'alternatives'));
    symlinkSync(realpathSync('/usr/bin/awk'), join(etc, 'alternatives', 'awk'));
    const path = join(etc, 'hosts');
    writeFileSync(path, hosts);
    const options: RigOptions = { by: ['unshare', '-m'], first: `mount --bind '${etc}' /etc\n` };
    return { etc, options, hosts: () => readFileSync(path, 'utf8') };
  }

  function expectSettled(hosts: string): string {
    const there = machine(hosts);
    expect(apply(block, there.options)).toMatchObject({ code: 0, stderr: '' });
    expect(observe(block, there.options)).toBe(block.desired);
    expect(readdirSync(there.etc)).toEqual(['alternatives', 'hosts']);
    expect(statSync(join(there.etc, 'hosts')).mode & 0o777).toBe(0o644);
    return there.hosts();
  }

  it('is added, and every other line stays as it is', () => {
    expect(expectSettled(theirs)).toBe(theirs + ours);
  });

  it('is added to an empty file', () => {
    expect(expectSettled('')).toBe(ours);
  });

  it('is added to a file whose last line has no newline, without touching that line', () => {
    expect(expectSettled('127.0.0.1 localhost\n10.0.0.5 nas')).toBe(`127.0.0.1 localhost\n10.0.0.5 nas\n${ours}`);
  });

  it('replaces the one that is there', () => {
    const old = '# homelab: begin\n192.168.0.99 k8s-api.home.arpa\n192.168.0.98 x\n# homelab: end\n';
    expect(expectSettled(`${theirs}${old}# after\n`)).toBe(`${theirs}# after\n${ours}`);
  });

  it('does not take lines of others away because its end is missing', () => {
    const broken = `# homelab: begin\n192.168.0.99 k8s-api.home.arpa\n${theirs}`;
    expect(expectSettled(broken)).toContain(theirs);
  });

  it('is read as empty where it is not', () => {
    expect(observe(block, machine(theirs).options)).toBe('');
    expect(observe(block, machine('# homelab: begin\n# homelab: end\n').options)).toBe('');
  });
});
