// How every call of Go runs here: nothing of this machine's own settings decides what comes out.
import path from 'node:path';
import { architecture } from './recipe.ts';

export const goHint = `if it could not download: look at 'go env GOPROXY' and the network, then run it again (built commands are kept)`;

export function goEnvironment(toolchain: string, caches: string): Readonly<Record<string, string>> {
  return {
    CGO_ENABLED: '0',
    GOOS: 'linux',
    GOARCH: architecture(),
    GOAMD64: 'v1',
    GOFLAGS: '-modcacherw',
    GOWORK: 'off',
    GOTOOLCHAIN: toolchain,
    GOMODCACHE: path.join(caches, 'mod'),
    GOCACHE: path.join(caches, 'build'),
    // /tmp may be small, and whatever a killed build leaves is swept with the caches.
    GOTMPDIR: path.join(caches, 'tmp'),
  };
}
