// Words, times and foreign text as they may stand on a terminal.

/**
 * Shows control characters instead of sending them: what a machine prints could otherwise move the cursor, retitle the
 * window or reverse the reading direction. Line feeds and tabs stay.
 */
export function escapeControl(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, character => {
    if (character === '\n' || character === '\t') return character;
    if (character === '\r') return '\\r';
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** Foreign text inside a line of ours. */
export function oneLine(text: string): string {
  return escapeControl(text.trim())
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('\t', ' ');
}

/** Foreign text as lines, without trailing blanks. */
export function lines(text: string): readonly string[] {
  const trimmed = text.trimEnd();
  return trimmed === '' ? [] : escapeControl(trimmed).split('\n');
}

/** 0.4s, 41s, 1m 05s, 1h 02m. */
export function duration(ms: number): string {
  if (ms < 9_950) return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** Elapsed time of what is still going on: whole seconds, so that it does not flicker. */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds}s` : duration(seconds * 1000);
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** '1 step', '2 steps'. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/**
 * Cuts a line to a number of terminal columns. Everything beyond Latin counts as two: a line that is too short does no
 * harm, one that wraps breaks the live view, which counts lines.
 */
export function truncate(text: string, columns: number, ellipsis: string): string {
  const characters = [...text];
  if (columnsOf(characters) <= columns) return text;
  const room = columns - columnsOf([...ellipsis]);
  let used = 0;
  const kept = characters.slice(
    0,
    characters.findIndex(character => {
      used += columnsOf([character]);
      return used > room;
    }),
  );
  return `${kept.join('')}${ellipsis}`;
}

function columnsOf(characters: readonly string[]): number {
  return characters.reduce((sum, character) => sum + (narrow.test(character) ? 1 : 2), 0);
}

/** Latin, Greek, Cyrillic, and the punctuation, arrows, box drawing, marks and spinner dots of our own. */
const narrow = /^[\u0020-\u04ff\u2010-\u203f\u2190-\u21ff\u2500-\u25ff\u2713-\u2718\u2800-\u28ff]$/;

/** Host names for a sentence; a hundred of them are a number. */
export function hostList(hosts: readonly string[], most = Number.POSITIVE_INFINITY): string {
  if (hosts.length <= most) return hosts.join(', ');
  return `${hosts.slice(0, most - 1).join(', ')} and ${hosts.length - most + 1} more`;
}
