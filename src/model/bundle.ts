// Files on the operator's disk that machines install from instead of the internet.

export interface BundleEntry {
  /** A chart is Helm's .tgz; a tool is a program that control planes run (helm), as it is. */
  readonly kind: 'deb' | 'image' | 'chart' | 'tool';
  /** The package's, chart's or tool's name, or the image's full reference. */
  readonly name: string;
  /** As its publisher writes it; a chart's own (not its appVersion), a tool's without v. */
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
