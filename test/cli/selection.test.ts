import { describe, expect, it } from 'vitest';
import { type SelectionOptions, select } from '../../src/cli/selection.ts';
import { HomelabError } from '../../src/model/errors.ts';
import { phaseNames } from '../../src/phases/names.ts';

const hosts = ['a', 'b'];
const order = Object.values(phaseNames).map(({ id }) => id);

/** 'phase/host' of everything that is chosen. */
function chosen(options: SelectionOptions): readonly string[] {
  const isChosen = select(options, hosts);
  return order.flatMap(id => hosts.filter(name => isChosen({ id }, { name })).map(name => `${id}/${name}`));
}

function refused(options: SelectionOptions): HomelabError {
  try {
    select(options, hosts);
  } catch (error) {
    if (error instanceof HomelabError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('choosing phases', () => {
  it('takes everything where nothing is said', () => {
    expect(chosen({})).toHaveLength(order.length * 2);
  });

  it('takes phases, and machines of phases', () => {
    expect(chosen({ only: ['containerd', 'network/b'] })).toEqual(['containerd/a', 'containerd/b', 'network/b']);
  });

  it('leaves out phases, and machines of phases, also of those that were taken', () => {
    expect(chosen({ only: ['containerd', 'network'], skip: ['containerd/a', 'network'] })).toEqual(['containerd/b']);
  });

  it('goes up to a phase and with it, or with one machine of it', () => {
    expect(chosen({ until: 'preflight' })).toEqual(['connect/a', 'connect/b', 'preflight/a', 'preflight/b']);
    expect(chosen({ until: 'preflight/b' })).toEqual(['connect/a', 'connect/b', 'preflight/b']);
  });

  it.each([
    [{ only: ['hostbase'] }, '--only: no phase is called "hostbase"', 'host-base'],
    [{ skip: ['network/c'] }, '--skip: no machine of the inventory is called "c"', 'a, b'],
    [{ until: 'workers/a/join' }, '--until: no machine of the inventory is called "a/join"', 'a, b'],
    [{ only: [''] }, '--only: no phase is called ""', 'connect'],
    [{ only: ['network/'] }, '--only: no machine of the inventory is called ""', 'a, b'],
  ])('refuses %j and names what there is', (options, message, hint) => {
    expect(refused(options)).toMatchObject({
      code: 'HL_USAGE',
      exitCode: 2,
      message,
      hint: expect.stringContaining(hint),
    });
  });
});
