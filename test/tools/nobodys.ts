// A recording without what is this computer's own: the lab's machines have its resolvers and its kernel, and are told who asks.
import { readFileSync } from 'node:fs';
import { hostname, release } from 'node:os';

export interface Own {
  /** As resolv.conf names them. */
  readonly resolvers: readonly string[];
  /** As uname -r prints it. */
  readonly kernel: string;
  readonly hostname: string;
}

/** Debian 12's, which the lab's machines would run if they were real. */
const kernel = '6.1.0-44-amd64';
/** RFC 5737: for documentation. */
const resolver = '192.0.2.53';

export function nobodys(text: string, own: Own = ownHere()): string {
  return own.resolvers
    .filter(address => !address.startsWith('127.'))
    .reduce((said, address) => said.replace(wholly(address), resolver), text)
    .replaceAll(own.kernel, kernel)
    .replace(new RegExp(`[\\w.-]+@${literally(own.hostname)}:`, 'g'), 'somebody@somewhere:');
}

function ownHere(): Own {
  const text = readFileSync('/etc/resolv.conf', 'utf8');
  return {
    resolvers: [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => address),
    kernel: release(),
    hostname: hostname(),
  };
}

/** The address and not the beginning or end of another. */
function wholly(address: string): RegExp {
  return new RegExp(`(?<![\\d.])${literally(address)}(?!\\.?\\d)`, 'g');
}

function literally(text: string): string {
  return text.replaceAll('.', '\\.');
}
