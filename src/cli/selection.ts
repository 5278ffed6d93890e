// --only, --skip and --until: PHASE or PHASE/HOST, checked against what there is before anything runs.
import { HomelabError } from '../model/errors.ts';
import { phaseNames } from '../phases/names.ts';
import { oneOf } from './suggest.ts';

export interface SelectionOptions {
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly until?: string;
}

interface Place {
  readonly phase: string;
  readonly host: string | undefined;
}

export type IsChosen = (phase: { readonly id: string }, host: { readonly name: string }) => boolean;

/** Throws HL_USAGE for a phase or host that does not exist, naming the ones that do. */
export function select(options: SelectionOptions, hosts: readonly string[]): IsChosen {
  const order = Object.values(phaseNames).map(phase => phase.id as string);
  const place =
    (option: string) =>
    (text: string): Place => {
      const [phase = '', host, ...rest] = text.split('/');
      if (!order.includes(phase)) throw unknown(option, `no phase is called ${JSON.stringify(phase)}`, phase, order);
      if (rest.length > 0 || (host !== undefined && !hosts.includes(host))) {
        throw unknown(
          option,
          `no machine of the inventory is called ${JSON.stringify([host, ...rest].join('/'))}`,
          host ?? '',
          hosts,
        );
      }
      return { phase, host };
    };
  const only = options.only?.map(place('--only'));
  const skip = options.skip?.map(place('--skip')) ?? [];
  const until = options.until === undefined ? undefined : place('--until')(options.until);
  const matches = (each: Place, phase: string, host: string) => each.phase === phase && (each.host ?? host) === host;
  return ({ id }, { name }) => {
    if (only && !only.some(each => matches(each, id, name))) return false;
    if (skip.some(each => matches(each, id, name))) return false;
    if (!until) return true;
    const [at, end] = [order.indexOf(id), order.indexOf(until.phase)];
    return at < end || (at === end && (until.host ?? name) === name);
  };
}

function unknown(option: string, what: string, name: string, known: readonly string[]): HomelabError {
  return new HomelabError('HL_USAGE', `${option}: ${what}`, { hint: oneOf(name, known) });
}
