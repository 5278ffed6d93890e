// The hint for a name that nobody has: the one that was most likely meant, and all there are.
import { nearest } from '../inventory/nearest.ts';

const most = 40;

export function oneOf(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  // Another number is another machine: which one was meant, nobody can tell.
  const meant = near !== undefined && withoutNumbers(near) !== withoutNumbers(name) ? near : undefined;
  const listed = known.slice(0, most).join(', ');
  const all = known.length > most ? `${listed} and ${known.length - most} more` : listed;
  return meant === undefined ? `one of: ${all}` : `did you mean ${meant}? One of: ${all}`;
}

function withoutNumbers(name: string): string {
  return name.replaceAll(/[0-9]/g, '');
}
