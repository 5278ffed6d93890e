// What `homelab init` is told on its command line, checked before anything is asked or reached.
import { resolve } from 'node:path';
import { checkAddress } from '../inventory/addresses.ts';
import type { Problem } from '../inventory/issue.ts';
import { checkEndpoint, checkHostName, checkLabelName, checkTimeZone, checkUser } from '../inventory/names.ts';
import { nearest } from '../inventory/nearest.ts';
import { pathProblem } from '../inventory/paths.ts';
import { checkReference } from '../inventory/secrets.ts';
import { checkProfile } from '../inventory/versions.ts';
import type { Role } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';

export interface NamedMachine {
  /** Undefined: it is called as it calls itself. */
  readonly name: string | undefined;
  readonly address: string;
  readonly port: number | undefined;
  readonly role: Role | undefined;
}

export interface InitOptions {
  readonly out: string;
  readonly output?: 'plain' | 'json';
  readonly host?: readonly NamedMachine[];
  readonly scan?: readonly string[];
  readonly name?: string;
  readonly user?: string;
  readonly identityFile?: string;
  readonly sudoPassword?: string;
  readonly timeZone?: string;
  readonly profile?: string;
  readonly endpoint?: string;
  readonly trustNewHostKeys?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** As they were typed. */
export type RawOptions = Omit<InitOptions, 'host'> & { readonly host?: readonly string[] };

const roles: readonly Role[] = ['control-plane', 'worker'];

/** '[NAME=]ADDRESS[:PORT][,control-plane|worker]'; a text says what is wrong with it. */
export function readMachine(text: string): NamedMachine | string {
  const [, name, address = '', port, role] = /^(?:([^=]*)=)?([^,:]*)(?::([0-9]+))?(?:,(.*))?$/.exec(text.trim()) ?? [];
  const problem = (name === undefined ? undefined : checkHostName(name)) ?? checkAddress(address);
  if (problem) return `${said(problem)}; write NAME=ADDRESS, for example k8s-cp=192.168.0.10,control-plane`;
  const known = roles.find(each => each === role);
  if (role !== undefined && known === undefined) {
    const near = nearest(role, roles);
    return `a machine is a control-plane or a worker, not ${JSON.stringify(role)}${near ? ` (did you mean ${near}?)` : ''}`;
  }
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) return `${port} is no port`;
  return { name, address, port: port === undefined ? undefined : Number(port), role: known };
}

/** Throws HL_USAGE with all that is wrong. */
export function checkedFlags({ host, ...options }: RawOptions): InitOptions {
  const machines = host?.map(readMachine) ?? [];
  const problems = [
    ...machines.flatMap(each => (typeof each === 'string' ? `--host: ${each}` : [])),
    ...(Object.keys(checks) as (keyof typeof checks)[]).flatMap(name => {
      const value = options[name];
      const problem = value === undefined ? undefined : checks[name](value);
      return problem ? `--${name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}: ${said(problem)}` : [];
    }),
  ];
  if (problems.length > 0) {
    throw new HomelabError(
      'HL_USAGE',
      problems.length === 1 ? (problems[0] ?? '') : `${problems.length} options are not as they should be`,
      {
        context: problems.length === 1 ? {} : { details: problems },
        hint: 'homelab init --help has examples',
      },
    );
  }
  return { ...options, ...(host ? { host: machines.filter(each => typeof each !== 'string') } : {}) };
}

const checks = {
  name: checkLabelName,
  user: checkUser,
  identityFile: pathProblem,
  sudoPassword: checkReference,
  timeZone: checkTimeZone,
  profile: checkProfile,
  endpoint: checkEndpoint,
} as const;

export function said({ expectation, suggestion }: Problem): string {
  return suggestion === undefined ? expectation : `${expectation} (did you mean "${suggestion}"?)`;
}

/** As the inventory writes it: paths there are relative to the inventory, those on a command line to where one stands. */
export function pathFromHere(path: string, home: string): string {
  const whole = path === '~' || path.startsWith('~/') ? path : resolve(path);
  return home !== '' && whole.startsWith(`${home}/`) ? `~${whole.slice(home.length)}` : whole;
}
