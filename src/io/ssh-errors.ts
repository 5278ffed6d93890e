// What went wrong on the way to a machine, and what to type about it.
import { HomelabError } from '../model/errors.ts';

/** Why no connection came about; the ones a rebooting machine shows are transient. */
export type DialKind =
  | 'refused'
  | 'timeout'
  | 'slow'
  | 'reset'
  | 'unreachable'
  | 'no-network'
  | 'name'
  | 'booting'
  | 'handshake'
  | 'session'
  | 'config';

const transientKinds: readonly DialKind[] = ['refused', 'timeout', 'slow', 'reset', 'unreachable', 'booting'];

/** The cause of every HL_SSH_CONNECT: lets a patient caller tell what may pass from what will not. */
export class DialFailure extends Error {
  override readonly name = 'DialFailure';
  readonly kind: DialKind;

  constructor(kind: DialKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

/** Whether trying again later can help: the machine is down, booting, or too busy to answer. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof HomelabError && error.cause instanceof DialFailure && transientKinds.includes(error.cause.kind)
  );
}

/** Whether the machine's kernel took the connection, and its sshd did not get as far as a login. */
export function tookConnection(error: unknown): boolean {
  return error instanceof HomelabError && error.cause instanceof DialFailure && error.cause.kind === 'slow';
}

/** A machine (or a bastion on the way to it) as error messages name it. */
export interface Place {
  /** The inventory's name of the machine that was asked for. */
  readonly host: string;
  /** 'k8s-cp (192.168.0.10 port 22)' or 'bastion b (…)'. */
  readonly label: string;
  readonly address: string;
  readonly port: number;
}

export function connectError(place: Place, kind: DialKind, detail: string, cause?: unknown): HomelabError {
  const [message, hint] = wording(place, kind, detail);
  return new HomelabError('HL_SSH_CONNECT', message, {
    hint,
    context: { host: place.host },
    cause: new DialFailure(kind, detail, cause),
  });
}

function wording(place: Place, kind: DialKind, detail: string): readonly [message: string, hint: string] {
  const { label, address, port } = place;
  switch (kind) {
    case 'refused':
      return [
        `${label} refused the connection`,
        `on the machine: systemctl status ssh; does sshd listen on port ${port}?`,
      ];
    case 'timeout':
      return [
        `${label} did not answer: ${detail}`,
        `ping ${address}; is it on, its address right, a firewall between?`,
      ];
    case 'slow':
      return [
        `${label} took the connection and did not let us in ${detail}`,
        `time ssh -p ${port} ${address} true; is it overloaded, or does it hang?`,
      ];
    case 'reset':
      return [`${label} closed the connection while it was being set up`, 'on the machine: journalctl -u ssh -n 20'];
    case 'unreachable':
      return [`${label} cannot be reached: no route to it`, `ping ${address}; ip route get ${address}`];
    case 'no-network':
      return [`${label} cannot be reached: this computer has no route there`, `ip route get ${address}`];
    case 'name':
      return [`${label}: the name does not resolve`, `getent hosts ${address}`];
    case 'booting':
      return [`${label} is starting up or going down and lets only root in`, 'wait a moment and run it again'];
    case 'handshake':
      return [`${label}: the SSH handshake failed: ${detail}`, `ssh -vv -p ${port} ${address} true`];
    case 'session':
      return [`${label} opened no session: ${detail}`, 'on the machine: sshd -T | grep -i maxsessions'];
    case 'config':
      return [`${label}: ${detail}`, 'ssh -G says what OpenSSH makes of ~/.ssh/config'];
  }
}

/** Sorts what sockets and ssh2 report while a connection is made. */
export function classifyDial(place: Place, error: unknown): HomelabError {
  if (error instanceof HomelabError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return connectError(place, kindOf(codeOf(error), message), message, error);
}

function kindOf(code: string, message: string): DialKind {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ETIMEDOUT':
      return /No response from server/.test(message) ? 'reset' : 'timeout';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return 'reset';
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
      return 'unreachable';
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return 'no-network';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'name';
    default:
      return kindOfText(message);
  }
}

// A bastion reports the fate of its own connect(2) as text: "(SSH) Channel open failure: Connection refused".
function kindOfText(message: string): DialKind {
  if (/connection refused/i.test(message)) return 'refused';
  if (/timed out/i.test(message)) return 'timeout';
  if (/no route to host/i.test(message)) return 'unreachable';
  if (/name or service not known|name resolution/i.test(message)) return 'name';
  if (/connection lost before handshake|ECONNRESET|socket hang up|MaxStartups/i.test(message)) return 'reset';
  return 'handshake';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function lostError(host: string, reason: string): HomelabError {
  return new HomelabError('HL_SSH_LOST', `the connection to ${host} was lost: ${reason}`, {
    hint: 'what was started there may still be running; run the same command again, it looks before it acts',
    context: { host },
  });
}

export function cancelledError(host: string): HomelabError {
  return new HomelabError('HL_CANCELLED', `cancelled while talking to ${host}`, {
    hint: 'what was started there may still be running; run the same command again, it looks before it acts',
    context: { host },
  });
}
