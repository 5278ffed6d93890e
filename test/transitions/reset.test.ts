// What a reset saves of etcd, run here by dash with stand-ins for it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sh } from '../../src/model/shell.ts';
import { saveEtcd } from '../../src/transitions/reset.ts';
import { dash } from '../dash.ts';
import { scratch, standIns } from '../resources/rig.ts';

function saved(answers: boolean) {
  const folder = scratch();
  const asked = join(folder, 'asked');
  const bin = standIns(folder, {
    pgrep: 'echo 7',
    chroot: `echo "$*" >> ${sh(asked)}
case "$*" in
  *'endpoint status'*) ${answers ? ':' : 'exit 1'} ;;
  *'snapshot save'*) echo data > ${sh(join(folder, 'homelab.db'))} ;;
esac`,
  });
  const script = saveEtcd.replaceAll('/var/lib/etcd', folder);
  const { code } = dash(`set -eu\nsaved=${sh(folder)}\n${script}`, { bin });
  return { code, isSaved: existsSync(join(folder, 'etcd.db')), asked: readFileSync(asked, 'utf8') };
}

describe('before a machine is reset', () => {
  it('its etcd is saved', () => {
    expect(saved(true)).toMatchObject({ code: 0, isSaved: true });
  });

  it('an etcd that answers nothing is not waited for', () => {
    const { code, isSaved, asked } = saved(false);
    expect([code, isSaved]).toEqual([0, false]);
    expect(asked).not.toContain('snapshot');
  });
});
