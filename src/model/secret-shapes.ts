// Secrets recognised by their looks alone: what kubeadm, kubectl and openssl print without anyone having told us the value.

/** Half-open range of a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const privateKey = '[A-Z0-9 ]*PRIVATE KEY-----';

/** Where there is a group, only the group is masked: what stays tells people what was there. */
const shapes: readonly RegExp[] = [
  // kubeadm bootstrap token; its id names a Secret in kube-system and is public.
  /(?<![A-Za-z0-9])[a-z0-9]{6}\.([a-z0-9]{16})(?![A-Za-z0-9])/dg,
  // JWT (three parts) and JWE (five).
  /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){2,4}/dg,
  // kubeconfig; 'DATA+OMITTED' is shorter. Long values may be folded over indented lines.
  /client-key-data["']?\s*[:=]\s*["']?(?:[|>][+-]?\s+)?([A-Za-z0-9+/]{16,}={0,2}(?:\r?\n[+\- \t][ \t]*[A-Za-z0-9+/]+={0,2}(?=\s|$))*)/dg,
  // base64 of '-----BEGIN PRIVATE KEY', '… RSA …', '… EC …', '… OPENSSH …', '… ENCRYPTED …': a Secret's tls.key.
  /LS0tLS1CRUdJTi(?:BQUklW|BSU0Eg|BFQyBQ|BPUEVO|BFTkNS)[A-Za-z0-9+/]*={0,2}(?:\r?\n[+\- \t][ \t]*[A-Za-z0-9+/]+={0,2}(?=\s|$))*/dg,
  // kubeadm's certificate key; 64 hex digits elsewhere are hashes, and the discovery CA hash (sha256:…) is public.
  /certificate[-_ ]?key["']?(?:[\s:=]|\\n)+["']?([0-9a-f]{64})(?![0-9a-f])/dgi,
  // A PEM private key; one that was cut off loses the base64 lines that are there.
  new RegExp(
    `-----BEGIN ${privateKey}(?:(?:(?!-----BEGIN )[\\s\\S])*?-----END ${privateKey}|(?:(?:\\s|\\\\n)*[A-Za-z0-9+/=]{20,})+(?:(?:\\s|\\\\n)+[A-Za-z0-9+/=]+(?=\\s*$))?)`,
    'dg',
  ),
];

/** An assignment in somebody's config file: a registry's password in an old config.toml that a diff shows. */
const assignment =
  /(?<![A-Za-z0-9])(?:password|passwd|auth|identitytoken|api[-_]?key|secret[-_]?key|access[-_]?token)["']?\s*[=:]\s*["']([^"'\n$]{3,})["']/dgi;

/** All ranges of the text that look like a secret. */
export function secretShapes(text: string): readonly Span[] {
  // The shortest shape is an assignment.
  if (text.length < 10) return [];
  const found = [...shapes, assignment].flatMap(shape =>
    Array.from(text.matchAll(shape), match => {
      const [start, end] = match.indices?.[1] ?? match.indices?.[0] ?? [0, 0];
      return { start, end };
    }),
  );
  return [...found, ...keyTails(text)];
}

/** Private keys whose beginning was cut off (the tail of a log): the base64 before an END mark. */
function keyTails(text: string): readonly Span[] {
  return Array.from(text.matchAll(new RegExp(`-----END ${privateKey}`, 'g')), match => {
    const lines = text.slice(0, match.index).split('\n');
    const beside = lines.pop() ?? '';
    let start = match.index;
    if (beside.trim() !== '') {
      // Escaped into one line: base64 with \n in it. Backwards by hand, a pattern would try every beginning.
      while (/[A-Za-z0-9+/=\\]/.test(text.charAt(start - 1))) start -= 1;
    } else {
      start = match.index - beside.length;
      for (const [back, line] of lines.reverse().entries()) {
        // Only the last line of a key is short; a word on a line of its own is not part of it.
        if (!/^[+\- \t]*[A-Za-z0-9+/=]+\s*$/.test(line) || (back > 0 && line.trim().length < 48)) break;
        start -= line.length + 1;
      }
    }
    return { start, end: match.index + match[0].length };
  });
}
