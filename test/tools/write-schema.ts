// Writes inventory/homelab.schema.json from the zod schema: `npm run schema`, in the repository's root.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { schemaText } from '../../src/inventory/json-schema.ts';

const target = resolve('inventory/homelab.schema.json');
writeFileSync(target, schemaText());
console.log(`wrote ${target}`);
