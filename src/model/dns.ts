// One DNS question as bytes and its answer (RFC 1035 §4): enough to ask for an A record without any tool on the machine.

/** The question for an A record, as printf escapes. */
export function dnsQuery(name: string): string {
  const labels = name.split('.').flatMap(label => [label.length, ...Buffer.from(label, 'ascii')]);
  const bytes = [0x48, 0x4c, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1];
  return bytes.map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** The first A record's address of a hex answer, or what went wrong in words. */
export function dnsAnswer(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length < 12) return 'no answer';
  const code = bytes.readUInt8(3) & 0x0f;
  if (code !== 0) return code === 3 ? 'no such name' : `error code ${code}`;
  if (bytes.readUInt16BE(6) === 0) return 'no address';
  let at = 12;
  while (at < bytes.length && bytes.readUInt8(at) !== 0) at += bytes.readUInt8(at) + 1;
  at += 5;
  while (at + 12 <= bytes.length) {
    at += nameLength(bytes, at);
    if (at + 10 > bytes.length) break;
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 8);
    if (at + 10 + length > bytes.length) break;
    if (type === 1 && length === 4) return [...bytes.subarray(at + 10, at + 14)].join('.');
    at += 10 + length;
  }
  return 'no address';
}

// A name is labels ending in 0, or a two-byte pointer.
function nameLength(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length) {
    const byte = bytes.readUInt8(at);
    if ((byte & 0xc0) === 0xc0) return at + 2 - start;
    if (byte === 0) return at + 1 - start;
    at += byte + 1;
  }
  return at - start;
}
