// Secrets by reference: fetched or made at the last moment, known to the redactor before anybody else sees them.
import { randomBytes, randomInt } from 'node:crypto';
import type { SecretRef } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';

export interface Vault {
  /** Throws HL_INVENTORY when the environment or the file does not have it. */
  resolve(ref: SecretRef): Promise<string>;
}

export interface VaultOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => Promise<string>;
  /** Told every value, so that it never leaves in an event. */
  readonly learn: (secret: string) => void;
}

export function createVault({ env, readFile, learn }: VaultOptions): Vault {
  const made = new Map<string, string>();
  const find = async (ref: SecretRef): Promise<string> => {
    switch (ref.kind) {
      case 'env': {
        const value = env[ref.name];
        if (value) return value;
        throw new HomelabError('HL_INVENTORY', `the environment variable ${ref.name} is not set`, {
          hint: `export ${ref.name}=… and run the same command again (the inventory asks for it)`,
        });
      }
      case 'file':
        try {
          return (await readFile(ref.path)).replace(/\r?\n$/, '');
        } catch (cause) {
          throw new HomelabError('HL_INVENTORY', `the secret's file ${ref.path} cannot be read`, {
            cause,
            hint: `write the secret into ${ref.path} (chmod 600), or correct the path in the inventory`,
          });
        }
      case 'run': {
        const value = made.get(ref.name) ?? make(ref.name);
        made.set(ref.name, value);
        return value;
      }
      default: {
        const never: never = ref;
        return never;
      }
    }
  };
  return {
    async resolve(ref) {
      const value = await find(ref);
      learn(value);
      return value;
    },
  };
}

// The names are kubeadm's: its certificate key is 32 bytes in hexadecimal (AES-256).
function make(name: string): string {
  return name === 'certificate-key' ? randomBytes(32).toString('hex') : bootstrapToken();
}

/** A bootstrap token as Kubernetes wants it: [a-z0-9]{6}.[a-z0-9]{16}. */
function bootstrapToken(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const random = (length: number) => Array.from({ length }, () => letters[randomInt(letters.length)]).join('');
  return `${random(6)}.${random(16)}`;
}
