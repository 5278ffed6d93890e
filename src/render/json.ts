// The event stream for programs: one JSON line an event on stdout, nothing else.
import type { EventSink } from '../model/events.ts';

export function createJsonRenderer({ stdout }: { readonly stdout: { write(text: string): unknown } }): EventSink {
  return {
    name: 'the JSON output',
    handle(event) {
      stdout.write(`${jsonLine(event)}\n`);
    },
    async close() {},
  };
}

/** JSON escapes C0 itself; the other characters that a terminal obeys can be escaped as well without changing the value. */
function jsonLine(event: object): string {
  return JSON.stringify(event).replace(
    /[\x7f-\x9f\p{Bidi_Control}\u2028\u2029]/gu,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
