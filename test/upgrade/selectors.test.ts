import { describe, expect, it } from 'vitest';
import { reaches } from '../../src/upgrade/selectors.ts';
import { workNode } from '../workloads-sample.ts';

const node = workNode('n1', { labels: { cores: '8' } });
const term = (operator: string, value: string) => ({
  labels: [{ key: 'cores', operator, values: [value] }],
  fields: [],
});
const named = (name: string) => ({
  labels: [],
  fields: [{ key: 'metadata.name', operator: 'In', values: [name] }],
});

describe('a node', () => {
  it.each([
    ['Gt', '4', true],
    ['Gt', '8', false],
    ['Lt', '16', true],
    ['Lt', '8', false],
    ['In', '8', true],
    ['NotIn', '8', false],
  ])('with 8 cores is reached by %s %s: %s', (operator, value, isReached) => {
    expect(reaches([term(operator, value)], node)).toBe(isReached);
  });

  it('is reached by its name, by any of several terms, and where nothing is asked', () => {
    expect(reaches([named('n1')], node)).toBe(true);
    expect(reaches([named('n2')], node)).toBe(false);
    expect(reaches([named('n2'), term('In', '8')], node)).toBe(true);
    expect(reaches([], node)).toBe(true);
  });

  it('is not reached by a term that asks for nothing', () => {
    expect(reaches([{ labels: [], fields: [] }], node)).toBe(false);
  });
});
