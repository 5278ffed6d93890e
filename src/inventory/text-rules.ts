// What must not stand anywhere in an inventory, whatever the key: references outside secrets, characters that no config file takes, numbers that JSON cannot hold.
import type { Finding, Path } from './issue.ts';
import { eachValue } from './raw.ts';
import { holdsReference, isSecret, takesReference } from './secrets.ts';

export function textFindings(raw: unknown): Finding[] {
  const findings: Finding[] = [];
  eachValue(raw, (value, path) => {
    const expectation = ruleFor(value, path);
    if (expectation) findings.push({ path, expectation });
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const key of Object.keys(value)) {
      if (!badText(key) || isSecret(path)) continue;
      findings.push({
        path: [...path, key],
        of: 'key',
        expectation: 'expected a key without NUL or broken characters',
      });
    }
  });
  return findings;
}

function ruleFor(value: unknown, path: Path): string | undefined {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return 'expected a finite number';
    // 12345678901234567890 would silently become …8000.
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return 'this number is too big to be exact: quote it';
    return undefined;
  }
  if (typeof value !== 'string') return undefined;
  if (badText(value)) return 'expected text without NUL or broken characters';
  if (holdsReference(value) && !takesReference(path)) {
    return 'references to secrets are only read as passwords (ssh.sudo, credentials of registries) and as backup.key: write the value itself';
  }
  return undefined;
}

function badText(text: string): boolean {
  return /[\0\p{Cs}]/u.test(text);
}
