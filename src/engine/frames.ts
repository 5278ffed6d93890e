// Many sh fragments as one script, one round trip; and their outputs apart again.

export interface Fragment {
  readonly id: string;
  /** Runs in a subshell of its own under `set -eu`: it can fail without taking the others along. */
  readonly script: string;
  /** Asked once in a run: what it says counts only before anything changes. */
  readonly once?: true;
}

/** What one fragment said. */
export interface Frame {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * One script that runs all fragments. `mark` must not occur in any output: pass something random.
 * The ids never reach the shell; fragments are numbered.
 */
export function joinFragments(fragments: readonly Fragment[], mark: string): string {
  const frames = fragments.map(
    ({ script }, index) =>
      `frame begin ${index}\n( set -eu\n${script.endsWith('\n') ? script : `${script}\n`})\nframe end ${index} $?\n`,
  );
  // Outside the subshells -e must be off, and a subshell must not stand before || (that would switch its own -e off).
  return `set +e\nframe() { printf '\\n%s %s\\n' ${mark} "$*"; printf '\\n%s %s\\n' ${mark} "$*" >&2; }\n${frames.join('')}exit 0\n`;
}

/** The frames by fragment id. A fragment without an end mark (the script died in it) is missing. */
export function splitFrames(
  output: { readonly stdout: string; readonly stderr: string },
  fragments: readonly Fragment[],
  mark: string,
): ReadonlyMap<string, Frame> {
  const stdout = sections(output.stdout, mark);
  const stderr = sections(output.stderr, mark);
  const frames = new Map<string, Frame>();
  fragments.forEach(({ id }, index) => {
    const out = stdout.get(index);
    if (out) frames.set(id, { code: out.code, stdout: out.text, stderr: stderr.get(index)?.text ?? '' });
  });
  return frames;
}

function sections(text: string, mark: string): ReadonlyMap<number, { readonly code: number; readonly text: string }> {
  const found = new Map<number, { code: number; text: string }>();
  const pattern = new RegExp(`\\n${mark} begin (\\d+)\\n([\\s\\S]*?)\\n${mark} end \\1 (\\d+)\\n`, 'g');
  for (const match of text.matchAll(pattern)) {
    found.set(Number(match[1]), { code: Number(match[3]), text: match[2] ?? '' });
  }
  return found;
}
