// Many questions as one script, lanes side by side; and their answers apart again. Nothing is written where it runs: there may be no room.
import { sh } from '../../model/shell.ts';

export interface Part {
  readonly id: string;
  /** Runs under `set -eu` in a shell of its own: it can fail without taking the others along. */
  readonly script: string;
}

export interface Answer {
  readonly code: number;
  readonly output: string;
  /** What stood on stderr. */
  readonly words: string;
}

const mark = '@homelab-look';
/** File descriptors that lanes wait behind; 9 is where a part prints to. */
const [firstWaiting, lastWaiting] = [3, 8];

/** sh. The parts of a lane run one after another, the lanes at the same time. */
export function sideBySide(lanes: readonly (readonly Part[])[]): string {
  const [own = [], ...others] = lanes.filter(lane => lane.length > 0);
  if (others.length > lastWaiting - firstWaiting + 1) throw new Error('more lanes than file descriptors');
  // A lane is the left side of a pipe. Its right side goes on with the next lane, and prints what came through when it is done itself.
  const nested = others.reduce(
    (inner, lane, index) =>
      `{\n${lane.map(partOf).join('')}} | {\nexec ${firstWaiting + index}<&0 </dev/null\n${inner}cat <&${firstWaiting + index}\n}\n`,
    own.map(partOf).join(''),
  );
  return `set +e
part() { printf '\\n${mark} %s\\n' "$*"; }
${nested}`;
}

// In a command substitution of its own, so that -e ends it and its words on stderr can be told. What stands on stdin is the script itself.
function partOf({ id, script }: Part): string {
  return `part begin ${sh(id)}
{ said=$({ set -eu
${script.trimEnd()}
} 2>&1 >&9); code=$?; } 9>&1 </dev/null
part end ${sh(id)} "$code" "$said"
`;
}

/** What each part answered, by its id. One that did not come to its end is not in the map. */
export function answersIn(stdout: string): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>();
  const pattern = new RegExp(
    `\\n${mark} begin (\\S+)\\n([\\s\\S]*?)\\n${mark} end \\1 (\\d+) ?([\\s\\S]*?)(?=\\n${mark} |$)`,
    'g',
  );
  for (const [, id = '', output = '', code, words = ''] of stdout.matchAll(pattern)) {
    if (!answers.has(id)) answers.set(id, { code: Number(code), output, words: words.trim() });
  }
  return answers;
}

/** Why a part that failed did: its last word. */
export function reasonIn({ code, words }: Answer): string {
  const last = words.split('\n').at(-1)?.slice(0, 300) ?? '';
  const how = code === 124 || code === 137 ? 'no answer in time' : `exit ${code}`;
  return last === '' ? how : `${last} (${how})`;
}
