// Doctor's rules with switches, and its tests collected instead of run.
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { instrument } from './instrument.ts';

const root = resolve(import.meta.dirname, '../../..');
let lastId = 0;

export default defineConfig({
  root,
  test: { include: ['test/drill/mutants.test.ts'], testTimeout: 7_200_000 },
  plugins: [
    {
      name: 'mutants',
      enforce: 'pre',
      resolveId: (id, importer) =>
        id === 'vitest' && importer?.startsWith(`${root}/test/doctor/`)
          ? `${root}/test/drill/mutants/collect.ts`
          : undefined,
      transform(_, id) {
        if (!id.startsWith(`${root}/src/doctor/rules/`)) return undefined;
        const { code, mutations } = instrument(readFileSync(id, 'utf8'), basename(id), lastId + 1);
        lastId += mutations.length;
        return { code, map: null };
      },
    },
  ],
});
