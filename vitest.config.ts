import process from 'node:process';
import { defineConfig } from 'vitest/config';

// Everything this machine can run side by side; the lab, whose machines are shared and therefore taken one file at a time; and drills, which take
// long and are asked for by name (npm run drill).
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/lab/**', 'test/drill/**'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 2_400_000,
        },
      },
      ...(process.env['DRILL'] === undefined
        ? []
        : [
            {
              test: {
                name: 'drill',
                include: ['test/drill/**/*.test.ts'],
                fileParallelism: false,
                testTimeout: 900_000,
                hookTimeout: 2_400_000,
              },
            },
          ]),
    ],
  },
});
