// Addresses that would collide: subnets with each other, with machines, with the endpoint.
import { checkPodSubnet, checkServiceSubnet, contains, overlap, type Subnet, toNumber, toSubnet } from './addresses.ts';
import type { Finding, Path, Problem } from './issue.ts';
import { defaults } from './profiles.ts';
import { at, listAt, textAt } from './raw.ts';
import type { Rule } from './rule.ts';

const podPath = ['kubernetes', 'podSubnet'];
const servicePath = ['kubernetes', 'serviceSubnet'];
const endpointPath = ['kubernetes', 'endpoint'];

export const subnetsApart: Rule = raw => {
  const pods = subnetAt(raw, podPath, defaults.podSubnet, checkPodSubnet);
  const services = subnetAt(raw, servicePath, defaults.serviceSubnet, checkServiceSubnet);
  const hosts = listAt(raw, ['hosts']);
  const findings: Finding[] = [];
  if (pods && services && overlap(pods, services)) {
    // The one that was written is the one to change.
    const path = at(raw, podPath) === undefined ? servicePath : podPath;
    findings.push({ path, expectation: `podSubnet ${pods.text} and serviceSubnet ${services.text} overlap` });
  }
  const room = pods ? 2 ** (24 - pods.prefix) : Number.POSITIVE_INFINITY;
  if (pods && room < hosts.length) {
    const expectation = `expected room for a /24 for each of ${hosts.length} hosts; ${pods.text} has ${room}`;
    findings.push({ path: podPath, expectation });
  }
  for (const path of [...hosts.map((_, index): Path => ['hosts', index, 'address']), endpointPath]) {
    const address = toNumber(textAt(raw, path) ?? '');
    const within = (subnet: Subnet | undefined) => subnet && address !== undefined && contains(subnet, address);
    if (within(pods)) findings.push({ path, expectation: `this address is inside podSubnet ${pods?.text}` });
    if (within(services))
      findings.push({ path, expectation: `this address is inside serviceSubnet ${services?.text}` });
  }
  return findings;
};

export const endpointIsNoWorker: Rule = (raw, lineOf) => {
  const path = endpointPath;
  const endpoint = textAt(raw, path);
  if (endpoint === undefined) return [];
  return listAt(raw, ['hosts']).flatMap((_, index): Finding[] => {
    const host = ['hosts', index];
    if (at(raw, [...host, 'role']) !== 'worker') return [];
    if (textAt(raw, [...host, 'name']) !== endpoint && textAt(raw, [...host, 'address']) !== endpoint) return [];
    return [
      { path, expectation: `this is the worker of line ${lineOf(host)}; the API server runs on the control plane` },
    ];
  });
};

function subnetAt(
  raw: unknown,
  path: Path,
  otherwise: string,
  check: (value: string) => Problem | undefined,
): (Subnet & { readonly text: string }) | undefined {
  const text = at(raw, path) ?? otherwise;
  if (typeof text !== 'string' || check(text)) return undefined;
  const subnet = toSubnet(text);
  return subnet && { ...subnet, text };
}
