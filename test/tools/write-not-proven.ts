// Writes docs/not-proven.md from the tests that are skipped: `npm run not-proven`, in the repository's root.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { page } from '../not-proven.ts';

const target = resolve('docs/not-proven.md');
writeFileSync(target, page(process.cwd()));
console.log(`wrote ${target}`);
