// Every knob of one adapter, or of the machine, as it is now; only what differs is set.

import type { NicPower } from '../model/nic.ts';
import type { Remark, Resource } from '../model/plan.ts';
import { command, sh } from '../model/shell.ts';
import { type Knob, knobs } from './nic-knobs.ts';
import { type Adapter, isUnknown, isWanted, isWithout, knobsOf, readScript, setScript } from './nic-script.ts';
import { defineResource } from './resource.ts';

export interface NicOptions {
  readonly of: Adapter | 'machine';
  readonly power: NicPower;
  /** Its node's name, where it is a member: what drops the link disturbs, and the node must be Ready again afterwards. */
  readonly node: string | undefined;
  /** Somebody else set it up: the link stays up. */
  readonly isAdopted: boolean;
  /** Asked for by name: also what is in order is told. */
  readonly isNamed: boolean;
  /** The tools that are missing come with this phase, which is not chosen; undefined: they come before. */
  readonly toolsFrom?: string | undefined;
}

/** Knob → its value, 'n/a: why' or 'unknown: why'. */
type Values = { readonly [knob: string]: string };

const widest = Math.max(...knobs.map(({ id }) => id.length));
const linkSeconds = 90;
const readySeconds = 180;

export function nicPower(options: NicOptions): Resource {
  const { of, power, node, isAdopted } = options;
  const rows = knobsOf(of, power);
  const wanted = rows.filter(row => isWanted(row, power) && !isLeftUp(row, isAdopted));
  const wrong = (observed: Values) => wanted.filter(row => isWrong(row, observed));
  const name = of === 'machine' ? 'machine' : of.name;
  const driver = of === 'machine' ? '' : ` (driver ${of.driver})`;
  return defineResource<Values>({
    key: `nic-power:${name}`,
    name,
    title: of === 'machine' ? 'Keep the machine awake' : `Keep ${name} awake`,
    read: readScript(of, rows),
    parse: output => parseValues(output, rows),
    blank: Object.fromEntries(rows.map(({ id, blank }) => [id, blank])),
    desired: Object.fromEntries(rows.map(row => [row.id, isWanted(row, power) ? row.wanted : row.blank])),
    differences(observed) {
      const found = wrong(observed).map(row => `${row.title} is ${observed[row.id]}`);
      return found.length > 0 ? [`${found.join('; ')}${driver}`] : [];
    },
    act(observed) {
      const open = wrong(observed);
      const drops = open.some(({ renegotiates }) => renegotiates);
      return {
        diff: rows.flatMap(row => linesOf(row, observed, open.includes(row), options)).join('\n'),
        risk: drops && node !== undefined ? 'disruptive' : 'safe',
        leaves: { ...observed, ...Object.fromEntries(open.map(row => [row.id, row.wanted])) },
        action: {
          script: drops && of !== 'machine' ? gated(of.name, node, setScript(of, open)) : setScript(of, open),
          timeoutMs: (60 + (drops ? linkSeconds + readySeconds : 0)) * 1000,
          explain,
        },
      };
    },
    remarks: observed => remarksOf(options, rows, observed, wrong(observed).length > 0),
  });
}

/** What only drops a link that is not ours to drop. */
export function isLeftUp({ renegotiates }: Knob, isAdopted: boolean): boolean {
  return isAdopted && renegotiates === true;
}

/** 'runtime-pm on, eee n/a': what evidence shows; undefined where a wanted one is not as it should be, or not known. */
export function shownValues(output: string): string {
  return output
    .trim()
    .split('\n')
    .map(line => line.replace('=', ' ').replace(/ n\/a: .*/, ' n/a'))
    .join(', ');
}

/** Is every knob that is wanted as it should be, or n/a? */
export function isAwake(
  { of, power, isAdopted }: Pick<NicOptions, 'of' | 'power' | 'isAdopted'>,
  output: string,
): boolean {
  const rows = knobsOf(of, power);
  const observed = parseValues(output, rows);
  return rows
    .filter(row => isWanted(row, power) && !isLeftUp(row, isAdopted))
    .every(row => !isWrong(row, observed) && !isUnknown(observed[row.id] ?? ''));
}

function isWrong({ id, wanted }: Knob, observed: Values): boolean {
  const value = observed[id] ?? '';
  return value !== wanted && !isWithout(value) && !isUnknown(value);
}

function parseValues(output: string, rows: readonly Knob[]): Values {
  const values: Record<string, string> = {};
  for (const line of output.split('\n').filter(Boolean)) {
    const split = line.indexOf('=');
    const id = line.slice(0, Math.max(split, 0));
    const value = line.slice(split + 1);
    if (!rows.some(row => row.id === id) || value === '') throw new Error(`unexpected answer about a knob: ${line}`);
    values[id] = value;
  }
  const missing = rows.find(({ id }) => values[id] === undefined);
  if (missing) throw new Error(`nothing was said about ${missing.id}`);
  return values;
}

// A line of the diagnosis, or of the step's diff.
function linesOf(row: Knob, observed: Values, isOpen: boolean, options: NicOptions): readonly string[] {
  const { id, wanted, why } = row;
  const name = id.padEnd(widest);
  const value = observed[id] ?? '';
  if (isOpen) return [`- ${name}  ${value}`, `+ ${name}  ${wanted}  (${why})`];
  const isLeft = isWrong(row, observed) && !isWanted(row, options.power);
  const most = typeof row.from === 'number' ? `: level ${row.from} would make it ${wanted}` : '';
  return [`  ${name}  ${value}${isLeft ? `, left so at level ${options.power.level}${most}` : ''}`];
}

