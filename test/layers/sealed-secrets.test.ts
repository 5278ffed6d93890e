import { spawnSync } from 'node:child_process';
import { constants, createDecipheriv, createHash, createPrivateKey, privateDecrypt, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layers } from '../../src/layers/index.ts';
import { seal } from '../../src/layers/sealed-secrets/seal.ts';
import type { ProbeContext } from '../../src/model/plan.ts';
import { type Asked, active, layered, machines, removed, told } from './rig.ts';

const { certificate, key } = controllerKeys();

function controllerKeys() {
  const dir = mkdtempSync(join(tmpdir(), 'homelab-seal-'));
  const files = ['-keyout', join(dir, 'key'), '-out', join(dir, 'certificate')];
  spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/', '-days', '2', ...files]);
  const made = {
    certificate: readFileSync(join(dir, 'certificate'), 'utf8'),
    key: createPrivateKey(readFileSync(join(dir, 'key'))),
  };
  rmSync(dir, { recursive: true });
  return made;
}

/** As upstream's HybridDecrypt does it; throws where the label is another. */
function unseal(text: string, label: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  const end = 2 + bytes.readUInt16BE(0);
  const sessionKey = privateDecrypt(
    { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256', oaepLabel: Buffer.from(label) },
    bytes.subarray(2, end),
  );
  const opener = createDecipheriv('aes-256-gcm', sessionKey, Buffer.alloc(12));
  opener.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([opener.update(bytes.subarray(end, -16)), opener.final()]);
}

describe('what is sealed', () => {
  it('opens for its own namespace and name only', () => {
    const value = randomBytes(32);
    const text = seal(certificate, 'a', 'probe', value);
    expect(unseal(text, 'a/probe')).toEqual(value);
    expect(() => unseal(text, 'b/probe')).toThrow();
    expect(() => unseal(text, 'a/other')).toThrow();
  });

  it('is another text each time', () => {
    expect(seal(certificate, 'a', 'b', Buffer.from('x'))).not.toBe(seal(certificate, 'a', 'b', Buffer.from('x')));
  });
});

const probe = active(layers['sealed-secrets'].probes(layered), 'sealing');

/** A controller that opens what it is given with its own key, or does something else with it. */
function controller(opens: (sealed: string) => string, elsewhere = 'elsewhere False\nsecret no Secret\n') {
  const asked: Asked[] = [];
  const context: ProbeContext = {
    signal: new AbortController().signal,
    async exec(host, script) {
      asked.push({ host, script });
      const sealed = /"value":"([A-Za-z0-9+/=]+)"/.exec(script)?.[1];
      const stdout = script.includes('cert.pem')
        ? certificate
        : sealed === undefined
          ? ''
          : `sum ${opens(sealed)}\n${elsewhere}`;
      return { code: 0, stdout, stderr: '' };
    },
  };
  return { context, asked };
}
const sumOf = (value: Buffer) => createHash('sha256').update(value).digest('hex');
const opened = (sealed: string) => sumOf(unseal(sealed, 'homelab-probe-sealed/probe'));

describe('a controller', () => {
  it('that opens what was sealed for it, and nothing elsewhere, is proven', async () => {
    const { context, asked } = controller(opened);
    expect(told(await probe.run(context))).toEqual([
      '✔ unsealed: the same sum',
      '✔ sealed-elsewhere: Synced False, no Secret',
    ]);
    expect(removed(asked)).toEqual(['homelab-probe-sealed on k8s-cp', 'homelab-probe-sealed-other on k8s-cp']);
  });

  it.each([
    ['other bytes', () => sumOf(Buffer.from('other')), undefined, `✖ unsealed: ${sumOf(Buffer.from('other'))}`],
    [
      'nothing',
      () => 'no Secret: no key could decrypt secret (value)',
      undefined,
      '✖ unsealed: no Secret: no key could decrypt secret (value)',
    ],
    ['it in any namespace', opened, 'elsewhere True\nsecret a Secret\n', '✖ sealed-elsewhere: Synced True, a Secret'],
    [
      'nothing at all',
      () => 'no Secret: ',
      'elsewhere \nsecret no Secret\n',
      '✖ sealed-elsewhere: Synced unknown, no Secret',
    ],
  ])('that gives %s is not', async (_, opens, elsewhere, line) => {
    const { context } = controller(opens, elsewhere);
    expect(told(await probe.run(context))).toContain(line);
  });

  it('that gives no certificate ends the proof, which cleans up', async () => {
    const { context, asked } = machines([
      ['cert.pem', { code: 1, stderr: 'Error from server (ServiceUnavailable): no endpoints\n' }],
    ]);
    await expect(probe.run(context)).rejects.toThrow(
      'the controller gives no certificate: Error from server (ServiceUnavailable)',
    );
    expect(removed(asked)).toHaveLength(2);
  });
});
