// Words for what differs between two labs because they are two: their name, their network, who got which pod subnet.

export interface LabWords {
  readonly name: string;
  /** Of the machines: 10.77.3.10. */
  readonly addresses: readonly string[];
  /** By node, as the controller manager dealt them out: 10.244.2.0/24. */
  readonly podSubnets: Readonly<Record<string, string>>;
}

/** Replaces them in a text. Pod subnets go to nodes in the order in which these register: side by side, any order. */
export function wordsOf({ name, addresses, podSubnets }: LabWords): (text: string) => string {
  const prefixes = [...new Set(addresses.map(address => address.slice(0, address.lastIndexOf('.') + 1)))];
  const replacements = [
    ...prefixes.map(prefix => [prefix, 'LAB.'] as const),
    ...Object.entries(podSubnets).map(
      ([node, subnet]) => [subnet.slice(0, subnet.lastIndexOf('.') + 1), `PODS-OF-${node}.`] as const,
    ),
  ].map(([from, to]) => [new RegExp(`(?<![\\d.])${from.replaceAll('.', '\\.')}(?=\\d)(?!\\d+/16)`, 'g'), to] as const);
  const named = new RegExp(`(?<![A-Za-z0-9-])${name}(?![A-Za-z0-9-])`, 'g');
  return text => replacements.reduce((now, [from, to]) => now.replace(from, to), text).replace(named, 'LAB');
}
