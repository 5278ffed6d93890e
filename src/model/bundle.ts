// Files on the operator's disk that machines install from instead of the internet.

export interface BundleEntry {
  readonly kind: 'deb' | 'image';
  /** Package name, or the image's full reference. */
  readonly name: string;
  readonly version: string;
  /** Debian's names: amd64, arm64; 'all' fits every machine. */
  readonly arch: string;
  /** Absolute path of the file. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface Bundle {
  /** Absolute path. */
  readonly dir: string;
  readonly entries: readonly BundleEntry[];
}
