// A recording without what is this computer's own: the lab's machines have its resolvers and its kernel.
import { readFileSync } from 'node:fs';
import { release } from 'node:os';

export interface Own {
  /** As resolv.conf names them. */
  readonly resolvers: readonly string[];
  /** As uname -r prints it. */
  readonly kernel: string;
}

/** Debian 12's, which the lab's machines would run if they were real. */
const kernel = '6.1.0-44-amd64';
/** RFC 5737: for documentation. */
const resolver = '192.0.2.53';

export function nobodys(text: string, own: Own = ownHere()): string {
  return own.resolvers
    .filter(address => !address.startsWith('127.'))
    .reduce((said, address) => said.replace(wholly(address), resolver), text)
    .replaceAll(own.kernel, kernel);
}

function ownHere(): Own {
  const text = readFileSync('/etc/resolv.conf', 'utf8');
  return {
    resolvers: [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => address),
    kernel: release(),
  };
}

/** The address and not the beginning or end of another. */
function wholly(address: string): RegExp {
  return new RegExp(`(?<![\\d.])${address.replaceAll('.', '\\.')}(?!\\.?\\d)`, 'g');
}
