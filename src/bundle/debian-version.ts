// Debian's order of versions (deb-version(7)): numbers as numbers, letters before signs, a tilde before everything.

/** Negative when `left` is older. */
export function compareVersions(left: string, right: string): number {
  const [one, other] = [split(left), split(right)];
  return (
    one.epoch - other.epoch || compareParts(one.upstream, other.upstream) || compareParts(one.revision, other.revision)
  );
}

function split(version: string): { readonly epoch: number; readonly upstream: string; readonly revision: string } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  };
}

function compareParts(left: string, right: string): number {
  const pieces = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];
  const [one, other] = [pieces(left), pieces(right)];
  // Both lists begin with letters, so that numbers meet numbers.
  if (/^\d/.test(left)) one.unshift('');
  if (/^\d/.test(right)) other.unshift('');
  for (let index = 0; index < Math.max(one.length, other.length); index += 1) {
    const [mine = '', yours = ''] = [one[index], other[index]];
    const difference = index % 2 === 0 ? compareSigns(mine, yours) : Number(mine || 0) - Number(yours || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareSigns(left: string, right: string): number {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = weight(left[index]) - weight(right[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

// The end stands before letters, letters before other signs.
function weight(sign: string | undefined): number {
  if (sign === undefined) return 0;
  if (sign === '~') return -1;
  return /[A-Za-z]/.test(sign) ? sign.charCodeAt(0) : sign.charCodeAt(0) + 256;
}
