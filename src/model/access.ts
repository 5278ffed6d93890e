// How one gets into what the cluster offers: a row each, for `homelab access` and for the end of the first bootstrap.

export interface AccessRow {
  /** What it is: 'API server', later 'Grafana'. */
  readonly what: string;
  /** An address, a file, a user. */
  readonly where: string;
  /** What to type: it uses it, or prints its password. Passwords themselves stand nowhere. */
  readonly type?: string;
}
