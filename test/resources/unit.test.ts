import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unit } from '../../src/resources/unit.ts';
import { dash } from '../dash.ts';
import { changeOf, observe, scratch, standIns } from './rig.ts';

const containerd = unit({
  unit: 'containerd.service',
  name: 'service',
  inputs: ['file:/etc/containerd/config.toml'],
  restartRisk: 'disruptive',
});
const running = { load: 'loaded', active: true, enabled: true, stale: false };

describe('a unit', () => {
  it('that runs, is enabled and has read its files wants nothing', () => {
    expect(containerd.change(running, [])).toBeUndefined();
    expect(containerd.desired).toEqual(running);
  });

  it.each([
    [{ ...running, active: false }, 'containerd.service is not running', 'safe'],
    [{ ...running, enabled: false }, 'containerd.service does not start at boot', 'disruptive'],
    [{ ...running, stale: true }, 'containerd.service runs with what it read before its files changed', 'disruptive'],
    [containerd.blank, 'containerd.service is not running; containerd.service does not start at boot', 'safe'],
  ])('%j says why, and what restarting means', (observed, why, risk) => {
    expect(containerd.change(observed, [])).toMatchObject({ why, risk });
  });

  it('that runs is stale when an input is about to change; one that does not run is started once', () => {
    const inputs = ['file:/etc/containerd/config.toml'];
    expect(changeOf(containerd, running, inputs).why).toBe('containerd.service must read its new files');
    expect(changeOf(containerd, { ...running, active: false }, inputs).why).toBe('containerd.service is not running');
  });
});

describe('reading a unit', () => {
  const output = (values: Readonly<Record<string, string>>, changed: readonly number[] = []) =>
    [
      ...Object.entries({
        LoadState: 'loaded',
        ActiveState: 'active',
        UnitFileState: 'enabled',
        NeedDaemonReload: 'no',
        started: '1000',
        ...values,
      }).map(([key, value]) => `${key}=${value}`),
      ...changed.map(time => `changed=${time}`),
      '',
    ].join('\n');

  it.each([
    ['runs', {}, [], running],
    ['read everything after it was changed', {}, [900, 999, 1000], running],
    ['has a file that changed later', {}, [900, 1001], { ...running, stale: true }],
    ['waits for daemon-reload', { NeedDaemonReload: 'yes' }, [], { ...running, stale: true }],
    ['stands still', { ActiveState: 'inactive' }, [5000], { ...running, active: false }],
    ['failed', { ActiveState: 'failed' }, [], { ...running, active: false }],
    ['is starting', { ActiveState: 'activating' }, [], { ...running, active: false }],
    ['has no [Install] section', { UnitFileState: 'static' }, [], running],
    ['is disabled', { UnitFileState: 'disabled' }, [], { ...running, enabled: false }],
    [
      'is masked',
      { LoadState: 'masked', ActiveState: 'inactive', UnitFileState: 'masked' },
      [],
      { load: 'masked', active: false, enabled: false, stale: false },
    ],
    [
      'is not there',
      { LoadState: 'not-found', ActiveState: 'inactive', UnitFileState: '', started: '0' },
      [],
      containerd.blank,
    ],
  ])('that %s', (_, values, changed, state) => {
    expect(containerd.parse(output(values, changed))).toEqual(state);
  });

  it('without an answer is an error', () => {
    expect(() => containerd.parse('')).toThrow(/LoadState/);
  });

  function machine(started: string) {
    const folder = scratch();
    mkdirSync(join(folder, 'etc'));
    const config = join(folder, 'etc', "it's config");
    const bin = standIns(folder, {
      systemctl: `[ "$1" = show ] || exit 99
printf '%s\\n' LoadState=loaded ActiveState=active UnitFileState=enabled NeedDaemonReload=no 'InactiveExitTimestamp=${started}'`,
    });
    const resource = unit({ unit: 'x.service', name: 'x', reads: [config, join(folder, 'not there')] });
    return { config, state: () => observe(resource, { bin }) };
  }

  it('compares the times as systemd and stat print them, by the microsecond', () => {
    const early = machine('Sat 2000-01-01 00:00:00.000001 UTC');
    writeFileSync(early.config, 'new');
    expect(early.state()).toMatchObject({ stale: true });
    const late = machine('Fri 2100-01-01 00:00:00.000001 UTC');
    writeFileSync(late.config, 'new');
    expect(late.state()).toMatchObject({ stale: false });
  });

  it('notices a file that was only touched by chmod or mv: it goes by the change time', () => {
    const there = machine('Sat 2000-01-01 00:00:00 UTC');
    writeFileSync(there.config, 'x', { mode: 0o600 });
    expect(dash(`touch -d '1990-01-01' '${there.config.replaceAll("'", "'\\''")}'`).code).toBe(0);
    expect(there.state()).toMatchObject({ stale: true });
  });

  it('reads a text again only when it was written: a chmod is nothing', () => {
    const folder = scratch();
    const config = join(folder, 'config.yaml');
    writeFileSync(config, 'x');
    const bin = standIns(folder, {
      systemctl: `printf '%s\\n' LoadState=loaded ActiveState=active UnitFileState=enabled NeedDaemonReload=no 'InactiveExitTimestamp=Sat 2000-01-01 00:00:00 UTC'`,
    });
    const resource = unit({ unit: 'x.service', name: 'x', texts: [config] });
    expect(observe(resource, { bin })).toMatchObject({ stale: true });
    expect(dash(`touch -d '1990-01-01' '${config}'; chmod 600 '${config}'`).code).toBe(0);
    expect(observe(resource, { bin })).toMatchObject({ stale: false });
  });

  it('that never started has nothing to be stale against', () => {
    expect(machine('').state()).toMatchObject({ load: 'loaded' });
  });
});

describe('starting a unit', () => {
  function start(isActive: number) {
    const folder = scratch();
    const bin = standIns(folder, {
      systemctl: `case $1 in is-active) exit ${isActive} ;; *) exit 0 ;; esac`,
      journalctl: 'echo "config.toml: unknown key"',
    });
    const { script } = changeOf(containerd, containerd.blank).action;
    return dash(`set -eu\n${script}`, { bin });
  }

  it('succeeds when it runs afterwards', () => {
    expect(start(0)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('fails with the last lines of its journal when it does not', () => {
    expect(start(3)).toEqual({ code: 1, stdout: '', stderr: 'config.toml: unknown key\n' });
  });
});
