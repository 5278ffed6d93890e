// A process that holds old certificates is found by what it serves and since when it runs; scripts as machines run them.
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { components, freshProcess } from '../../src/resources/control-plane-process.ts';
import { observe, scratch, standIns } from './rig.ts';

const api = freshProcess(component('kube-apiserver'), '192.168.0.10', 'renewed');
const now = Math.floor(Date.now() / 1000);

interface Machine {
  readonly listening?: string;
  /** Seconds. */
  readonly age?: number;
  /** Seconds since apiserver-etcd-client.crt was written; apiserver.crt was just now. */
  readonly written?: number;
  readonly served?: string;
  readonly manifest?: boolean;
}

function component(name: string) {
  const found = components.find(each => each.name === name);
  if (!found) throw new Error(`there is no ${name}`);
  return found;
}

function said({ listening = '*', age = 100, written = 1000, served = 'this', manifest = true }: Machine) {
  const folder = scratch();
  for (const each of ['manifests', 'pki']) mkdirSync(join(folder, each));
  if (manifest) writeFileSync(join(folder, 'manifests/kube-apiserver.yaml'), '');
  writeFileSync(join(folder, 'pki/apiserver.crt'), 'this');
  const file = join(folder, 'pki/apiserver-etcd-client.crt');
  writeFileSync(file, '');
  utimesSync(file, now - written, now - written);
  const line = `LISTEN 0      4096   ${listening}:6443  0.0.0.0:*    users:(("kube-apiserver",pid=42,fd=3))`;
  const bin = standIns(folder, {
    ss: listening === '' ? 'true' : `echo '${line}'`,
    ps: `[ "$4" = 42 ] && echo '   ${age}'`,
    openssl: `case $1 in s_client) echo "$3" >>${folder}/asked; echo '-----BEGIN CERTIFICATE-----'; echo ${served}; echo '-----END CERTIFICATE-----' ;; *) [ "$#" -gt 4 ] && cat "$6" || sed -n 2p ;; esac`,
  });
  return observe(api, { moved: { '/etc/kubernetes': folder }, bin });
}

describe('a process of the control plane', () => {
  it('is in order where it began after what it reads was written, and serves what is there now', () => {
    expect(said({})).toBe('loaded');
    expect(api.change('loaded', [])).toBeUndefined();
  });

  it('is restarted where a file is newer, where it serves another one, and where it does not run', () => {
    for (const [machine, words] of [
      [{ age: 2000 }, /it runs since before \S+apiserver-etcd-client\.crt was written/],
      [{ served: 'other' }, /serves another certificate/],
      [{ listening: '' }, /it does not run/],
    ] as const) {
      const state = said(machine);
      expect(state).toMatch(words);
      expect(api.change(state, [])).toMatchObject({ why: state, risk: 'disruptive' });
    }
  });

  it('is restarted when its certificates are about to change', () => {
    expect(api.change('loaded', ['renewed'])?.why).toBe('its certificates change');
  });

  it('is left alone where it is somebody else’s: no manifest here', () => {
    expect(said({ manifest: false })).toBe('none');
    expect(api.change('none', ['renewed'])).toBeUndefined();
  });

  it.each(['*', '0.0.0.0', '[::]', '192.168.0.10'])('is asked where it listens: %s', listening => {
    expect(said({ listening })).toBe('loaded');
  });
});
