// What nothing of ours shows. Each line is a test that is skipped (not-proven.test.ts) and a line of docs/not-proven.md.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** By area: what has not been seen to work, and what comes nearest to it. */
export const notProven: Readonly<Record<string, readonly (readonly [claim: string, nearest: string])[]>> = {
  'Where software comes from': [
    [
      'packages of pkgs.k8s.io and download.docker.com, images of registry.k8s.io, on machines and in `bundle make`',
      'our test machines reach none of them: the same packages, self-built, from a signed apt repository of the lab; images from a bundle; `bundle make` against a mirror on loopback',
    ],
    ['containerd 2.3 and its config version 4', 'the config is rendered and compared in tests'],
  ],
  Machines: [
    ['Ubuntu', 'Debian 12 runs; rules about both are tested with recorded facts'],
    ['arm64', 'bundles for it are made in tests'],
    [
      'ufw and firewalld, repositories and a registry over the network, a product UUID that two machines share',
      'their checks are judged in tests; a clock that is off was met by a `date` that lies',
    ],
  ],
  'Network adapters': [
    [
      'Energy Efficient Ethernet and ASPM that are on, with real adapters',
      'an emulated e1000e, vmxnet3, virtio and USB adapter have none or have it off: EEE is told and taken by a stand-in `ethtool`',
    ],
    [
      'Wi-Fi of real hardware; TLP, powertop, tuned and NetworkManager beside it',
      "Wi-Fi power save is set and read on the kernel's own simulated radio (drill own-kernel); the others are scripts and files in tests",
    ],
    [
      "a member's link that drops for it, and its node Ready again before the next member",
      "the step's script with a stand-in `kubectl`; the order of machines in tests of the engine",
    ],
  ],
  Layers: [
    [
      'Longhorn',
      'its chart rendered with our values and taken by an API server in a dry run; its evidence is judged on objects made by hand after its kinds; a worker whose power goes (drill recovery) with a shared folder for its volume',
    ],
    ["Hubble's page, L7 policies, encryption", 'the lab has no Envoy and no page'],
    [
      'charts, images and Helm out of their own places, on machines and in `bundle make`',
      'the same charts and programs, built from Go modules, out of a bundle, and that bundle made by `bundle make` from a mirror on loopback; another Helm than the pinned one',
    ],
    [
      "the images that `bundle make` finds in Longhorn's chart, brought to machines",
      'its arguments and variables in a manifest written by hand after the chart',
    ],
    [
      'upgrades of charts other than from Cilium 1.16.1 to 1.17.8',
      'of the others the lab has one version; they were rendered anew for another Kubernetes, and with other values',
    ],
  ],
  Kubernetes: [
    [
      'versions other than v1.31.1 and, by upgrade, v1.31.4 and v1.32.0',
      "kubeadm's configs of v1.26 and later are compared with recordings",
    ],
    ['an upgrade of a cluster that homelab did not build', 'planned in tests'],
    ['two hops of an upgrade in one command', 'planned in tests; one hop after the other was run'],
    [
      "draining a machine that has Longhorn's replicas",
      'volumes and replicas were read from stand-ins: objects of its kinds, made by hand',
    ],
    ['a restore with an etcd other than 3.5', 'v1.31 and v1.32 bring 3.5'],
    ["a backup that is larger than a third of the new machine's memory", 'backups of some megabytes'],
  ],
  'What is shown of a run': [
    ['in the live view, what a step took in a real run before', 'rehearsals, made-up runs and journals of lab runs'],
    [
      'a report printed on paper, and opened in anything but Chromium',
      'printed to a PDF by Chromium, which folds nothing',
    ],
  ],
  'First five minutes': [['`init` on a machine that runs k3s', 'constructed facts; on members it was run']],
  Doctor: [
    [
      'rules about Cilium, Istio, Longhorn, Argo, Loki, Falco, Wazuh, Helm releases and sealed secrets, met on a cluster',
      'objects for them were constructed, their fields from the CRDs',
    ],
    ['a CDN asked', 'its documented headers, from a stand-in'],
    ['a webhook asked', 'a port that listens and one that does not, on loopback'],
    [
      'drives that fail; the drives of a machine that is no container',
      "the kernel's own lines, and lsblk's, written by hand",
    ],
    ['autoscalers met on a cluster', "objects with the words of Kubernetes' controller"],
  ],
};

/** What a test asks for before it runs, by the name of the condition in `skipIf`; anything else fails the page's test. */
const conditions: Readonly<Record<string, string>> = {
  '!isRoot': 'root',
  '!isDebian': 'Debian',
  '!canMount': 'root, and mounts of its own',
  '!existsSync(shell)': 'dash or busybox',
  "!existsSync('/bin/dash')": 'dash',
  withoutSshd: 'an OpenSSH server',
  without: 'an OpenSSH server, and an address that is not loopback',
  '!isThere': 'bash, zsh, fish: each its own',
  '!canSign': 'gpg, gpgv and apt-ftparchive',
  '!hasDpkg': 'dpkg',
  'chromium === undefined': 'Chromium',
  '!hasShellcheck': 'shellcheck',
  '!canUnshare || !hasIptables': 'root, network namespaces and iptables',
  'reason !== undefined': 'root, systemd-nspawn and Go',
  'withoutQemu !== undefined': 'root, QEMU and Go',
  'unsupported !== undefined': 'root, systemd-nspawn and Go',
};

interface Conditional {
  readonly needs: string;
  readonly file: string;
}

/** Tests that leave themselves out on a machine that lacks something. */
export function conditional(root: string): readonly Conditional[] {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter(
    name => name.endsWith('.test.ts') && !name.startsWith('drill/'),
  );
  return files.sort().flatMap(file => {
    const text = readFileSync(join(root, 'test', file), 'utf8');
    const found = [...text.matchAll(/\.skipIf\(((?:[^()]|\([^()]*\))*)\)/g)].map(([, condition = '']) => {
      const needs = conditions[condition.trim()];
      if (needs === undefined) throw new Error(`${file}: say in test/not-proven.ts what skipIf(${condition}) asks for`);
      return needs;
    });
    return [...new Set(found)].map(needs => ({ needs, file }));
  });
}

/** docs/not-proven.md of the repository at `root`. */
export function page(root: string): string {
  const areas = Object.entries(notProven).map(
    ([area, claims]) => `## ${area}\n\n${claims.map(([claim, nearest]) => `- **${claim}**: ${nearest}.\n`).join('')}`,
  );
  const needed = conditional(root);
  const rows = [...new Set(needed.map(({ needs }) => needs))].sort().map(needs => {
    const files = needed.filter(each => each.needs === needs).map(({ file }) => `\`${file}\``);
    return `| ${needs} | ${files.join(', ')} |\n`;
  });
  return `# Not proven

What no test and no drill has shown, with what comes nearest to it. Each line is a test that is skipped; \`npm run not-proven\` writes this page from them.

${areas.join('\n')}
## Left out where something is missing

Tests that run only on a machine that has what they need; elsewhere they are skipped by name.

| needs | in \`test/\` |
|---|---|
${rows.join('')}`;
}