function remarksOf(
  options: NicOptions,
  rows: readonly Knob[],
  observed: Values,
  isChanging: boolean,
): readonly Remark[] {
  const { of, power, isAdopted, isNamed, toolsFrom } = options;
  const name = of === 'machine' ? 'the machine' : of.name;
  const unknown = rows.filter(row => isWanted(row, power) && isUnknown(observed[row.id] ?? ''));
  const left = rows.filter(row => isWanted(row, power) && isLeftUp(row, isAdopted) && isWrong(row, observed));
  const reasons = [...new Set(unknown.map(({ id }) => (observed[id] ?? '').slice('unknown: '.length)))];
  return [
    ...(unknown.length > 0
      ? [
          saying(
            `${unknown.map(({ id }) => id).join(', ')} of ${name} cannot be read: ${reasons.join('; ')}`,
            toolsFrom,
          ),
        ]
      : []),
    ...left.map(
      (row): Remark => ({
        kind: 'note',
        text: `left as it is, because homelab did not set it up and the link would drop: ${row.title} is ${observed[row.id]} on ${name}`,
      }),
    ),
    // A step shows all of it already.
    ...(isNamed && !isChanging ? [{ kind: 'note' as const, text: diagnosis(options, rows, observed) }] : []),
  ];
}

function saying(text: string, toolsFrom: string | undefined): Remark {
  if (toolsFrom === undefined) return { kind: 'note', text };
  return {
    kind: 'refusal',
    id: 'tools',
    reason: text,
    hint: `${toolsFrom} installs what is missing: homelab bootstrap --only ${toolsFrom} --only nic-power`,
  };
}

function diagnosis(options: NicOptions, rows: readonly Knob[], observed: Values): string {
  const { of } = options;
  const head = of === 'machine' ? 'the machine' : `${of.name} (${of.class}, ${of.driver})`;
  return [head, ...rows.flatMap(row => linesOf(row, observed, false, options))].join('\n');
}

// sh: what drops the link, and the wait until link and node are back. The node's lease counts, not its condition, which stays True for a
// while after the machine is gone.
function gated(nic: string, node: string | undefined, set: string): string {
  const lease = command('kubectl', '--kubeconfig', '/etc/kubernetes/kubelet.conf', '--request-timeout=10s');
  const renewed = `${lease} get lease -n kube-node-lease ${sh(node ?? '')} -o 'jsonpath={.spec.renewTime}'`;
  const ready = `${lease} get node ${sh(node ?? '')} -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'`;
  const carrier = `$(cat ${sh(`/sys/class/net/${nic}/carrier`)} 2>/dev/null || echo 0)`;
  return `carrier=${carrier}
${node === undefined ? '' : `was=$(${ready} 2>/dev/null || true)\n`}${set}[ "$carrier" = 1 ] || exit 0
# the link goes down a moment after the command has ended: it is back when it stays
stays=0 left=${linkSeconds}
while [ "$stays" -lt 5 ]; do
  if [ "${carrier}" = 1 ]; then stays=$((stays + 1)); else stays=0; fi
  [ "$left" -gt 0 ] || { echo ${sh(`homelab: ${nic} has no link ${linkSeconds} s after it was set`)} >&2; exit 66; }
  left=$((left - 1)); sleep 1
done
${node === undefined ? '' : nodeGate({ renewed, ready })}`;
}

function nodeGate({ renewed, ready }: { readonly renewed: string; readonly ready: string }): string {
  return `[ "$was" = True ] || exit 0
since=$(date -u +%Y-%m-%dT%H:%M:%S) end=$(($(date +%s) + ${readySeconds}))
while :; do
  now=$(${renewed} 2>/dev/null || true)
  first=$(printf '%s\\n' "$since" "$now" | sort | head -n 1)
  if [ "$first" = "$since" ] && [ "$(${ready} 2>/dev/null || true)" = True ]; then break; fi
  [ "$(date +%s)" -lt "$end" ] || { echo 'homelab: the node is not Ready ${readySeconds} s after its link was back' >&2; exit 67; }
  sleep 2
done
`;
}

const explain = [
  {
    pattern: /homelab: (\S+ has no link \d+ s) after/,
    message: '$1 after it was set',
    hint: 'look at the switch port and the cable; ethtool --set-eee NIC eee on puts EEE back; then run the same command again',
  },
  {
    pattern: /homelab: the node is not Ready (\d+ s)/,
    message: 'the node is not Ready $1 after its link was back',
    hint: 'see why: journalctl -u kubelet on that machine; then run the same command again: the other machines have not been touched',
  },
  {
    pattern: /homelab: (.* is still .*)/,
    message: 'the adapter does not take it: $1',
    hint: 'the firmware or another service decides; nicPower: {level: 0} for this machine in the inventory leaves it alone',
  },
  {
    pattern: /Operation not (?:supported|permitted)/,
    message: 'the driver or the firmware refuses it',
    hint: 'nicPower: {level: 0} for this machine in the inventory leaves its adapters alone',
  },
] as const;
