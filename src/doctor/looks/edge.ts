// What a CDN answers for the hosts that routes from outside name: a second look, for it needs to know them. Asked as any visitor would.
import { command } from '../../model/shell.ts';
import type { MachineFacts } from '../machine-facts.ts';
import type { Lists } from '../snapshot.ts';
import { answersIn, sideBySide } from './script.ts';

const hostsAtMost = 4;
/** A name with a dot: 'was' is a Service, '*.example.org' no host to ask. */
const publicName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/;

/** sh; undefined when there is nobody to ask. Where curl is missing it says nothing. */
export function edgeScript(lists: Lists): string | undefined {
  const hosts = hostsOf(lists);
  if (hosts.length === 0) return undefined;
  const lanes = hosts.map(host => [
    {
      id: host,
      script: command('curl', '-sS', '-o', '/dev/null', '-D', '-', '--max-time', '3', `https://${host}/`),
    },
  ]);
  return `command -v curl >/dev/null || exit 0\n${sideBySide(lanes)}exit 0\n`;
}

/** Never throws; a host that did not answer is not there. */
export function readEdge({ stdout }: { readonly stdout: string }): NonNullable<MachineFacts['edge']> {
  return [...answersIn(stdout)].flatMap(([host, { code, output }]) => {
    if (code !== 0) return [];
    const header = (name: string) => new RegExp(`^${name}: *(\\S+)`, 'im').exec(output)?.[1] ?? '';
    const age = Number(header('age'));
    return [{ host, cache: header('cf-cache-status'), ageSeconds: Number.isFinite(age) ? age : 0 }];
  });
}

function hostsOf({ virtualservices }: Lists): readonly string[] {
  if (virtualservices.state !== 'seen') return [];
  const hosts = virtualservices.items
    .filter(({ spec }) => spec.gateways.some(name => name !== 'mesh'))
    .flatMap(({ spec }) => spec.hosts)
    .filter(host => publicName.test(host) && !/\.(svc|cluster\.local|local|internal)$/.test(host));
  return [...new Set(hosts)].slice(0, hostsAtMost);
}
