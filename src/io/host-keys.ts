// Whether the key a machine shows is the one we expect, and which key types to ask it for.
import { createHash } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { HomelabError } from '../model/errors.ts';
import { findKnownKeys, type KnownKey } from './known-hosts.ts';
import type { Hop } from './ssh-route.ts';

// SHA-1 `ssh-rsa` signatures are left out, as in OpenSSH since 8.8.
const algorithmsOf: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

export type Verdict =
  | { readonly kind: 'trusted' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'changed'; readonly expected: readonly string[] }
  | { readonly kind: 'revoked'; readonly where: string };

export interface HostKeyPolicy {
  /** Key types to negotiate, known ones first: a host known by its ed25519 key must not be asked for its ecdsa one. */
  readonly types: readonly string[];
  /** A pinned fingerprint does not tell its key's type: another type may be the one that was meant. */
  readonly anyTypeMayMatch: boolean;
  judge(blob: Buffer): Verdict;
  /** What else is worth saying when the key is unknown. */
  readonly remarks: readonly string[];
}

export async function hostKeyPolicy(hop: Hop): Promise<HostKeyPolicy> {
  if (hop.pinned !== undefined) return pinnedPolicy(hop, hop.pinned);
  const keys = await findKnownKeys(hop.knownAs, hop.knownHosts);
  const authorities = keys.filter(key => key.marker === 'cert-authority');
  return knownPolicy(
    keys,
    authorities.map(
      key => `${where(key)} is a @cert-authority: host certificates are not supported, pin the key itself`,
    ),
  );
}

function knownPolicy(keys: readonly KnownKey[], remarks: readonly string[]): HostKeyPolicy {
  const plain = keys.filter(key => key.marker === 'none');
  const revoked = keys.filter(key => key.marker === 'revoked');
  return {
    types: [...new Set([...plain.map(key => key.type), ...Object.keys(algorithmsOf)])],
    anyTypeMayMatch: false,
    remarks,
    judge(blob) {
      const bad = revoked.find(key => key.blob.equals(blob));
      if (bad) return { kind: 'revoked', where: where(bad) };
      if (plain.some(key => key.blob.equals(blob))) return { kind: 'trusted' };
      // Known by keys of other types only is "changed" too: an impostor must not become new by offering another type.
      if (plain.length === 0) return { kind: 'unknown' };
      return { kind: 'changed', expected: plain.map(key => `${describeKey(key.blob)} (${where(key)})`) };
    },
  };
}

function pinnedPolicy(hop: Hop, pin: string): HostKeyPolicy {
  const fingerprint = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(pin.trim());
  const words = pin.trim().split(/\s+/);
  const at = words.findIndex(word => word in algorithmsOf);
  const blob = at < 0 ? undefined : Buffer.from(words[at + 1] ?? '', 'base64');
  const expected = fingerprint ? `SHA256:${fingerprint[1]}` : blob?.length ? fingerprintOf(blob) : undefined;
  if (expected === undefined) {
    throw new HomelabError('HL_INVENTORY', `hostKey of ${hop.host} is neither a SHA256:… fingerprint nor a key`, {
      hint: `on the machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`,
      context: { host: hop.host },
    });
  }
  const type = blob ? typeOf(blob) : undefined;
  return {
    types: type === undefined ? Object.keys(algorithmsOf) : [type],
    anyTypeMayMatch: type === undefined,
    remarks: [],
    judge: shown =>
      fingerprintOf(shown) === expected
        ? { kind: 'trusted' }
        : { kind: 'changed', expected: [`${type ? `${type} ` : ''}${expected} (hostKey in the inventory)`] },
  };
}

export function algorithmsFor(types: readonly string[]): ServerHostKeyAlgorithm[] {
  return types.flatMap(type => algorithmsOf[type] ?? []);
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The type a key blob names itself, for example 'ssh-ed25519'. */
export function typeOf(blob: Buffer): string {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  return blob.toString('latin1', 4, 4 + Math.min(length, 64));
}

export function describeKey(blob: Buffer): string {
  return `${typeOf(blob)} ${fingerprintOf(blob)}`;
}

/** The error for a key that may not be used; undefined when it may. */
export function refusal(hop: Hop, verdict: Verdict, blob: Buffer, policy: HostKeyPolicy): HomelabError | undefined {
  const context = { host: hop.host };
  const shown = describeKey(blob);
  switch (verdict.kind) {
    case 'trusted':
      return undefined;
    case 'unknown':
      return new HomelabError('HL_SSH_HOST_KEY_UNKNOWN', `the host key of ${hop.label} is not known: ${shown}`, {
        hint: unknownHint(hop, blob),
        context: policy.remarks.length > 0 ? { ...context, details: policy.remarks } : context,
      });
    case 'changed':
      return new HomelabError('HL_SSH_HOST_KEY_CHANGED', `the host key of ${hop.label} is not the one expected`, {
        hint:
          'someone may be in between, or the machine was installed anew: compare on its console with ' +
          `ssh-keygen -lf ${keyFile(blob)}; only then ${changedCure(hop)}`,
        context: { ...context, details: [`shown     ${shown}`, ...verdict.expected.map(key => `expected  ${key}`)] },
      });
    case 'revoked':
      return new HomelabError('HL_SSH_HOST_KEY_CHANGED', `the host key of ${hop.label} is revoked`, {
        hint: 'make a new host key on the machine (ssh-keygen -A after removing the old one); do not use this one',
        context: { ...context, details: [`shown    ${shown}`, `revoked  ${verdict.where}`] },
      });
  }
}

function unknownHint(hop: Hop, blob: Buffer): string {
  const file = hop.knownHosts[0] ?? '~/.ssh/known_hosts';
  const pin = hop.bastion ? '' : `; or hostKey: "${fingerprintOf(blob)}" under ssh: of ${hop.host} in the inventory`;
  return (
    `compare on its console: ssh-keygen -lf ${keyFile(blob)}; if it is the same: ` +
    `ssh-keyscan -p ${hop.port} -t ${shortType(blob)} ${hop.address} >> ${file}${pin}; or add --trust-new-host-keys`
  );
}

function changedCure(hop: Hop): string {
  if (hop.pinned !== undefined) return `correct hostKey of ${hop.host} in the inventory`;
  return hop.knownHosts.map(file => `ssh-keygen -R '${hop.knownAs}' -f ${file}`)[0] ?? 'remove the old entry';
}

function shortType(blob: Buffer): string {
  const type = typeOf(blob);
  return type.startsWith('ecdsa') ? 'ecdsa' : type.replace('ssh-', '');
}

function keyFile(blob: Buffer): string {
  return `/etc/ssh/ssh_host_${shortType(blob)}_key.pub`;
}

function where(key: KnownKey): string {
  return `${key.file}:${key.line}`;
}
