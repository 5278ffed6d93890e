import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepingOutput, kubeadmExplained } from '../../src/transitions/kubeadm.ts';
import { dash } from '../dash.ts';

describe('what kubeadm says', () => {
  it('is root’s alone, as its files are; what follows makes its own as ever', () => {
    const folder = mkdtempSync(join(tmpdir(), 'homelab-kubeadm-'));
    try {
      const script = keepingOutput('init', 'umask').replaceAll('/var/log/homelab', folder);
      const said = dash(`umask 022; set -eu\n${script}umask; cat ${folder}/kubeadm-init.log; stat -c %a ${folder}/*`);
      expect(said.stdout).toBe('0022\n0077\n600\n');
      const failing = keepingOutput('init', '{ echo no; (exit 3); }').replaceAll('/var/log/homelab', folder);
      expect(dash(`set -eu\n${failing}`)).toMatchObject({ code: 3, stderr: 'no\n' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

// What kubeadm itself writes.
describe('a failure of kubeadm', () => {
  it.each([
    [
      `error execution phase preflight: couldn't validate the identity of the API Server: could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"`,
      'the join token was gone before the machine had used it',
    ],
    [
      `couldn't validate the identity of the API Server: token id "abcdef" is invalid for this cluster or it has expired. Use "kubeadm token create" on the control-plane node to create a new valid token`,
      'the join token was gone before the machine had used it',
    ],
    [
      'error execution phase control-plane-prepare/download-certs: error downloading certs: error downloading the secret: Secret "kubeadm-certs" was not found in the "kube-system" Namespace. This Secret might have expired.',
      "the control plane's keys were taken back before the machine had fetched them",
    ],
  ])('is told in words', (stderr, message) => {
    const known = kubeadmExplained.find(({ pattern }) => pattern.test(stderr));
    expect(known?.message).toBe(message);
    expect(known?.hint).toContain('the same command again');
  });
});
