// Looks for known secrets in a text, in every form in which one turns up: as it is, quoted, URL-encoded, base64 at any offset, hex.
import { secretForms } from '../../src/engine/secret-forms.ts';

export interface Canary {
  /** What it is, for people: 'sudo password'. */
  readonly name: string;
  readonly value: string;
}

/** Names of the canaries in the text, each with the form. */
export type Search = (text: string) => readonly string[];

/** Below this, letters of a base64 form are too likely to be something else. */
const leastBase64 = 12;

export function searchFor(canaries: readonly Canary[]): Search {
  const wanted = canaries.map(({ name, value }) => {
    const forms = secretForms(value);
    if (forms === undefined) throw new Error(`${name} is too short to be looked for`);
    const base64 = forms.base64.map(({ core }) => core).filter(core => core.length >= leastBase64);
    const hex = Buffer.from(value).toString('hex');
    const exact: readonly (readonly [string, string])[] = [
      ...forms.literals.map(text => ['plain', text] as const),
      // base64url too.
      ...base64
        .flatMap(text => [text, text.replaceAll('+', '-').replaceAll('/', '_')])
        .map(text => ['base64', text] as const),
      ['hex', hex],
      ['hex', hex.toUpperCase()],
    ];
    // Only where it differs from the plain form.
    const url = new RegExp(forms.url.source);
    return { name, exact, url: forms.literals.includes(encodeURIComponent(value)) ? undefined : url };
  });
  return text =>
    wanted.flatMap(({ name, exact, url }) => {
      const found = exact.find(([, form]) => text.includes(form));
      if (found !== undefined) return [`${name} (${found[0]})`];
      return url?.test(text) ? [`${name} (url)`] : [];
    });
}
