// Connections for commands that only look: with the inventory's secrets, and host keys as everywhere.
import { readFile } from 'node:fs/promises';
import { createVault } from '../engine/vault.ts';
import { type ConnectSettings, createConnect } from '../io/ssh.ts';
import type { Connect } from '../model/ports.ts';
import type { Io } from './session.ts';

/** `learn` is told every secret, so that it can be taken out of what is said. */
export function connector(
  { env, stderr }: Io,
  { trustNewHostKeys = false }: { readonly trustNewHostKeys?: ConnectSettings['trustNewHostKeys'] },
  learn: (secret: string) => void,
): Connect {
  const { HOME: home = '', SSH_AUTH_SOCK: sshAuthSock } = env;
  const vault = createVault({ env, readFile: path => readFile(path, 'utf8'), learn });
  return createConnect({
    trustNewHostKeys,
    resolveSecret: vault.resolve,
    env: { home, ...(sshAuthSock ? { sshAuthSock } : {}) },
    onNote: text => void stderr.write(`${text}\n`),
  });
}
