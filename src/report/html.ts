// HTML in which everything foreign is escaped: what stands in ${} is text unless it was made here.
import { escapeControl } from '../render/text.ts';

export interface Html {
  readonly html: string;
}
export type Part = string | number | Html | undefined | readonly Part[];

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { html: strings.map((string, index) => string + written(parts[index])).join('') };
}

function written(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string') return escaped(part);
  if (typeof part === 'number') return String(part);
  return 'html' in part ? part.html : part.map(written).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for quoted attributes. Control characters are shown, as on a terminal. */
function escaped(text: string): string {
  return escapeControl(text).replace(/[&<>"']/g, character => entities[character] ?? '');
}
