// The forms in which a known secret turns up in text: as it is, quoted, escaped, URL-encoded, base64.

/** A base64 spelling: the characters that depend on the secret alone, and whether the ones beside them hold a few of its bits. */
export interface Base64Form {
  readonly core: string;
  readonly bitsBefore: boolean;
  readonly bitsAfter: boolean;
}

/** Below this length a secret is masked only where it stands as a word: 'blog' inside 'blogger' would make every log unreadable. */
const shortLength = 6;

/**
 * Below this length masking tells more than it hides (every '1' of a log would vanish, and its absence is the password),
 * so such a value is not treated as a secret.
 */
const leastLength = 3;

export interface SecretForms {
  /** Searched in the text as it is. */
  readonly literals: readonly string[];
  /** Percent-encoded in part or in whole, a space as + too. */
  readonly url: RegExp;
  /** Literals and URLs only count between characters that are not part of a word. */
  readonly asWords: boolean;
  /** Searched in the text with its line breaks taken out, with base64url's letters read as base64's. */
  readonly base64: readonly Base64Form[];
  /** A secret of several lines with its breaks and indentation taken out, searched in text treated alike. */
  readonly unwrapped: string | undefined;
}

/** Undefined for a value that cannot be hidden: empty, blank or shorter than three characters. */
export function secretForms(secret: string): SecretForms | undefined {
  if (secret.trim().length < leastLength) return undefined;
  const asWords = secret.length < shortLength;
  const spelled = [secret, ...shellQuoted(secret)];
  const joined = unwrap(secret).text;
  return {
    literals: [...new Set(spelled.flatMap(form => [form, ...jsonEscaped(form)]))],
    asWords,
    url: urlPattern(secret),
    // Seven base64 letters of a five-letter secret are too likely to be something else.
    base64: asWords ? [] : [0, 1, 2].map(offset => base64At(Buffer.from(secret, 'utf8'), offset)),
    unwrapped: joined !== secret && joined.length >= 8 ? joined : undefined,
  };
}

/** The secret inside longer base64 text can start at any of three bit offsets; only whole characters of its own are kept. */
function base64At(secret: Buffer, offset: number): Base64Form {
  const text = Buffer.concat([Buffer.alloc(offset), secret, Buffer.alloc(2)]).toString('base64');
  const firstBit = offset * 8;
  const endBit = firstBit + secret.length * 8;
  return {
    core: text.slice(Math.ceil(firstBit / 6), Math.floor(endBit / 6)),
    bitsBefore: firstBit % 6 !== 0,
    bitsAfter: endBit % 6 !== 0,
  };
}

/** Encoders differ in what they leave alone and in the case of their hex digits, so every byte may stand either way. */
function urlPattern(secret: string): RegExp {
  const bytes = [...Buffer.from(secret, 'utf8')].map(byte => {
    const encoded = `%${byte
      .toString(16)
      .padStart(2, '0')
      .replace(/[a-f]/g, digit => `[${digit}${digit.toUpperCase()}]`)}`;
    if (byte > 127) return encoded;
    const plain = byte === 32 ? '[ +]' : String.fromCharCode(byte).replace(/[^A-Za-z0-9]/, '\\$&');
    return `(?:${plain}|${encoded})`;
  });
  return new RegExp(bytes.join(''), 'g');
}

/** The insides of what sh, bash's printf %q, Python's shlex and YAML's single quotes make of it. */
function shellQuoted(secret: string): readonly string[] {
  return [
    secret.replaceAll("'", `'\\''`),
    secret.replaceAll("'", `'"'"'`),
    secret.replaceAll("'", "''"),
    secret.replace(/["$`\\]/g, '\\$&'),
    secret.replace(/["$`\\!]/g, '\\$&'),
    secret.replace(/[^A-Za-z0-9_@%+=:,./-]/g, '\\$&'),
    JSON.stringify(secret).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'"),
  ];
}

/** Go escapes <, > and & too, Python everything beyond ASCII; JSON inside JSON is escaped twice. */
function jsonEscaped(text: string): readonly string[] {
  const plain = JSON.stringify(text).slice(1, -1);
  const go = plain.replace(/[<>&]/g, unicodeEscape);
  return [plain, go, plain.replace(/[^\0-\x7f]/g, unicodeEscape), JSON.stringify(plain).slice(1, -1)];
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Text without its line breaks, and where each remaining character stood. */
export interface Unwrapped {
  readonly text: string;
  position(index: number): number;
}

/** Takes out line breaks (also spelled \n) with the indentation after them; `inDiff`: with the +, - or space of a diff too. */
export function unwrap(text: string, inDiff = false): Unwrapped {
  const breaks = inDiff ? /\r?\n[+\- ][ \t]*/g : /(?:\r?\n|\\r|\\n)[ \t]*/g;
  const starts: { readonly at: number; readonly from: number }[] = [{ at: 0, from: 0 }];
  let joined = '';
  let from = 0;
  for (const match of text.matchAll(breaks)) {
    joined += text.slice(from, match.index);
    from = match.index + match[0].length;
    starts.push({ at: joined.length, from });
  }
  joined += text.slice(from);
  return {
    text: joined,
    position(index) {
      const start = starts.findLast(({ at }) => at <= index) ?? { at: 0, from: 0 };
      return start.from + index - start.at;
    },
  };
}
