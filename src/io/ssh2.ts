// ssh2 itself, as node-ssh brings it: the same copy, so that its `instanceof` checks hold, and no dependency of our own.
import { createRequire } from 'node:module';
import type * as Ssh2 from 'ssh2';

const here = createRequire(import.meta.url);

export const ssh2: typeof Ssh2 = createRequire(here.resolve('node-ssh'))('ssh2');
