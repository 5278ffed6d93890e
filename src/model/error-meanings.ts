// What each kind of failure and each exit code means, for `homelab explain`. The message and the hint of the failure itself say more.
import { type ErrorCode, exitCodes } from './errors.ts';

export interface Meaning {
  readonly means: string;
  /** What to do about it. */
  readonly cure: string;
}

const again = 'the same command again: what is done is not done again';

export const errorMeanings: Readonly<Record<ErrorCode | 'HL_BUG', Meaning>> = {
  HL_USAGE: {
    means: 'The command line cannot be meant so: an option, a name, or nobody to answer.',
    cure: 'the line says what is allowed',
  },
  HL_INVENTORY: {
    means: 'The inventory is not there, or says what cannot be.',
    cure: 'correct the lines that it names; homelab validate says all at once',
  },
  HL_BUNDLE: {
    means: 'A file of the bundle is missing, or not as it is listed.',
    cure: 'homelab bundle verify DIR names every one; homelab bundle make fetches what is missing',
  },
  HL_DOWNLOAD: {
    means: 'A repository or registry did not answer, or refused.',
    cure: `see to the network and the proxy, then ${again}`,
  },
  HL_SSH_CONNECT: {
    means: 'No connection to the machine: it is off, the address is wrong, or something is between.',
    cure: 'ping it; is sshd running there; homelab ... --exclude HOST does without it',
  },
  HL_SSH_AUTH: {
    means: 'The machine answers and lets nobody in with these keys.',
    cure: 'ssh-copy-id USER@ADDRESS, or another ssh.user or ssh.identityFile in the inventory',
  },
  HL_SSH_HOST_KEY_UNKNOWN: {
    means: 'No known_hosts file has the key of this machine: anybody could show one.',
    cure: 'compare the fingerprint on its console, then --trust-new-host-keys',
  },
  HL_SSH_HOST_KEY_CHANGED: {
    means:
      'The machine shows another key than the one that is known: it was installed anew, or somebody is in between.',
    cure: 'compare the fingerprint on its console; only then ssh-keygen -R ADDRESS',
  },
  HL_SSH_LOST: {
    means: 'The connection ended in the middle. What had begun on the machine goes on there.',
    cure: again,
  },
  HL_SUDO: {
    means: 'Logged in, and no way to root.',
    cure: 'sudo for that user, or ssh.sudo.password in the inventory as a reference',
  },
  HL_REFUSED: {
    means: 'It would break something, so nothing was changed.',
    cure: 'each line says what to do about it; homelab explain ID tells why it is refused',
  },
  HL_FENCE: {
    means: 'Another run has the machine, or this one lost it by being silent too long.',
    cure: `wait for the other one, then ${again}; --steal-lock only if you know that nobody is at it`,
  },
  HL_PREFLIGHT: {
    means: 'A check failed before anything was changed.',
    cure: 'mend what each line says; homelab validate --machines checks alone',
  },
  HL_STEP_FAILED: {
    means: "A step's own command failed on the machine.",
    cure: `its last lines are shown; mend it, then ${again}`,
  },
  HL_STEP_TIMEOUT: {
    means: 'A step did not end within its deadline, and was ended.',
    cure: `see what the machine was busy with, then ${again}`,
  },
  HL_OBSERVE: {
    means: 'The machine could not say what it is or what state it is in.',
    cure: 'run the command that is shown, as root, and see what it says',
  },
  HL_PREDICTION: {
    means: 'What is there is not what the steps should have made.',
    cure: 'somebody else may be changing these machines; homelab plan shows what is still wanted',
  },
  HL_VERIFY: {
    means: 'A proof failed: something does not work as it should.',
    cure: 'homelab verify shows all proofs again, homelab doctor looks for the cause',
  },
  HL_CANCELLED: { means: 'Somebody stopped it; what had begun was finished.', cure: again },
  HL_BUG: {
    means: 'Nothing that homelab knows: a bug of its own.',
    cure: 'report it with the stack and the journal, whose path is printed',
  },
};

/** By name in exitCodes. */
export const exitMeanings: Readonly<Record<keyof typeof exitCodes, Meaning>> = {
  ok: { means: 'Done and proven, or nothing to do.', cure: 'nothing' },
  bug: { means: 'A bug of homelab.', cure: 'report it with the stack and the journal, whose path is printed' },
  usage: { means: 'The command line cannot be meant so.', cure: 'the line says what is allowed' },
  inventory: { means: 'The inventory is not there, or says what cannot be.', cure: 'correct the lines that it names' },
  reach: {
    means: 'A machine or a download cannot be reached, logged in to, or root is not to be had.',
    cure: `it says what to type; then ${again}`,
  },
  refused: {
    means: 'Refused: it would break something, or a check before it failed. Nothing was changed.',
    cure: 'each line says what to do',
  },
  apply: { means: 'A step failed on a machine.', cure: `mend what the machine says, then ${again}` },
  verify: { means: 'A proof failed, or a prediction was wrong.', cure: 'homelab verify shows all of it again' },
  pending: { means: 'plan --detailed-exitcode: changes are pending.', cure: 'homelab bootstrap makes them' },
  findings: {
    means: 'doctor found something broken.',
    cure: 'its first line is the cause; what to type stands below it',
  },
  interrupted: { means: 'Ctrl-C; what had begun was finished (twice: left at once).', cure: again },
  terminated: { means: 'SIGTERM or SIGHUP; what had begun was finished (twice: left at once).', cure: again },
};

/** 5 → what exit 5 means; undefined for a number that homelab never ends with. */
export function exitMeaning(code: number): Meaning | undefined {
  const name = (Object.keys(exitCodes) as (keyof typeof exitCodes)[]).find(each => exitCodes[each] === code);
  return name && exitMeanings[name];
}
