// IPv4 addresses and subnets: checked strictly, compared as numbers.
import { isIPv4, isIPv6 } from 'node:net';
import { type Problem, shown } from './issue.ts';

export interface Subnet {
  readonly base: number;
  readonly prefix: number;
}

export function toNumber(address: string): number | undefined {
  if (!isIPv4(address)) return undefined;
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/** Undefined unless it is an IPv4 subnet with zero host bits. */
export function toSubnet(text: string): Subnet | undefined {
  const parts = splitCidr(text);
  return parts && parts.base % 2 ** (32 - parts.prefix) === 0 ? parts : undefined;
}

export function contains(subnet: Subnet, address: number): boolean {
  return address >= subnet.base && address < subnet.base + 2 ** (32 - subnet.prefix);
}

export function overlap(left: Subnet, right: Subnet): boolean {
  return contains(left, right.base) || contains(right, left.base);
}

/** What a machine can be reached by. */
export function checkAddress(value: string): Problem | undefined {
  const address = toNumber(value);
  if (address === undefined) {
    if (isIPv6(value)) return { expectation: 'expected an IPv4 address; IPv6 is not supported yet' };
    return { expectation: `expected an IPv4 address such as 192.168.0.10, not ${shown(value)}` };
  }
  const unusable = unusableRanges.find(range => contains(range.subnet, address));
  return unusable && { expectation: `expected an address of one machine; ${value} is ${unusable.what}` };
}

/** Every machine takes a /24 of it. */
export function checkPodSubnet(value: string): Problem | undefined {
  return checkSubnet(value, 8, 24);
}

/** The API server refuses more than 2^20 services. */
export function checkServiceSubnet(value: string): Problem | undefined {
  return checkSubnet(value, 12, 24);
}

function checkSubnet(value: string, shortest: number, longest: number): Problem | undefined {
  const parts = splitCidr(value);
  if (!parts) return { expectation: `expected an IPv4 subnet such as 10.244.0.0/16, not ${shown(value)}` };
  const base = parts.base - (parts.base % 2 ** (32 - parts.prefix));
  if (base !== parts.base) {
    return { expectation: 'expected a subnet whose host bits are zero', suggestion: `${toText(base)}/${parts.prefix}` };
  }
  if (parts.prefix < shortest || parts.prefix > longest) {
    return { expectation: `expected a prefix from /${shortest} to /${longest}, not /${parts.prefix}` };
  }
  const unusable = unusableRanges.find(range => overlap(range.subnet, parts));
  return unusable && { expectation: `expected addresses of its own; ${value} reaches into ${unusable.what}` };
}

const unusableRanges: readonly { readonly subnet: Subnet; readonly what: string }[] = [
  { subnet: { base: 0, prefix: 8 }, what: '0.0.0.0/8 ("this network")' },
  { subnet: { base: 127 * 2 ** 24, prefix: 8 }, what: '127.0.0.0/8 (loopback)' },
  { subnet: { base: 169 * 2 ** 24 + 254 * 2 ** 16, prefix: 16 }, what: '169.254.0.0/16 (link-local)' },
  { subnet: { base: 224 * 2 ** 24, prefix: 3 }, what: '224.0.0.0/3 (multicast and reserved)' },
];

function splitCidr(text: string): Subnet | undefined {
  const [, address = '', prefix = ''] = /^([0-9.]{7,15})\/([0-9]{1,2})$/.exec(text) ?? [];
  const base = toNumber(address);
  if (base === undefined || Number(prefix) > 32 || (prefix.length > 1 && prefix.startsWith('0'))) return undefined;
  return { base, prefix: Number(prefix) };
}

export function toText(address: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.');
}
