import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BundleEntry } from '../../src/model/bundle.ts';
import type { Resource } from '../../src/model/plan.ts';
import { packages, upstreamVersion } from '../../src/resources/packages.ts';
import { dash, type Said } from '../dash.ts';
import { changeOf, observe, scratch, standIns } from './rig.ts';

const kubeadm = (version: string | undefined = '1.31.1', more: object = {}) =>
  packages({
    name: 'packages',
    title: 'Install kubeadm',
    packages: [{ name: 'kubeadm', ...(version === undefined ? {} : { version }), hold: true }],
    ...more,
  });

describe('the upstream version', () => {
  it.each([
    ['1.31.1-1.1', '1.31.1'],
    ['1.31.10-1.1', '1.31.10'],
    ['1.31.1', '1.31.1'],
    ['1:2.1.5~ds1-1+b2', '2.1.5'],
    ['2.1.5-1~debian.12~bookworm', '2.1.5'],
    ['1.6.20~ds1-1+b1', '1.6.20'],
    ['2:1.02.185-2', '1.02.185'],
    ['1.30.0-rc1-1.1', '1.30.0-rc1'],
    ['252.39-1~deb12u1', '252.39'],
    ['5.10.1+dfsg-3', '5.10.1'],
  ])('of %s is %s', (debian, upstream) => {
    expect(upstreamVersion(debian)).toBe(upstream);
  });

  it.each([
    '1.31.1-1.1',
    '1:2.1.5~ds1-1+b2',
    '2.1.5-1~debian.12~bookworm',
    '252.39-1~deb12u1',
    '1.31.1',
    '2:1.02.185-2',
  ])('of %s is the same for the machine’s shell, which picks it, and for us, who compare it', debian => {
    const machine = new FakeApt({ lists: [`kubeadm | ${debian} | https://example.org Packages`] });
    expect(machine.run(kubeadm(upstreamVersion(debian))).code).toBe(0);
    expect(machine.installed()).toEqual([`kubeadm=${debian}`]);
  });
});

describe('reading what dpkg says', () => {
  const resource = packages({
    name: 'packages',
    title: 'Install',
    packages: [{ name: 'kubeadm', version: '1.31.1', hold: true }, { name: 'socat' }],
  });

  it.each([
    [
      'both in order',
      'kubeadm 1.31.1-1.1 hold installed\nsocat 1.7.4.4-2 install installed\n',
      ['1.31.1', true, 'installed', false],
    ],
    ['nothing at all', '', ['absent', false, 'absent', false]],
    [
      'another version',
      'kubeadm 1.31.10-1.1 hold installed\nsocat 1 install installed\n',
      ['1.31.10', true, 'installed', false],
    ],
    [
      'removed but for its config files',
      'kubeadm 1.31.1-1.1 deinstall config-files\n',
      ['absent', false, 'absent', false],
    ],
    ['half installed', 'kubeadm 1.31.1-1.1 install half-configured\n', ['absent', false, 'absent', false]],
    ['on hold without being installed', 'kubeadm  hold not-installed\n', ['absent', true, 'absent', false]],
    [
      'on hold where it need not be',
      'kubeadm 1.31.1-1.1 hold installed\nsocat 1 hold installed\n',
      ['1.31.1', true, 'installed', true],
    ],
  ])('%s', (_, output, [version, held, socat, socatHeld]) => {
    expect(resource.parse(output)).toEqual({
      kubeadm: { version, held },
      socat: { version: socat, held: socatHeld },
    });
  });

  it('says what is off in words', () => {
    expect(changeOf(resource, resource.parse('')).why).toBe(
      'kubeadm is not installed; socat is not installed; kubeadm is not on hold',
    );
    const older = resource.parse('kubeadm 1.30.4-1.1 install installed\nsocat 1 hold installed\n');
    expect(changeOf(resource, older)).toMatchObject({
      why: 'kubeadm is 1.30.4, not 1.31.1; kubeadm is not on hold; socat is on hold',
      diff: '- kubeadm 1.30.4\n+ kubeadm 1.31.1',
    });
    expect(resource.change(resource.desired, [])).toBeUndefined();
  });

  it('asks dpkg for exactly this, and takes a package that dpkg has never heard of as absent', () => {
    const folder = scratch();
    const bin = standIns(folder, {
      'dpkg-query': `echo "$*" > '${folder}/asked'; echo 'socat 1 install installed'; echo 'dpkg-query: no packages found' >&2; exit 1`,
    });
    expect(observe(resource, { bin })).toEqual({
      kubeadm: { version: 'absent', held: false },
      socat: { version: 'installed', held: false },
    });
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toMatch(/kubeadm socat$/m);
  });
});

