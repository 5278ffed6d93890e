// How root is had: one constant command line, everything else (password, script, data) on stdin.
import { HomelabError } from '../model/errors.ts';

export type RootWay =
  /** The login user is root. */
  | { readonly kind: 'root' }
  | { readonly kind: 'sudo'; readonly user: string }
  | { readonly kind: 'sudo-password'; readonly user: string; readonly password: string };

/** Printed by the loaders on stdout and stderr once we are root: before it speaks the login shell or sudo, after it the script. */
export const started = '@homelab-root';
/** Ends what sudo may or may not have read: a password line it did not ask for (NOPASSWD) is skipped, not executed. */
export const sentinel = '@homelab-script';

/** sudo's password prompt, on stderr: seen twice, the password was wrong, in whatever language sudo says so. */
export const prompt = '@homelab-password';

// No single quote, backslash, exclamation mark or newline: bash, zsh, fish and csh then agree on what '…' is.
const prologue =
  'set -eu; LC_ALL=C; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH; ' +
  `umask 022; cd /; echo ${started}; echo ${started} >&2; ` +
  `l=; until [ "$l" = ${sentinel} ]; do IFS= read -r l || exit 97; done; `;

/** Reads the script to the end of stdin and runs it with stdin closed off, so that no child can eat what follows. */
export const scriptLoader = `${prologue}s=$(cat; echo .); exec </dev/null; s=\${s%.}; eval "unset l s; $s"`;

/** Reads a script up to a second sentinel line; stdin after it is the script's own. */
export const dataLoader =
  `${prologue}n=$(echo; echo .); n=\${n%.}; s=; l=; ` +
  `until IFS= read -r l || exit 97; [ "$l" = ${sentinel} ]; do s=$s$l$n; done; eval "unset l n s; $s"`;

/** The whole remote command line. `timeout` stands inside sudo, as root, so that it can end what runs there. */
export function rootCommand(way: RootWay, timeoutMs: number, loader: string): string {
  const bound = `timeout --kill-after=5 ${Math.max(0.001, timeoutMs / 1000)} sh -c '${loader}'`;
  switch (way.kind) {
    case 'root':
      return bound;
    case 'sudo':
      return `env LC_ALL=C sudo -H -n -- ${bound}`;
    case 'sudo-password':
      // -k: ask although a password was given a moment ago, so that every run behaves the same.
      return `env LC_ALL=C sudo -H -k -S -p ${prompt} -- ${bound}`;
  }
}

/** Whether sudo asks a second time; given no more input it gives up after one failed attempt instead of three. */
export function asksAgain(stderr: string): boolean {
  // The words are for PAM services that insist on a prompt of their own (sudoers: passprompt_override).
  return stderr.split(prompt).length > 2 || /try again|incorrect password|authentication failure/i.test(stderr);
}

/** Root was not to be had: no loader ever spoke. */
export function sudoError(host: string, way: RootWay, code: number, stderr: string): HomelabError {
  const plain = stderr.replaceAll(prompt, '');
  const clean = way.kind === 'sudo-password' ? plain.replaceAll(way.password, '********') : plain;
  const [message, hint] = wording(host, way, code, clean);
  return new HomelabError('HL_SUDO', message, {
    hint,
    context: { host, exitStatus: code, ...(clean.trim() === '' ? {} : { stderr: clean }) },
  });
}

function wording(host: string, way: RootWay, code: number, stderr: string): readonly [message: string, hint: string] {
  if (/timeout: (command )?not found|timeout.{0,3}: No such file/i.test(stderr)) {
    return [`${host} has no timeout command`, `on ${host}: apt-get install coreutils`];
  }
  if (way.kind === 'root') {
    return [
      `root has no usable shell on ${host} (exit ${code})`,
      `on ${host}: getent passwd root; chsh -s /bin/bash root`,
    ];
  }
  const { user } = way;
  if (/sudo.{0,3}: (command )?not found|sudo.{0,3}: No such file|unknown command.*sudo/i.test(stderr)) {
    return [`sudo is not installed on ${host}`, `as root on ${host}: apt-get install sudo && usermod -aG sudo ${user}`];
  }
  if (/must have a tty|no tty present/i.test(stderr)) {
    return [
      `sudo on ${host} wants a terminal (requiretty)`,
      `as root on ${host}: echo 'Defaults:${user} !requiretty' > /etc/sudoers.d/homelab-tty`,
    ];
  }
  if (/not in the sudoers|not allowed to|may not run sudo|I'm afraid I can't do that/i.test(stderr)) {
    return [`${user} may not use sudo on ${host}`, `as root on ${host}: usermod -aG sudo ${user}, then log in again`];
  }
  if (way.kind === 'sudo-password') {
    return /try again|incorrect|no password was provided|authentication/i.test(stderr)
      ? [
          `sudo on ${host} refused the password of ${user}`,
          `correct the secret that ssh.sudo.password of ${host} names`,
        ]
      : [`sudo on ${host} failed for ${user} (exit ${code})`, `ssh ${user}@HOST and try: sudo -v`];
  }
  return /password is required|authentication is required|terminal is required/i.test(stderr)
    ? [
        `sudo on ${host} asks ${user} for a password`,
        `set ssh.sudo: {password: $\{file:PATH}} in the inventory, or as root on the machine: ` +
          `echo '${user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/homelab`,
      ]
    : [`sudo on ${host} failed for ${user} (exit ${code})`, `log in as ${user} on ${host} and try: sudo -n true`];
}
