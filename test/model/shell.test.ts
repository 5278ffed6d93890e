import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { command, printing, sh } from '../../src/model/shell.ts';
import { dash } from '../dash.ts';

const argument = fc.string({ unit: 'binary', maxLength: 40 }).filter(text => !text.includes('\0'));

describe('sh()', () => {
  it('leaves plain words readable and quotes everything else', () => {
    expect([sh('net.ipv4.ip_forward=1'), sh('/etc/hosts'), sh(''), sh('a b'), sh("it's"), sh('~'), sh('*')]).toEqual([
      'net.ipv4.ip_forward=1',
      '/etc/hosts',
      "''",
      "'a b'",
      "'it'\\''s'",
      "'~'",
      "'*'",
    ]);
  });

  it('refuses NUL, which no argument can hold', () => {
    expect(() => sh('a\0b')).toThrow(/NUL/);
  });

  it('survives dash for any text', () => {
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 8 }), texts => {
        // NUL parts them: nothing else cannot stand in an argument.
        expect(dash(`${command('printf', '%s\\0', ...texts)}\n`).stdout).toBe(texts.map(text => `${text}\0`).join(''));
      }),
      { numRuns: 60 },
    );
  });

  it.each(['$(id)', '`id`', '$HOME', '\\', "'", '"', '\n', ' ', '!', '#x', '-n', '한글', '🦀', "'; reboot #"])(
    'survives dash for %j',
    text => {
      expect(dash(`printf '%s' ${sh(text)}\n`).stdout).toBe(text);
    },
  );
});

describe('printing()', () => {
  it('prints nothing for nothing', () => {
    expect(dash(printing(''))).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('prints any text exactly, also inside braces and a command substitution', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(dash(`set -eu\n{ ${printing(text)}}\nx=$(${printing('inner')})\nprintf '%s' "$x"\n`).stdout).toBe(
          `${text}inner`,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('prints 4 MiB exactly', () => {
    const text = 'x한\n$`\'"\\'.repeat(350_000);
    expect(dash(printing(text)).stdout === text).toBe(true);
  });

  it('never shows the text itself, so that a here document cannot end early', () => {
    expect(printing('HOMELAB_BASE64\nreboot\n')).not.toContain('reboot');
  });
});
