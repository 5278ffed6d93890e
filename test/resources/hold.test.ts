import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hold } from '../../src/resources/hold.ts';
import { apply, observe, scratch, standIns } from './rig.ts';

const rig = (folder: string) => ({
  bin: standIns(folder, {
    'dpkg-query':
      "printf 'hold installed kubeadm\\ninstall installed kubelet\\ndeinstall config-files kubectl\\n'; echo no kubernetes-cni >&2; exit 1",
    'apt-mark': `printf '%s\\n' "$*" >>${folder}/said`,
  }),
});

describe('holding packages', () => {
  const held = hold(['kubeadm', 'kubelet', 'kubectl', 'kubernetes-cni']);

  it('is about those that are installed', () => {
    expect(observe(held, rig(scratch()))).toEqual(['kubelet']);
  });

  it('holds what is not held, and nothing else', () => {
    expect(held.change([], [])).toBeUndefined();
    expect(held.change(['kubelet'], [])).toMatchObject({ risk: 'safe', why: 'kubelet is not on hold' });
    const folder = scratch();
    expect(apply(held, rig(folder)).code).toBe(0);
    expect(readFileSync(join(folder, 'said'), 'utf8')).toBe('hold kubelet\n');
  });
});
