import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../src/engine/redact.ts';
import { sh } from '../../src/model/shell.ts';

/** At least eight characters; a value that is almost only blanks cannot be hidden without hiding every indentation. */
const secrets = fc
  .oneof(fc.string({ minLength: 8, maxLength: 60 }), fc.string({ unit: 'binary', minLength: 8, maxLength: 60 }))
  .filter(secret => secret.trim().length >= 3 && !'[redacted]'.includes(secret.trim()));

const around = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }));

function redacting(...values: readonly string[]): (text: string) => string {
  const redactor = createRedactor();
  for (const value of values) redactor.add(value);
  return text => redactor.redact(text);
}

function wrap(text: string, width: number, lineBreak: string): string {
  return (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(lineBreak);
}

/** All that base64 in a text can be decoded to, wherever it starts: what somebody who tries would find. */
function decodings(text: string, lineBreak: string): string {
  const runs = text.replaceAll(lineBreak, '').match(/[A-Za-z0-9+/_-]+/g) ?? [];
  return runs
    .flatMap(run => [0, 1, 2, 3].map(skip => Buffer.from(run.slice(skip), 'base64').toString('latin1')))
    .join('\n');
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('by value', () => {
  const spellings: Readonly<Record<string, (secret: string) => string>> = {
    plain: secret => secret,
    'JSON-escaped': secret => JSON.stringify(secret).slice(1, -1),
    'JSON in JSON': secret => JSON.stringify(JSON.stringify(secret)),
    'URL-encoded': secret => encodeURIComponent(secret),
    'URL-encoded in lower case': secret => encodeURIComponent(secret).replace(/%../g, hex => hex.toLowerCase()),
    'percent-encoded throughout': secret =>
      [...Buffer.from(secret)].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    'a form field': secret => new URLSearchParams({ value: secret }).toString().slice('value='.length),
    'quoted for sh': secret => sh(secret.replaceAll('\0', '')),
    'quoted for sh in JSON': secret => JSON.stringify(sh(secret.replaceAll('\0', ''))),
    'in YAML single quotes': secret => `'${secret.replaceAll("'", "''")}'`,
  };

  for (const [name, spell] of Object.entries(spellings)) {
    it(`leaves no planted secret: ${name}`, () => {
      fc.assert(
        fc.property(secrets, around, around, (secret, before, after) => {
          const value = name.includes('sh') ? secret.replaceAll('\0', 'x') : secret;
          const spelled = spell(value);
          const text = redacting(value)(`${before}${spelled}${after}`);
          expect(text).not.toContain(spelled);
          expect(text).not.toContain(value);
        }),
        { numRuns: 200 },
      );
    });
  }

  it('leaves no planted secret in base64, at any offset, wrapped or not, of either alphabet', () => {
    const layouts = fc.record({
      width: fc.constantFrom(64, 76, 4096),
      lineBreak: fc.constantFrom('\n', '\r\n', '\n    ', '\n+', '\\n'),
      alphabet: fc.constantFrom('base64', 'base64url' as const),
    });
    fc.assert(
      fc.property(secrets, around, around, layouts, (secret, before, after, { width, lineBreak, alphabet }) => {
        const encoded = wrap(Buffer.from(before + secret + after, 'utf8').toString(alphabet), width, lineBreak);
        const planted = `data: ${encoded}\n`;
        expect(decodings(planted, lineBreak)).toContain(latin1(secret));
        expect(decodings(redacting(secret)(planted), lineBreak)).not.toContain(latin1(secret));
      }),
      { numRuns: 500 },
    );
  });

  it('leaves none of several secrets that overlap', () => {
    expect(redacting('abcdefgh', 'efghijkl')('<abcdefghijkl>')).toBe('<[redacted]>');
    expect(redacting('abcdefghijkl', 'cdefghij')('<abcdefghijkl>')).toBe('<[redacted]>');
    expect(redacting('aaaaaaaa')('<aaaaaaaaa>')).toBe('<[redacted]>');
  });

  it('leaves no secret of several lines that was indented into YAML', () => {
    const secret = 'first line\nsecond line\nthird';
    expect(redacting(secret)('key: |\n    first line\n    second line\n    third\nnext: 1')).toBe(
      'key: |\n    [redacted]\nnext: 1',
    );
  });

  it('knows a secret file without its last newline', () => {
    expect(redacting('correct horse\n')('sudo: correct horse is wrong')).toBe('sudo: [redacted] is wrong');
  });

  it('changes nothing in texts without secrets', () => {
    const texts = fc.oneof(
      fc.lorem({ mode: 'sentences', maxCount: 5 }),
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(fc.lorem({ maxCount: 4 }), { maxLength: 8 }).map(words => words.join('\n  - ')),
    );
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[A-Z0-9#%]{8,30}$/), { maxLength: 4 }), texts, (values, text) => {
        fc.pre(values.every(value => !text.includes(value)));
        expect(redacting(...values)(text)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('masks a value below six characters only as a word', () => {
    expect(redacting('blog')('blog: the blogger wrote "blog"')).toBe('[redacted]: the blogger wrote "[redacted]"');
  });

  it('takes nothing below three characters for a secret', () => {
    expect(redacting('1', '', '  ', 'x')('exit 1 after x')).toBe('exit 1 after x');
  });
});

describe('by shape', () => {
  const redact = redacting();
  const hex = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

  it('keeps the id of a bootstrap token and the discovery hash', () => {
    const join = `kubeadm join k8s-api:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:${hex}`;
    expect(redact(join)).toBe(join.replace('0123456789abcdef ', '[redacted] '));
  });

  it.each([
    `--control-plane --certificate-key ${hex}`,
    `certificateKey: "${hex}"`,
    `[upload-certs] Using certificate key:\n${hex}\n`,
  ])('masks a certificate key: %s', text => {
    expect(redact(text)).toBe(text.replace(hex, '[redacted]'));
  });

  it('masks a JWT', () => {
    const jwt = [{ alg: 'RS256' }, { sub: 'system:serviceaccount:default:web' }]
      .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    expect(redact(`Authorization: Bearer ${jwt}.c2lnbmF0dXJl\n`)).toBe('Authorization: Bearer [redacted]\n');
  });

  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim();
  const body = pem.split('\n').slice(1, -1);

  it('masks PEM private keys, whole, escaped, indented or cut', () => {
    const forms = [
      `before\n${pem}\nafter`,
      `before ${JSON.stringify(pem)} after`,
      `before\n  ${pem.replaceAll('\n', '\n  ')}\nafter`,
      `before\n${pem.split('\n').slice(0, 3).join('\n')}`,
      `before\n${pem.split('\n').slice(2).join('\n')}\nafter`,
      `before\n    ${pem.split('\n').slice(2).join('\n    ')}\nafter`,
      `before ${JSON.stringify(pem.split('\n').slice(2).join('\n'))} after`,
    ];
    for (const text of forms) {
      const result = redact(text);
      expect(result).toContain('before');
      for (const line of body) expect(result).not.toContain(line);
    }
  });

  it('leaves public keys and certificates alone', () => {
    const text = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(redact(text)).toBe(text);
    const data = `certificate-authority-data: ${Buffer.from(text).toString('base64')}`;
    expect(redact(data)).toBe(data);
  });

  it("masks a kubeconfig's client key and a Secret's tls.key, folded or not", () => {
    const data = Buffer.from(pem).toString('base64');
    const folded = wrap(data, 76, '\n      ');
    for (const text of [
      `    client-key-data: ${data}\nusers: []`,
      `{"client-key-data":"${data}"}`,
      `    client-key-data: >-\n      ${folded}\nusers: []`,
      `  tls.key: ${data}\nusers: []`,
    ]) {
      const result = redact(text);
      for (const piece of data.match(/.{40}/g) ?? []) expect(result.replaceAll(/\s/g, '')).not.toContain(piece);
      if (text.endsWith('users: []')) expect(result).toContain('users: []');
    }
    expect(redact('client-key-data: DATA+OMITTED')).toBe('client-key-data: DATA+OMITTED');
  });

  it('takes no time over long text that almost looks like a key', () => {
    const almost = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(200_000)}!\n${'client-key-data: '.repeat(5_000)}`;
    expect(redact(almost)).toContain('client-key-data');
  });
});
