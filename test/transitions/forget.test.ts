import { describe, expect, it } from 'vitest';
import { forget } from '../../src/transitions/forget.ts';
import { convergedWorld, host } from '../sample.ts';

function scriptOf(dead: boolean): string {
  const leaving = host('k8s-worker3');
  const world = convergedWorld();
  const { change } = forget({ ...world, about: { kind: 'remove', hosts: [leaving], dead } }, leaving);
  if (!change || 'refuse' in change) throw new Error('there is a node to forget');
  return change.action.script;
}

describe('forgetting a node', () => {
  const pods = 'delete pods --all-namespaces --field-selector "spec.nodeName=$1" --force --grace-period=0';

  it('that is dead takes its pods along: they would count as running until the garbage collector comes', () => {
    expect(scriptOf(true)).toContain(pods);
    expect(scriptOf(true)).toMatch(/\nforget k8s-worker3\n$/);
  });

  it('that was emptied and reset leaves pods alone', () => {
    expect(scriptOf(false)).not.toContain('delete pods');
  });
});
