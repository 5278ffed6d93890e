// The certificates of a machine as they were read: what lies in files, what its processes serve, and since when these run.

/** A certificate that a file holds; of a chain the first. */
export interface FileCertificate {
  readonly path: string;
  /** When the file was written, milliseconds since 1970 by the machine's clock. */
  readonly writtenMs: number;
  /** Undefined where the file holds none that can be read. */
  readonly certificate: Certificate | undefined;
}

export interface Certificate {
  /** 'O=system:masters, CN=kubernetes-admin'. */
  readonly subject: string;
  /** Path of the CA on the same machine whose key signed it; 'itself', or the issuer's name where no such CA lies there. */
  readonly signer: string;
  readonly endsMs: number;
  /** sha256 of all of it. */
  readonly fingerprint: string;
}

/** What listens on a component's own port. */
export interface ServingProcess {
  readonly component: string;
  readonly port: number;
  /** Milliseconds since 1970 by the machine's clock; undefined when nothing listens. */
  readonly startedMs: number | undefined;
  /** What it shows to whoever connects. */
  readonly served: Certificate | undefined;
}

export interface MachineCertificates {
  readonly clockMs: number;
  readonly files: readonly FileCertificate[];
  /** Paths of CA certificates whose key lies beside them. */
  readonly keys: readonly string[];
  readonly processes: readonly ServingProcess[];
}

/** Worst last. */
export type CertificateState =
  | 'ok'
  | 'ends soon'
  | 'not loaded'
  | 'not served'
  | 'served differs'
  | 'over'
  | 'unreadable';

/** A line of `homelab certs`. */
export interface ListedCertificate {
  readonly host: string;
  /** A file, or the port where one is only served. */
  readonly path: string;
  readonly subject: string;
  readonly signer: string;
  /** ISO 8601; null where it cannot be read. */
  readonly endsAt: string | null;
  readonly daysLeft: number | null;
  /** 'homelab certs renew', or who else. */
  readonly renewedBy: string;
  readonly state: CertificateState;
  /** What more there is to say of the state. */
  readonly remark?: string;
}
