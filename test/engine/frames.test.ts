import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fragment, type Frame, joinFragments, splitFrames } from '../../src/engine/frames.ts';
import { printing } from '../../src/model/shell.ts';
import { dash } from '../dash.ts';

const mark = '@0123456789abcdef01';

function run(...scripts: readonly string[]): readonly (Frame | undefined)[] {
  const fragments: readonly Fragment[] = scripts.map((script, index) => ({ id: `fragment ${index}`, script }));
  const frames = splitFrames(dash(joinFragments(fragments, mark)), fragments, mark);
  return fragments.map(({ id }) => frames.get(id));
}

const said = (stdout: string, code = 0, stderr = ''): Frame => ({ code, stdout, stderr });

describe('fragments joined into one script', () => {
  it('give back exit code, stdout and stderr, each its own', () => {
    expect(run('echo one', 'echo two; echo trouble >&2; exit 3', 'echo three')).toEqual([
      said('one\n'),
      said('two\n', 3, 'trouble\n'),
      said('three\n'),
    ]);
  });

  it.each([
    ['a command that fails', 'echo before; false; echo after', 1],
    ['an exit', 'echo before; exit 3; echo after', 3],
    ['a variable that is not set', 'echo before; echo "$nowhere"; echo after', 2],
    ['a command that does not exist', 'echo before; homelab-no-such-command; echo after', 127],
    ['a failing command substitution', 'echo before; x=$(exit 9); echo after', 9],
    ['bad syntax behind eval', `echo before; x=$(eval 'if'); echo after`, 2],
    ['its own death', 'echo before; kill -9 "$(sh -c \'echo $PPID\')"; sleep 5; echo after', 137],
  ])('survive a neighbour with %s', (_, script, code) => {
    const [first, bad, last] = run('echo first', script, 'echo last');
    expect(first).toEqual(said('first\n'));
    expect(bad).toMatchObject({ code, stdout: 'before\n' });
    expect(last).toEqual(said('last\n'));
  });

  it('have no frame from the one on that the shell itself cannot read', () => {
    // dash reads a whole compound command before it runs it: what is ours must pass `dash -n` (scripts.test.ts).
    expect(run('echo first', 'x=$(if)', 'echo last')).toEqual([said('first\n'), undefined, undefined]);
  });

  it('do not see variables, functions or the folder of the one before', () => {
    expect(run('x=1; f() { :; }; cd /usr', `echo "\${x-none} $(command -v f || echo none)"; pwd`)[1]?.stdout).toMatch(
      /^none none\n(?!\/usr)/,
    );
  });

  it('keep output without a last newline, empty output and empty lines as they are', () => {
    expect(run(`printf 'no newline'`, ':', `printf '\\n\\n'`, `printf '\\nx'`).map(frame => frame?.stdout)).toEqual([
      'no newline',
      '',
      '\n\n',
      '\nx',
    ]);
  });

  it('keep UTF-8, and lines that look like marks', () => {
    const tricky = `한글 🦀\n@other end 0 0\n${mark}\n${mark} end\nframe end 0 0\n`;
    expect(run(printing(tricky), 'echo next')).toEqual([said(tricky), said('next\n')]);
  });

  it('come back by id, whatever the id has in it', () => {
    const fragments = [
      { id: `'; exit 1; #`, script: 'echo one' },
      { id: '$(reboot)', script: 'echo two' },
    ];
    const frames = splitFrames(dash(joinFragments(fragments, mark)), fragments, mark);
    expect([...frames]).toEqual([
      [`'; exit 1; #`, said('one\n')],
      ['$(reboot)', said('two\n')],
    ]);
  });

  it('have no frame when the connection ended in the middle', () => {
    const fragments = [
      { id: 'a', script: 'echo one' },
      { id: 'b', script: 'echo two' },
    ];
    const { stdout, stderr } = dash(joinFragments(fragments, mark));
    const frames = splitFrames({ stdout: stdout.slice(0, stdout.indexOf('two')), stderr }, fragments, mark);
    expect([...frames.keys()]).toEqual(['a']);
  });

  it('exit 0 themselves, so that any other code is the connection or the deadline', () => {
    expect(dash(joinFragments([{ id: 'a', script: 'exit 3' }], mark)).code).toBe(0);
  });

  it('bring back any list of texts exactly', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 6 }), texts => {
        expect(run(...texts.map(printing))).toEqual(texts.map(text => said(text)));
      }),
      { numRuns: 40 },
    );
  });
});
