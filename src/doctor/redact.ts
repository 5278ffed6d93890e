// The second net over free text. What is gathered has no secrets by its schemas; what programs wrote in their logs may have some.
import { secretShapes } from '../model/secret-shapes.ts';

const mask = '[redacted]';

/** Where there is a group, only the group is masked. */
const more: readonly RegExp[] = [
  // https://user:password@host, also in a proxy's name.
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"']*:([^\s/@"']+)@/dgi,
  /\b(?:authorization|proxy-authorization)["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token)\s+)?([^\s"',;]{4,})/dgi,
  /\bbearer\s+([A-Za-z0-9._~+/-]{8,}=*)/dgi,
  // --token=…, password: …, api_key=…; a word that says that there is none stays.
  /(?<![A-Za-z0-9])(?:password|passwd|passphrase|secret|client[-_]secret|token|api[-_]?key|access[-_]?key|private[-_]?key)["']?\s*[=:]\s*["']?(?!(?:true|false|null|none|nil)\b)([^\s"',;&]{4,})/dgi,
  /[?&](?:token|key|sig|signature|x-amz-signature|access_token)=([^&\s"']{4,})/dgi,
  // GitHub, GitLab, Slack, AWS.
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16})\b/dg,
];

/** The text with all that looks like a secret masked, and without control characters. */
export function redacted(text: string): string {
  const spans = [
    ...secretShapes(text),
    ...more.flatMap(shape =>
      Array.from(text.matchAll(shape), match => {
        const [start, end] = match.indices?.[1] ?? match.indices?.[0] ?? [0, 0];
        return { start, end };
      }),
    ),
  ].sort((one, other) => one.start - other.start);
  let result = '';
  let position = 0;
  for (const { start, end } of spans) {
    if (end <= position) continue;
    if (start >= position) result += text.slice(position, start) + mask;
    position = end;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out: text of others is printed on a terminal
  return (result + text.slice(position)).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** Every `message` in the objects, masked; the rest is as it was. */
export function withMessagesRedacted<T>(value: T): T {
  return walked(value, '') as T;
}

function walked(value: unknown, key: string): unknown {
  if (typeof value === 'string') return key === 'message' ? redacted(value) : value;
  if (Array.isArray(value)) return value.map(each => walked(each, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, walked(each, name)]));
}
