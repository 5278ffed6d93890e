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

/** A script with what `printing` hid shown again, for eyes; it does the same. Text that a here document cannot hold stays as it is. */
export function legible(script: string): string {
  return script.replaceAll(
    /base64 -d <<'HOMELAB_BASE64'\n([A-Za-z0-9+/=\n]*)\nHOMELAB_BASE64(?=\n)/g,
    (hidden, base64: string) => {
      const text = Buffer.from(base64, 'base64').toString('utf8');
      const isPlain = /^[\t\n\x20-\x7e]*\n$/.test(text) && !/^HOMELAB$/m.test(text);
      return isPlain ? `cat <<'HOMELAB'\n${text}HOMELAB` : hidden;
    },
  );
}
