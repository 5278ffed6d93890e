// Loaded into homelab by the canary drill (node --import): writes down what its vault draws by lot, so that it can be looked for afterwards.
import crypto from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';

const { randomBytes, randomInt } = crypto;
const file = process.env['HOMELAB_OVERHEARD'];
const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

function write(line: string): void {
  if (file !== undefined) appendFileSync(file, line, { mode: 0o600 });
}

/** A join token is 22 letters, a certificate key 32 bytes: see src/engine/vault.ts. */
Object.assign(crypto, {
  randomInt: (...args: Parameters<typeof randomInt>): number => {
    const drawn: unknown = Reflect.apply(randomInt, crypto, args);
    if (typeof drawn === 'number' && args[0] === letters.length) write(letters.charAt(drawn));
    return Number(drawn);
  },
  randomBytes: (size: number, ...rest: readonly unknown[]): unknown => {
    const drawn: unknown = Reflect.apply(randomBytes, crypto, [size, ...rest]);
    if (size === 32 && Buffer.isBuffer(drawn)) write(` ${drawn.toString('hex')} `);
    return drawn;
  },
});
syncBuiltinESMExports();
