// The table of `homelab certs`.
import type { CertificateState, ListedCertificate } from '../model/certificates.ts';
import type { Palette } from './color.ts';
import { count, oneLine } from './text.ts';

const head = ['MACHINE', 'CERTIFICATE', 'SUBJECT', 'SIGNED BY', 'ENDS', 'DAYS', 'RENEWED BY', 'STATE'];

export function certificateTable(list: readonly ListedCertificate[], color: Palette): string {
  const rows = [head, ...list.map(rowOf)].map(row => row.map(oneLine));
  const widths = head.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)));
  const lines = rows.map((row, index) => {
    const text = row
      .map((cell, column) => (column === 5 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
    return index === 0 ? color.bold(text) : paintOf(list[index - 1]?.state ?? 'ok', color)(text);
  });
  return `${lines.join('\n')}\n\n${sentence(list)}\n`;
}

function rowOf({ host, path, subject, signer, endsAt, daysLeft, renewedBy, state, remark }: ListedCertificate) {
  return [
    host,
    short(path),
    subject,
    short(signer),
    endsAt?.slice(0, 10) ?? '?',
    daysLeft === null ? '?' : String(daysLeft),
    renewedBy,
    remark ? `${state}: ${remark}` : state,
  ];
}

// Everybody knows where they lie; --output json has the whole paths.
function short(path: string): string {
  return path.replace(/^\/etc\/kubernetes\/(?:pki\/)?|^\/var\/lib\/kubelet\/pki\//, '');
}

function paintOf(state: CertificateState, color: Palette): (text: string) => string {
  if (state === 'ok') return text => text;
  return state === 'ends soon' ? color.yellow : color.red;
}

function sentence(list: readonly ListedCertificate[]): string {
  const bad = list.filter(({ state }) => state !== 'ok');
  const all = count(list.length, 'certificate');
  if (bad.length === 0) return `${all}, all well`;
  const ours = bad.some(({ renewedBy }) => ['homelab certs renew', 'itself, when it starts'].includes(renewedBy));
  return `${all}, ${bad.length} not well${ours ? ': homelab certs renew' : ''}`;
}
