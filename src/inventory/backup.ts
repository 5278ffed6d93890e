// Backups: the form of their schedule, and the certificate that they are encrypted for.
import { X509Certificate } from 'node:crypto';
import { type Finding, type Problem, shown } from './issue.ts';
import { expandPath, type Places, pathProblem } from './paths.ts';
import { at } from './raw.ts';
import { readPem } from './registries.ts';
import type { ReadText } from './repositories.ts';

const day = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const schedule = new RegExp(`^(?:${day}(?:,${day})* )?(?:[01][0-9]|2[0-3]):[0-5][0-9]$`);

/** What systemd takes for a calendar once seconds and a zone are added. */
export function checkSchedule(value: string): Problem | undefined {
  if (schedule.test(value)) return undefined;
  return { expectation: `expected a time such as 03:00, Sun 03:00 or Mon,Thu 03:00, not ${shown(value)}` };
}

/** The certificate that `backup.recipient` names; works on an inventory that is wrong elsewhere. */
export function readRecipient(
  raw: unknown,
  places: Places,
  readText: ReadText,
): { readonly recipient: string | undefined; readonly findings: readonly Finding[] } {
  const path = ['backup', 'recipient'];
  const value = at(raw, path);
  if (typeof value !== 'string' || pathProblem(value)) return { recipient: undefined, findings: [] };
  const found = readPem(expandPath(value, places), readText);
  if (typeof found !== 'string') return { recipient: undefined, findings: [{ path, ...found }] };
  const problem = unfit(found, value);
  return problem ? { recipient: undefined, findings: [{ path, ...problem }] } : { recipient: found, findings: [] };
}

// openssl cms encrypts for RSA keys with OAEP; Ed25519, for one, only signs.
function unfit(pem: string, path: string): Problem | undefined {
  const blocks = pem.match(/-----BEGIN/g)?.length ?? 0;
  if (blocks !== 1) return { expectation: `expected one certificate in ${shown(path)}, not ${blocks}` };
  const type = new X509Certificate(pem).publicKey.asymmetricKeyType;
  if (type === 'rsa') return undefined;
  return { expectation: `expected a certificate with an RSA key in ${shown(path)}, not ${type ?? 'an unknown one'}` };
}