/** apt-get, apt-cache and apt-mark of a machine whose package lists may be older than the mirror. */
class FakeApt {
  readonly folder = scratch();
  readonly bin: string;

  constructor({
    lists = [],
    mirror = lists,
    update = '',
    install = '',
  }: {
    readonly lists?: readonly string[];
    readonly mirror?: readonly string[];
    readonly update?: string;
    readonly install?: string;
  }) {
    const at = (name: string) => `'${join(this.folder, name)}'`;
    writeFileSync(join(this.folder, 'lists'), lists.map(line => `${line}\n`).join(''));
    writeFileSync(join(this.folder, 'mirror'), mirror.map(line => `${line}\n`).join(''));
    this.bin = standIns(this.folder, {
      'apt-cache': `[ "$1" = madison ] || exit 99\ngrep "^ *$2 " ${at('lists')} || true`,
      'apt-mark': `echo "$*" >> ${at('marks')}`,
      'apt-get': `for word in "$@"; do case $word in
  update) echo update >> ${at('log')}; ${update}
    cat ${at('mirror')} > ${at('lists')}; exit 0 ;;
  install) ${install}
    for each in "$@"; do case $each in
      *=*.*|socat|/var/cache/*) case $each in -*|*::*) continue ;; esac
        case $each in /*) ;; *) name=\${each%%=*}; grep -q "^ *$name " ${at('lists')} || { echo "E: Unable to locate package $name" >&2; exit 100; } ;; esac
        echo "$each" >> ${at('installed')} ;;
    esac; done; exit 0 ;;
esac; done; exit 98`,
    });
  }

  run(resource: Resource): Said {
    return dash(`set -eu\n${changeOf(resource, resource.blank).action.script}`, { bin: this.bin });
  }

  installed = () => this.#lines('installed');
  marks = () => this.#lines('marks');
  updates = () => this.#lines('log').length;

  #lines(name: string): readonly string[] {
    const path = join(this.folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  }
}

const madison = (name: string, ...versions: readonly string[]) =>
  versions.map(version => `   ${name} | ${version} | https://pkgs.k8s.io/core:/stable:/v1.31/deb  Packages`);

/** What a person is told about a failure. */
function told(resource: Resource, said: Said) {
  return changeOf(resource, resource.blank).action.explain?.find(({ pattern }) => pattern.test(said.stderr));
}

