// A machine as `homelab init` sees it.
import type { FirstLook } from '../src/model/first-look.ts';
import { blankFacts, host } from './sample.ts';

export const firstLook: FirstLook = {
  facts: blankFacts(host('k8s-cp')),
  processors: 4,
  memoryMiB: 7_900,
  disks: [{ name: 'nvme0n1', bytes: 256 * 1024 ** 3, rotates: false }],
  cards: [{ name: 'eno1', driver: 'e1000e', speedMbps: 1000, wifi: false }],
  routes: [
    { to: 'default', dev: 'eno1' },
    { to: '192.168.0.0/24', dev: 'eno1' },
  ],
  others: [],
};
