// The command as a few files instead of hundreds (docs/adr/0011), written over what tsc made of bin/.
import { defineConfig } from 'rolldown';

export default defineConfig({
  input: 'bin/homelab.ts',
  platform: 'node',
  // ssh2 chooses its native parts by their place in node_modules.
  external: ['node-ssh'],
  output: { dir: 'dist/bin', entryFileNames: 'homelab.js', chunkFileNames: '[name]-[hash].js', cleanDir: true },
});
