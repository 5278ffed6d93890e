// What the kernel and the units wrote in the last day of this boot, as far as a rule could know it: bounded, newest kept, secrets masked.
import { redacted } from '../redact.ts';
import { containerdFragments, kernelFragments, kubeletFragments } from './known-lines.ts';
import { iso, type Look, linesOf } from './look.ts';

const atMost = 200;

const journalled = ['kubelet', 'containerd', 'systemd-networkd', 'homelab-backup'];

// Newest first: where there is too much of it, or too little time, it is the old that is left out.
const journal = (which: string) =>
  `timeout 10 journalctl ${which} -b --since=-24h -r -n 50000 -q -o short-unix --no-hostname --no-pager`;

const matching = (fragments: readonly string[]) => `LC_ALL=C grep -iE '${fragments.join('|')}'`;

/**
 * Of lines that differ in numbers alone the newest and the oldest. What is a number, an id or a time is the same for it. Bounded before it is
 * read, because a machine in trouble repeats itself ten times a second.
 */
const sifted = `cut -c -600 | awk '{
  key = $0
  sub(/^[^ ]* /, "", key)
  gsub(/[0-9]+/, "#", key); gsub(/#[a-f]+/, "#", key); gsub(/[a-f]+#/, "#", key); gsub(/#+/, "#", key)
  if (!(key in newest)) { if (kinds == ${atMost / 2}) next; kinds++; order[kinds] = key; newest[key] = $0 } else oldest[key] = $0
}
END { for (i = 1; i <= kinds; i++) { print newest[order[i]]; if (order[i] in oldest) print oldest[order[i]] } }'`;

export const kernelLog: Look = {
  id: 'kernel-log',
  lane: 'journals',
  facts: ['kernelLog'],
  // A link that went down fourteen times says so in fourteen lines: nothing is sifted here.
  // What was not read in time is not an empty log.
  script: () =>
    `timeout 10 journalctl -n 1 -q >/dev/null\n{ ${journal('-k')} || [ $? -ne 124 ] || echo @late; } | ${matching([...kernelFragments, '^@late$'])} | grep -vE '(veth|lxc|cali)[0-9a-f]' | head -n ${atMost} | cut -c -400 || true\n`,
  parse(output) {
    const kernelLog = entriesOf(output);
    if (kernelLog.length === 0 && /^@late$/m.test(output)) throw new Error('no answer in time');
    return { kernelLog };
  },
};

// Of the unit itself (started, exited) systemd speaks.
const ofUnit = (unit: string, fragments: readonly string[]) =>
  `echo '@${unit}'\n{ ${journal(`-u ${unit}.service`)} || true; } | ${matching([
    '^[0-9.]+ systemd\\[',
    ...fragments,
  ])} | ${sifted} || true\n`;

// Nothing is left out between the lines: how often they come is what they say.
const plain = (unit: string, filter: string) =>
  `echo '@${unit}'\n{ ${journal(`-u ${unit}.service`)} || true; } | ${filter} | cut -c -400 || true\n`;

export const journals: Look = {
  id: 'journals',
  lane: 'journals',
  facts: ['journal'],
  script: () =>
    `timeout 10 journalctl -n 1 -q >/dev/null\n${ofUnit('kubelet', kubeletFragments)}${ofUnit('containerd', containerdFragments)}${plain('systemd-networkd', "grep -E ': (Lost|Gained) carrier' | grep -vE '(veth|lxc|cali|cni|lo:)' | head -n 100")}${plain('homelab-backup', 'head -n 30')}echo '@whole'\n`,
  parse(output) {
    const parts = output.split(/^@([a-z-]+)\n/m);
    if (!parts.includes('whole')) throw new Error('the answer is cut off');
    const of = (unit: string) => entriesOf(parts[parts.indexOf(unit) + 1] ?? '');
    return { journal: Object.fromEntries(journalled.map(unit => [unit, of(unit)])) };
  },
};

// '1795364684.009046 kubelet[1923]: text', newest first.
function entriesOf(output: string) {
  return linesOf(output)
    .flatMap(line => {
      const [, seconds, text] = /^(\d{9,11}\.\d+) (.*)$/.exec(line) ?? [];
      return seconds === undefined || text === undefined ? [] : [{ at: Number(seconds), text: redacted(text) }];
    })
    .sort((one, other) => one.at - other.at)
    .map(({ at, text }) => ({ at: iso(at * 1000), text }));
}
