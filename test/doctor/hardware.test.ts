// Constructed, from lines that kernels print (linux arch/x86/kernel/cpu/mce/core.c): hardware that counts errors.
import type { MachineFacts } from '../../src/doctor/machine-facts.ts';
import { hardwareErrors } from '../../src/doctor/rules/hardware.ts';
import type { Snapshot } from '../../src/doctor/snapshot.ts';
import { type Case, testRules } from './cases.ts';
import { ago, with1, without } from './constructed.ts';

const logged = 'mce: [Hardware Error]: Machine check events logged';

function said(text: string, seconds = 600, change: Partial<NonNullable<MachineFacts['identity']>> = {}): Snapshot {
  return with1('w1', ({ identity }) => ({
    kernelLog: [{ at: ago(seconds), text }],
    ...(identity && { identity: { ...identity, ...change } }),
  }));
}

const cases: readonly Case[] = [
  {
    rule: hardwareErrors,
    when: 'the processor logged one',
    in: said(logged),
    says: /^the hardware of w1 reports errors: the kernel says mce: /,
    severity: 'warning',
    about: 'machine:w1',
    near: {
      'it was two days ago': said(logged, 2 * 86_400),
      'it is a container, and the log its host’s': said(logged, 600, { container: true }),
      'the kernel only watches for them': said('mce: CPU0: Thermal monitoring enabled (TM1)'),
      'its log is not known': without('w1', 'kernelLog', said(logged)),
    },
  },
  {
    rule: hardwareErrors,
    when: 'one was not corrected',
    in: said('{1}[Hardware Error]: event severity: fatal'),
    says: /reports errors that were not corrected/,
    severity: 'warning',
    near: {},
  },
];

testRules([hardwareErrors], cases);
