// The border between data and sh: values are quoted here or not at all.

/** Quotes one value for POSIX sh. NUL cannot stand in an argument; it throws. */
export function sh(value: string): string {
  if (value.includes('\0')) throw new TypeError('a NUL byte cannot be passed to a shell');
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

/** An argv as one line of sh. */
export function command(...argv: readonly string[]): string {
  return argv.map(sh).join(' ');
}

/** An sh command that prints `text` exactly, whatever bytes it has (base64 in a here document: no limits, no argv). */
export function printing(text: string): string {
  const lines =
    Buffer.from(text, 'utf8')
      .toString('base64')
      .match(/.{1,76}/g) ?? [];
  return `base64 -d <<'HOMELAB_BASE64'\n${lines.join('\n')}\nHOMELAB_BASE64\n`;
}
