// Every failure a user can meet: what failed, where, what the machine said, and what to type next.

/** Process exit codes; design: 0 ok, 1 our bug, and one code per kind of failure. */
export const exitCodes = {
  ok: 0,
  bug: 1,
  usage: 2,
  inventory: 3,
  reach: 4,
  refused: 5,
  apply: 6,
  verify: 7,
  pending: 8,
  findings: 9,
  interrupted: 130,
  terminated: 143,
} as const;

export type ErrorCode =
  | 'HL_USAGE'
  | 'HL_INVENTORY'
  | 'HL_BUNDLE'
  | 'HL_DOWNLOAD'
  | 'HL_SSH_CONNECT'
  | 'HL_SSH_AUTH'
  | 'HL_SSH_HOST_KEY_UNKNOWN'
  | 'HL_SSH_HOST_KEY_CHANGED'
  | 'HL_SSH_LOST'
  | 'HL_SUDO'
  | 'HL_REFUSED'
  | 'HL_FENCE'
  | 'HL_PREFLIGHT'
  | 'HL_STEP_FAILED'
  | 'HL_STEP_TIMEOUT'
  | 'HL_OBSERVE'
  | 'HL_PREDICTION'
  | 'HL_VERIFY'
  | 'HL_CANCELLED';

const exitOf: Readonly<Record<ErrorCode, number>> = {
  HL_USAGE: exitCodes.usage,
  HL_INVENTORY: exitCodes.inventory,
  HL_BUNDLE: exitCodes.refused,
  HL_DOWNLOAD: exitCodes.reach,
  HL_SSH_CONNECT: exitCodes.reach,
  HL_SSH_AUTH: exitCodes.reach,
  HL_SSH_HOST_KEY_UNKNOWN: exitCodes.reach,
  HL_SSH_HOST_KEY_CHANGED: exitCodes.reach,
  HL_SSH_LOST: exitCodes.reach,
  HL_SUDO: exitCodes.reach,
  HL_REFUSED: exitCodes.refused,
  HL_FENCE: exitCodes.refused,
  HL_PREFLIGHT: exitCodes.refused,
  HL_STEP_FAILED: exitCodes.apply,
  HL_STEP_TIMEOUT: exitCodes.apply,
  HL_OBSERVE: exitCodes.apply,
  HL_PREDICTION: exitCodes.verify,
  HL_VERIFY: exitCodes.verify,
  HL_CANCELLED: exitCodes.interrupted,
};

/** Where it happened and what the machine said; every field is optional because errors are enriched on their way up. */
export interface ErrorContext {
  readonly host?: string;
  readonly step?: string;
  readonly command?: string;
  readonly exitStatus?: number;
  readonly afterMs?: number;
  /** Whole stderr; printed as its last lines. */
  readonly stderr?: string;
  /** Lines of detail: all failed checks, all placed issues. */
  readonly details?: readonly string[];
}

/** The only error class users meet. `hint` is the next thing to type. Anything else thrown is our bug (exit 1). */
export class HomelabError extends Error {
  override readonly name = 'HomelabError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly context: ErrorContext;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly hint?: string | undefined; readonly context?: ErrorContext; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.context = options.context ?? {};
  }

  get exitCode(): number {
    return exitOf[this.code];
  }

  /** The same error with host and step filled in where they were missing. */
  at(place: { readonly host?: string; readonly step?: string }): HomelabError {
    return new HomelabError(this.code, this.message, {
      hint: this.hint,
      context: { ...place, ...this.context },
      cause: this.cause,
    });
  }

  toJSON(): object {
    return { code: this.code, message: this.message, hint: this.hint, ...this.context };
  }
}

/** Several independent failures of one phase, reported together; exits with the first one's code. */
export class PhaseFailed extends AggregateError {
  override readonly name = 'PhaseFailed';
  override readonly errors: HomelabError[];

  constructor(message: string, errors: readonly HomelabError[]) {
    super([...errors], message);
    this.errors = [...errors];
  }
}
