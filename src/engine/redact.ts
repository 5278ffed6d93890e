// Masks secrets in text, by value (those we were told) and by shape (those we recognise).

import { type Span, secretShapes } from '../model/secret-shapes.ts';
import { type Base64Form, type SecretForms, secretForms, type Unwrapped, unwrap } from './secret-forms.ts';

const mask = '[redacted]';

export interface Redactor {
  /** From now on this value is masked in every form it can take. */
  add(secret: string): void;
  redact(text: string): string;
}

/** Ranges are collected first and masked at once: replacing one secret after the other could tear one that overlaps. */
export function createRedactor(): Redactor {
  const known = new Map<string, SecretForms>();
  const learn = (secret: string): void => {
    const forms = known.has(secret) ? undefined : secretForms(secret);
    if (forms) known.set(secret, forms);
  };
  return {
    add(secret) {
      learn(secret);
      // Secrets from files end in a newline that what uses them does not print.
      learn(secret.trim());
    },
    redact(text) {
      const spans = [...(known.size > 0 ? valueSpans(text, [...known.values()]) : []), ...secretShapes(text)];
      return spans.length > 0 ? masked(text, spans) : text;
    },
  };
}

function valueSpans(text: string, secrets: readonly SecretForms[]): readonly Span[] {
  const views = [unwrap(text), ...(text.includes('\n') ? [unwrap(text, true)] : [])].map(view => ({
    view,
    standard: view.text.replaceAll('-', '+').replaceAll('_', '/'),
  }));
  return secrets.flatMap(secret => [
    ...[...secret.literals.flatMap(literal => occurrences(text, literal)), ...matches(text, secret.url)].filter(
      span => !secret.asWords || isWord(text, span),
    ),
    ...views.flatMap(({ view, standard }) => [
      ...secret.base64.flatMap(form => base64Spans(standard, form)).map(span => original(view, span)),
      ...(secret.unwrapped ? occurrences(view.text, secret.unwrapped).map(span => original(view, span)) : []),
    ]),
  ]);
}

/** All occurrences, overlapping ones too: 'aaaaaaaa' covers the whole of 'aaaaaaaaa'. */
function occurrences(text: string, part: string): readonly Span[] {
  const spans: Span[] = [];
  for (let start = text.indexOf(part); start >= 0; start = text.indexOf(part, start + 1)) {
    spans.push({ start, end: start + part.length });
  }
  return spans;
}

function matches(text: string, url: RegExp): readonly Span[] {
  if (!/[%+]/.test(text)) return [];
  return Array.from(text.matchAll(url), match => ({ start: match.index, end: match.index + match[0].length }));
}

function base64Spans(text: string, { core, bitsBefore, bitsAfter }: Base64Form): readonly Span[] {
  const isBase64 = (index: number): boolean => /[A-Za-z0-9+/]/.test(text.charAt(index));
  return occurrences(text, core).map(({ start, end }) => ({
    start: bitsBefore && isBase64(start - 1) ? start - 1 : start,
    end: bitsAfter && isBase64(end) ? end + 1 : end,
  }));
}

function original(view: Unwrapped, span: Span): Span {
  return { start: view.position(span.start), end: view.position(span.end - 1) + 1 };
}

function isWord(text: string, { start, end }: Span): boolean {
  const word = /[\p{L}\p{N}_]/u;
  return !word.test(text.charAt(start - 1)) && !word.test(text.charAt(end));
}

function masked(text: string, spans: readonly Span[]): string {
  let result = '';
  let position = 0;
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    if (end <= position) continue;
    // A range that touches or overlaps the last one belongs to the same mask.
    if (start > position || position === 0) result += text.slice(position, start) + mask;
    position = end;
  }
  return result + text.slice(position);
}
