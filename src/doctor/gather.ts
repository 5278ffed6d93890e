// One look at a machine: what it is asked, as one script and one round trip, and what came back. Pure.
import { z } from 'zod';
import { looks } from './looks/index.ts';
import { type About, type Look, lanes, type Moment } from './looks/look.ts';
import { type Answer, answersIn, reasonIn, sideBySide } from './looks/script.ts';
import { type FactName, type MachineFacts, machineFacts } from './machine-facts.ts';
import { redacted } from './redact.ts';
import type { MachineLook } from './snapshot.ts';

/** As the engine's Fragment and Frame: what travels, and what came back of it. */
interface Fragment {
  readonly id: string;
  readonly script: string;
}
interface Frame {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const id = 'doctor';
const clockLine = /^@clock (\d{12,14})$/gm;

/** All looks are one fragment: side by side they take as long as the longest lane. */
export function machineFragments(about: About): readonly Fragment[] {
  const parts = lanes.map(lane =>
    looks.flatMap(look => (look.lane === lane ? [{ id: look.id, script: look.script(about) }] : [])),
  );
  // Between these two readings of the clock lies all that is said.
  const now = 'echo "@clock $(date +%s%3N)"\n';
  return [{ id, script: `${now}${sideBySide(parts)}${now}` }];
}

/** What a machine said. What did not come, or is not what it should be, is missed with its reason; the rest stays. Never throws. */
export function readMachine(
  frames: ReadonlyMap<string, Frame>,
  sentMs: number,
  receivedMs: number,
): Pick<MachineLook, 'facts' | 'missed'> {
  const stdout = frames.get(id)?.stdout ?? '';
  const answers = answersIn(stdout);
  const [beginMs = sentMs, endMs] = [...stdout.matchAll(clockLine)].map(([, ms]) => Number(ms));
  let facts: MachineFacts = {};
  const missed: Partial<Record<FactName, string>> = {};
  for (const look of looks) {
    const at = { beginMs, endMs: endMs ?? receivedMs, sentMs, receivedMs };
    // Without its second reading the clock may be off by as long as the look took.
    const answer = look.id === 'clock' && endMs === undefined ? undefined : answers.get(look.id);
    const read = readOne(look, answer, at);
    if (typeof read !== 'string') facts = { ...facts, ...read };
    else for (const fact of look.facts) missed[fact] = redacted(read);
  }
  return { facts, missed };
}

/** The facts, or why there are none. */
function readOne(look: Look, answer: Answer | undefined, at: Moment): MachineFacts | string {
  if (!answer) return 'the look did not come to its end';
  if (answer.code !== 0) return reasonIn(answer);
  try {
    return machineFacts.parse(look.parse(answer.output, at));
  } catch (error) {
    return `not understood: ${error instanceof z.ZodError ? issueOf(error) : error instanceof Error ? error.message : error}`;
  }
}

function issueOf({ issues: [issue] }: z.ZodError): string {
  return issue ? `${issue.path.join('.')}: ${issue.message}` : 'not what it should be';
}
