// Parts side by side in one script, under the shell that machines have.
import { describe, expect, it } from 'vitest';
import { answersIn, reasonIn, sideBySide } from '../../../src/doctor/looks/script.ts';
import { dash } from '../../dash.ts';

const run = (...lanes: readonly (readonly (readonly [string, string])[])[]) => {
  const script = sideBySide(lanes.map(lane => lane.map(([id, script]) => ({ id, script }))));
  return answersIn(dash(script).stdout);
};

describe('parts side by side', () => {
  it('answer each for itself, whichever lane they are in', () => {
    const answers = run(
      [
        ['a', 'echo one'],
        ['b', 'printf two'],
      ],
      [['c', 'echo three']],
      [['d', 'echo four; echo five']],
    );
    expect([...answers].map(([id, { code, output }]) => [id, code, output]).sort()).toEqual([
      ['a', 0, 'one\n'],
      ['b', 0, 'two'],
      ['c', 0, 'three\n'],
      ['d', 0, 'four\nfive\n'],
    ]);
  });

  it('run at the same time: one lane waits for what the other does later', () => {
    const waits = 'while [ ! -e "$0.there" ]; do sleep 0.05; done; rm "$0.there"; echo seen';
    const answers = run([['first', waits]], [['second', 'sleep 0.2; : > "$0.there"; echo made']]);
    expect(answers.get('first')?.output).toBe('seen\n');
  });

  it('fail alone, at the first command that does, and say why', () => {
    const answers = run([
      ['bad', 'echo before; ls /no/such/thing; echo after'],
      ['good', 'echo well'],
    ]);
    const bad = answers.get('bad');
    expect(bad?.output).toBe('before\n');
    expect(bad && reasonIn(bad)).toMatch(/No such file or directory \(exit 2\)$/);
    expect(answers.get('good')).toEqual({ code: 0, output: 'well\n', words: '' });
  });

  it('are told apart where one prints more than a pipe holds and another nothing', () => {
    const answers = run([['quiet', ':']], [['loud', 'seq 1 60000']], [['last', 'echo x']]);
    expect(answers.get('loud')?.output.split('\n').length).toBe(60_001);
    expect(answers.get('quiet')?.output).toBe('');
    expect(answers.get('last')?.output).toBe('x\n');
  });

  it('do not read what stands behind them', () => {
    expect(run([['a', 'cat; echo end']], [['b', 'cat; echo end']], [['c', 'echo c']]).size).toBe(3);
  });

  it('that were cut off are not there', () => {
    const script = sideBySide([
      [
        { id: 'a', script: 'echo one' },
        { id: 'b', script: 'echo two' },
      ],
    ]);
    const { stdout } = dash(script);
    expect([...answersIn(stdout.slice(0, stdout.indexOf('two'))).keys()]).toEqual(['a']);
  });

  it('call a deadline what it is', () => {
    expect(reasonIn({ code: 124, output: '', words: '' })).toBe('no answer in time');
  });
});