describe('installing', () => {
  it('takes exactly the version that is wanted, not one that begins with it, and holds it', () => {
    const machine = new FakeApt({
      lists: madison('kubeadm', '1.31.13-1.1', '1.31.10-1.1', '1.31.1-1.1', '1.31.0-1.1'),
    });
    expect(machine.run(kubeadm())).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(machine.installed()).toEqual(['kubeadm=1.31.1-1.1']);
    expect(machine.marks()).toEqual(['hold kubeadm']);
    expect(machine.updates()).toBe(0);
  });

  it('takes the first of several builds of that version', () => {
    const machine = new FakeApt({ lists: madison('kubeadm', '1.31.1-2.1', '1.31.1-1.1') });
    machine.run(kubeadm());
    expect(machine.installed()).toEqual(['kubeadm=1.31.1-2.1']);
  });

  it('fetches the lists once more when they do not have it, and only then', () => {
    const machine = new FakeApt({
      lists: madison('kubeadm', '1.31.0-1.1'),
      mirror: madison('kubeadm', '1.31.1-1.1', '1.31.0-1.1'),
    });
    expect(machine.run(kubeadm()).code).toBe(0);
    expect(machine.installed()).toEqual(['kubeadm=1.31.1-1.1']);
    expect(machine.updates()).toBe(1);
  });

  it('fetches the lists once more for a package without a version', () => {
    const machine = new FakeApt({ mirror: madison('socat', '1.7.4.4-2') });
    const resource = packages({ name: 'x', title: 'Install socat', packages: [{ name: 'socat' }] });
    expect(machine.run(resource).code).toBe(0);
    expect(machine.installed()).toEqual(['socat']);
    expect(machine.marks()).toEqual([]);
  });

  it('says which versions there are when the wanted one is nowhere', () => {
    const machine = new FakeApt({ lists: madison('kubeadm', '1.31.13-1.1', '1.31.10-1.1') });
    const said = machine.run(kubeadm());
    expect(said).toMatchObject({
      code: 65,
      stderr: 'homelab: no repository of this machine has kubeadm 1.31.1; versions there: 1.31.10-1.1 1.31.13-1.1\n',
    });
    expect(told(kubeadm(), said)?.hint).toContain('choose a version that is there');
    expect(machine.installed()).toEqual([]);
    expect(machine.marks()).toEqual([]);
  });

  it('says that there is none at all', () => {
    expect(new FakeApt({}).run(kubeadm()).stderr).toContain('versions there: none\n');
  });

  it('gives up on a lock that another apt keeps, and says who to look for', () => {
    const locked = `echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4242 (apt-get)' >&2; exit 100`;
    const machine = new FakeApt({ update: locked });
    const resource = kubeadm(undefined, { packages: [{ name: 'socat' }], lockSeconds: 1 });
    const said = machine.run(resource);
    expect(said.code).toBe(100);
    expect(machine.updates()).toBe(2);
    expect(told(resource, said)).toMatchObject({
      message: 'another apt or dpkg keeps its lock',
      hint: expect.stringContaining('fuser'),
    });
  });

  it('waits for a lock that is given up', () => {
    const machine = new FakeApt({
      mirror: madison('kubeadm', '1.31.1-1.1'),
      update: `n=$(wc -l < "$(dirname "$0")/../log"); [ "$n" -gt 1 ] || { echo 'E: Could not get lock /x' >&2; exit 100; }`,
    });
    expect(machine.run(kubeadm()).code).toBe(0);
    expect(machine.updates()).toBe(2);
  });

  it.each([
    [
      'E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?',
      'keeps its lock',
    ],
    ['E: dpkg was interrupted, you must manually run dpkg --configure -a', 'interrupted'],
    ['W: GPG error: https://x InRelease: NO_PUBKEY 234654DA9A296436', 'not signed by the key'],
    ["E: Failed to fetch https://x  Temporary failure resolving 'x'", 'could not be reached'],
  ])('explains %s', (stderr, message) => {
    const machine = new FakeApt({
      lists: madison('kubeadm', '1.31.1-1.1'),
      install: `echo '${stderr.replaceAll("'", '')}' >&2; exit 100;`,
    });
    const said = machine.run(kubeadm());
    expect(said.code).toBe(100);
    expect(told(kubeadm(), said)?.message).toContain(message);
  });

  it('installs from the bundle what the bundle has, and removes the file afterwards', () => {
    const deb: BundleEntry = {
      kind: 'deb',
      name: 'kubeadm',
      version: '1.31.1',
      arch: 'amd64',
      path: '/bundle/kubeadm.deb',
      sha256: 'ab'.repeat(32),
      bytes: 1,
    };
    const resource = kubeadm('1.31.1', { debs: [deb] });
    const remotePath = `/var/cache/homelab/${'ab'.repeat(16)}.deb`;
    const { uploads, script } = changeOf(resource, resource.blank).action;
    expect(uploads).toEqual([{ localPath: '/bundle/kubeadm.deb', remotePath, sha256: deb.sha256, bytes: 1 }]);
    expect(script).toContain(`rm -f -- ${remotePath}`);
    const machine = new FakeApt({});
    expect(machine.run(resource).code).toBe(0);
    expect(machine.installed()).toEqual([remotePath]);
    expect(machine.updates()).toBe(0);
  });

  it('leaves another version alone that the bundle has as well', () => {
    const of = (version: string, digit: string): BundleEntry => ({
      kind: 'deb',
      name: 'kubeadm',
      version,
      arch: 'amd64',
      path: `/bundle/${version}.deb`,
      sha256: digit.repeat(64),
      bytes: 1,
    });
    const resource = kubeadm('1.31.1', { debs: [of('1.31.2-1.1', 'a'), of('1.31.1-1.1', 'b')] });
    expect(changeOf(resource, resource.blank).action.uploads?.map(each => each.localPath)).toEqual([
      '/bundle/1.31.1-1.1.deb',
    ]);
    const without = kubeadm('1.31.1', { debs: [of('1.31.2-1.1', 'a')] });
    expect(changeOf(without, without.blank).action.uploads).toEqual([]);
  });

  it('takes nothing from the bundle for a machine that only lacks the hold', () => {
    const change = changeOf(kubeadm(), { kubeadm: { version: '1.31.1', held: false } });
    expect(change.why).toBe('kubeadm is not on hold');
    expect(change.action.uploads).toEqual([]);
    const machine = new FakeApt({});
    expect(dash(`set -eu\n${change.action.script}`, { bin: machine.bin }).code).toBe(0);
    expect([machine.installed(), machine.marks()]).toEqual([[], ['hold kubeadm']]);
  });

  it('takes away a hold that nobody asked for', () => {
    const resource = packages({ name: 'x', title: 'Install socat', packages: [{ name: 'socat' }] });
    const machine = new FakeApt({});
    const { script } = changeOf(resource, { socat: { version: 'installed', held: true } }).action;
    expect(dash(`set -eu\n${script}`, { bin: machine.bin }).code).toBe(0);
    expect(machine.marks()).toEqual(['unhold socat']);
  });
});
