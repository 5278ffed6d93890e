// Names of clusters, machines, zones, users and jump hosts.
import { isIPv4 } from 'node:net';
import { type Problem, shown } from './issue.ts';
import { nearest } from './nearest.ts';

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** RFC 1123 label. */
export function checkLabelName(value: string): Problem | undefined {
  if (label.test(value)) return undefined;
  return {
    expectation: `expected a name of a-z, 0-9 and -, at most 63, not ${shown(value)}`,
    suggestion: repaired(value, label),
  };
}

/** RFC 1123 subdomain of at most 63: it becomes the node's name and its kubernetes.io/hostname label. */
export function checkHostName(value: string): Problem | undefined {
  if (isSubdomain(value) && value.length <= 63 && value !== 'localhost' && !isIPv4(value)) return undefined;
  return {
    expectation: `expected a host name of a-z, 0-9, - and ., at most 63, not ${shown(value)}`,
    suggestion: repaired(value, label),
  };
}

/** What the API server is reached by. */
export function checkEndpoint(value: string): Problem | undefined {
  if (isIPv4(value)) return undefined;
  const bare = value.replace(/^[a-z]+:\/\//i, '').replace(/(:[0-9]+)?\/?$/, '');
  const name = isSubdomain(value) && !/(^|\.)[0-9]+$/.test(value) && value !== 'localhost';
  if (name) return undefined;
  const plain = bare !== value && (isSubdomain(bare) || isIPv4(bare));
  return plain
    ? { expectation: 'expected a name or address alone, without scheme and port', suggestion: bare }
    : {
        expectation: `expected a DNS name or an IPv4 address, not ${shown(value)}`,
        suggestion: repaired(value, /^[a-z0-9.-]+$/),
      };
}

export function isSubdomain(value: string): boolean {
  return value.length <= 253 && value.split('.').every(part => label.test(part));
}

export function checkTimeZone(value: string): Problem | undefined {
  // Machines look zones up as files: the spelling counts, and offsets such as +09:00 (which Intl takes) are none.
  if (/^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/.test(value) && knownToIntl(value)) return undefined;
  return {
    expectation: `expected an IANA time zone such as Asia/Seoul, not ${shown(value)}`,
    suggestion: nearest(value, ['UTC', ...Intl.supportedValuesOf('timeZone')]),
  };
}

/** Goes into ssh's arguments: nothing that could be an option or needs a shell's care. */
export function checkUser(value: string): Problem | undefined {
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_.@\\+$-]{0,63}$/u.test(value)) return undefined;
  return { expectation: 'expected a login name' };
}

/** [user@]host[:port], several separated by commas: ssh's ProxyJump. */
export function checkProxyJump(value: string): Problem | undefined {
  const hop = /^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*(:[0-9]{1,5})?$/;
  if (value.split(',').every(part => hop.test(part))) return undefined;
  return { expectation: 'expected [user@]host[:port], several separated by commas' };
}

export function checkHostKey(value: string): Problem | undefined {
  const fingerprint = /^SHA256:[A-Za-z0-9+/]{43}=?$/;
  const key =
    /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) AAAA[A-Za-z0-9+/]+={0,2}( .*)?$/;
  if (fingerprint.test(value) || key.test(value)) return undefined;
  return { expectation: 'expected SHA256:… (ssh-keygen -lf) or a public key such as ssh-ed25519 AAAA…' };
}

function repaired(value: string, form: RegExp): string | undefined {
  const guess = value
    .slice(0, 100)
    .toLowerCase()
    .trim()
    .replace(/[_\s]+/g, '-');
  return guess !== value && form.test(guess) ? guess : undefined;
}

function knownToIntl(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}
