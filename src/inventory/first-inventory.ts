// The inventory that `homelab init` writes: every key with what was found, and what cannot be changed later said where it stands. Pure.
import { describeMachine, type FirstMachine, lookOf, remarksOn } from './first-machine.ts';
import type { ChosenSubnets } from './free-subnets.ts';
import { profiles } from './profiles.ts';

export interface FirstInventory {
  readonly name: string;
  readonly timeZone: string;
  readonly profile: string;
  readonly endpoint: string;
  readonly user: string | undefined;
  readonly identityFile: string | undefined;
  /** A reference, ${env:NAME} or ${file:PATH}. */
  readonly sudoPassword: string | undefined;
  readonly subnets: ChosenSubnets;
  readonly machines: readonly FirstMachine[];
}

/** Machines that are members already: what their cluster is, it says itself. */
export function membersAmong(machines: readonly FirstMachine[]): readonly FirstMachine[] {
  return machines.filter(machine => lookOf(machine)?.facts.membership.state === 'joined');
}

export function renderFirstInventory(wanted: FirstInventory): string {
  const { name, timeZone, profile, machines } = wanted;
  const versions = profiles[profile];
  const lines = [
    '# Written by homelab init. Change what you like, then:',
    '#   homelab validate --machines   every check on every machine; changes nothing',
    '#   homelab plan                  what would change; changes nothing',
    '#   homelab bootstrap             asks, does it, and proves every phase before the next',
    'apiVersion: homelab/v1',
    'kind: Cluster',
    `name: ${text(name)}`,
    '',
    '# Schedules and reports use this zone (IANA name).',
    `timeZone: ${text(timeZone)}`,
    '',
    `# A set of versions that was tested together: Kubernetes ${versions?.kubernetes ?? '?'}, containerd ${versions?.containerd ?? '?'}.`,
    `profile: ${quoted(profile)}`,
    '',
    ...(membersAmong(machines).length > 0 ? describedLater(wanted) : clusterLines(wanted)),
    ...sshLines(wanted),
    '# What init saw of each stands above it.',
    'hosts:',
    ...machines.flatMap(machineLines),
  ];
  return `${lines.join('\n')}\n`;
}

function describedLater({ machines }: FirstInventory): readonly string[] {
  const names = membersAmong(machines).map(({ name }) => name);
  return [
    ...comment(
      `There is a cluster already, on ${names.join(', ')}: its versions, subnets and endpoint were decided when it was made, and stand nowhere here. This file only says how its machines are reached; the inventory that describes it:`,
      '  homelab plan --describe -i THIS-FILE --out FILE',
    ),
    '',
  ];
}

function clusterLines({ endpoint, subnets }: FirstInventory): readonly string[] {
  const passed = subnets.passedOver.map(({ subnet, because }) => `Not ${subnet}: ${because} is in its way.`);
  return [
    '# Decided when the cluster is made. None of these four can be changed afterwards.',
    'kubernetes:',
    '  # What the API server is reached by. A name, so that a second control plane or a restore on another machine stays',
    '  # possible; homelab enters it in /etc/hosts of every machine.',
    `  endpoint: ${text(endpoint)}`,
    '  # Addresses of pods and of services: nothing that a machine here has, or has a route to.',
    ...comment(...passed).map(line => `  ${line}`),
    `  podSubnet: ${subnets.podSubnet} # every machine takes a /24 of it`,
    `  serviceSubnet: ${subnets.serviceSubnet}`,
    '  # What serves services on every machine; the basic network has nothing else.',
    '  kubeProxy: true',
    '',
    '# basic: bridge and routes, one flat network, no network policies. cilium: Cilium with Hubble, policies, flows to be seen.',
    '# external: you install the pod network yourself. A cluster keeps the one that it began with.',
    'network:',
    '  provider: basic',
    '',
  ];
}

function sshLines({ user, identityFile, sudoPassword }: FirstInventory): readonly string[] {
  const rows = [
    ...(user === undefined ? [] : [`  user: ${text(user)} # needs sudo, or is root`]),
    ...(identityFile === undefined ? [] : [`  identityFile: ${text(identityFile)}`]),
    ...(sudoPassword === undefined
      ? []
      : [`  sudo: {password: ${quoted(sudoPassword)}} # a reference, never the password`]),
  ];
  return [
    '# How machines are reached. ~/.ssh/config and the agent count too; what stands here wins.',
    rows.length > 0 ? 'ssh:' : '# ssh: {user: admin, identityFile: ~/.ssh/id_ed25519}',
    ...rows,
    '',
  ];
}

function machineLines(machine: FirstMachine): readonly string[] {
  const { name, role, address, port, seen } = machine;
  const about = 'unseen' in seen ? [`Not reached at init: ${seen.unseen}`] : describeMachine(seen);
  return [
    ...comment(...about, ...remarksOn(machine).map(remark => `! ${remark}`)).map(line => `  ${line}`),
    `  - name: ${text(name)}`,
    `    role: ${role}`,
    `    address: ${address}`,
    ...(port === undefined || port === 22 ? [] : [`    ssh: {port: ${port}}`]),
  ];
}

const width = 110;

/** Comment lines, wrapped. What a machine says of itself must not become anything but a comment. */
function comment(...texts: readonly string[]): readonly string[] {
  return texts.flatMap(each => {
    const words = each.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, ' ').split(' ');
    const lines: string[] = [];
    for (const word of words) {
      const last = lines.at(-1);
      if (last === undefined || last.length + word.length > width) lines.push(word);
      else lines[lines.length - 1] = `${last} ${word}`;
    }
    return lines.map(line => `# ${line}`.trimEnd());
  });
}

/** Plain where YAML reads it as the same text. */
function text(value: string): string {
  const isPlain = /^[A-Za-z~/][A-Za-z0-9_./~+-]*$/.test(value) && !/^(true|false|null|~)$/i.test(value);
  return isPlain ? value : quoted(value);
}

function quoted(value: string): string {
  return JSON.stringify(value);
}
