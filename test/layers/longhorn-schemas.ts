// What Longhorn's CRDs allow below `spec` and `status`. What stands nowhere in a schema the API server takes away without a word: it is refused here.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { root } from '../sample.ts';

const schema = z.looseObject({});
const kind = z.object({ spec: schema, status: schema });
const schemas = z
  .object({ source: z.string(), RecurringJob: kind, Snapshot: kind })
  .parse(JSON.parse(readFileSync(join(root, 'test/fixtures/charts/longhorn-1.12.1.schemas.json'), 'utf8')));

export function schemaOf(name: 'RecurringJob' | 'Snapshot', part: 'spec' | 'status'): z.ZodType {
  return z.fromJSONSchema({ ...schemas[name][part], additionalProperties: false }, { defaultTarget: 'openapi-3.0' });
}
