// A namespace of a layer: what is there, what differs, and how it is made, with stand-ins for kubectl.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { namespace } from '../../src/resources/namespace.ts';
import { dash } from '../dash.ts';
import { changeOf, observe, scratch, standIns } from './rig.ts';

const resource = namespace('blog', 'baseline');

/** `says`: sh, what the API server answers to a look. */
function rig(says: string) {
  const folder = scratch();
  const bin = standIns(folder, {
    kubectl: `echo "kubectl $*" >>${folder}/asked
case "$*" in *' get namespace blog'*) ${says} ;; esac`,
  });
  return {
    bin,
    moved: { '/etc/kubernetes/admin.conf': folder },
    asked: () => readFileSync(`${folder}/asked`, 'utf8'),
  };
}

describe('what is looked at', () => {
  it.each([
    ['there is none', ':', 'absent', 'there is none'],
    ['it has no label', "echo 'Active '", '', 'it enforces nothing, not baseline'],
    ['it has another level', "echo 'Active privileged'", 'privileged', 'it enforces privileged, not baseline'],
    ['the API server is away', 'exit 1', 'unknown', 'whether it is there the API server does not say'],
  ])('where %s: what is to be done says so', (_, says, state, why) => {
    const observed = observe(resource, rig(says));
    expect(observed).toBe(state);
    expect(changeOf(resource, observed).why).toBe(why);
  });

  it('one as it is wanted is in order, and one that ends is refused', () => {
    expect(resource.change(observe(resource, rig("echo 'Active baseline'")), [])).toBeUndefined();
    const ending = observe(resource, rig("echo 'Terminating baseline'"));
    expect(resource.change(ending, [])).toBeUndefined();
    expect(resource.remarks?.(ending, [])).toMatchObject([{ kind: 'refusal', id: 'namespace-terminating' }]);
  });

  it('before there is a cluster there is none', () => {
    expect(observe(resource, { ...rig('exit 1'), moved: { '/etc/kubernetes': '/nowhere' } })).toBe('absent');
  });
});

describe('what is done', () => {
  it.each([
    ['is not there', 'exit 1', true],
    ['is there', ':', false],
  ])('where it %s: it is labelled, and made only if need be', (_, says, isMade) => {
    const machine = rig(says);
    const { action } = changeOf(resource, 'unknown');
    expect(dash(`set -eu\n${action.script}`, machine)).toMatchObject({ code: 0, stdout: '' });
    expect(machine.asked().includes('create namespace blog')).toBe(isMade);
    expect(machine.asked()).toContain('label --overwrite namespace blog pod-security.kubernetes.io/enforce=baseline');
  });

  it('shows no namespace as new that may be there', () => {
    expect(changeOf(resource, 'absent').diff).toContain('+ namespace blog');
    expect(changeOf(resource, 'unknown').diff).toBe('+ pod-security.kubernetes.io/enforce: baseline');
  });
});
