import { defineConfig } from 'vitest/config';

// Two projects: everything this machine can run side by side, and the lab, whose machines are shared and therefore taken one file at a time.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/lab/**'], testTimeout: 20_000 } },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 2_400_000,
        },
      },
    ],
  },
});
