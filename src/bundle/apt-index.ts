// What an apt repository says of itself: which index files with which sums, and in those which package at which address.
import { compareVersions } from './debian-version.ts';

/** A file that a repository vouches for. */
export interface IndexFile {
  /** Relative to the Release file. */
  readonly path: string;
  readonly sha256: string;
}

/** A .deb as Packages has it. */
export interface IndexedDeb {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** Relative to the repository's address. */
  readonly filename: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The files of the SHA256 section of a Release file. */
export function parseRelease(text: string): readonly IndexFile[] {
  const section = /^SHA256:[ \t]*\n((?:[ \t].*\n?)+)/m.exec(text)?.[1] ?? '';
  return section.split('\n').flatMap(line => {
    const [sha256 = '', , path] = line.trim().split(/\s+/);
    return path !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? [{ path, sha256 }] : [];
  });
}

/** The text of a Release file out of InRelease, for where nothing on this machine can verify it. */
export function withoutSignature(text: string): string {
  const body = /^-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:.+\r?\n)*\r?\n([\s\S]*?)\r?\n-----BEGIN PGP SIGNATURE-----/m;
  return `${(body.exec(text)?.[1] ?? text).replace(/^- /gm, '')}\n`;
}

/** The index of these components for an architecture; a flat repository has one for all. Compressed ones first. */
export function indexFiles(
  files: readonly IndexFile[],
  components: readonly string[],
  arch: string,
): readonly IndexFile[] {
  const folders = components.length === 0 ? [''] : components.map(component => `${component}/binary-${arch}/`);
  return folders.flatMap(folder => {
    const found = ['Packages.gz', 'Packages']
      .map(name => files.find(({ path }) => path.replace(/^\.\//, '') === `${folder}${name}`))
      .find(file => file !== undefined);
    return found ? [found] : [];
  });
}

/** Paragraphs of Packages that name one of these packages for this architecture. */
export function parseIndex(text: string, names: readonly string[], arch: string): readonly IndexedDeb[] {
  return parsePackages(text).filter(deb => names.includes(deb.name) && [arch, 'all'].includes(deb.arch));
}

/** Every paragraph of Packages that is whole: with a file, its size and its sum. */
export function parsePackages(text: string): readonly IndexedDeb[] {
  return text.split(/\n\n+/).flatMap(paragraph => {
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'mi').exec(paragraph)?.[1]?.trim() ?? '';
    const deb = {
      name: field('Package'),
      version: field('Version'),
      arch: field('Architecture'),
      filename: field('Filename').replace(/^\.\//, ''),
      bytes: Number(field('Size')),
      sha256: field('SHA256'),
    };
    const isWhole = /^[0-9a-f]{64}$/.test(deb.sha256) && deb.filename !== '' && deb.bytes > 0;
    return isWhole ? [deb] : [];
  });
}

/** The newest that `accept` takes. */
export function newest(debs: readonly IndexedDeb[], accept: (version: string) => boolean): IndexedDeb | undefined {
  return debs
    .filter(({ version }) => accept(version))
    .toSorted((left, right) => compareVersions(right.version, left.version))[0];
}
