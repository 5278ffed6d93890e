// The controller hands out the certificate that secrets are sealed with, and opens what was sealed with it.
import { adminKubectl } from '../../model/kubectl.ts';
import type { Probe } from '../../model/plan.ts';
import { look } from '../../model/probes.ts';
import { controlPlaneOf, type World } from '../../model/world.ts';
import { certificatePath, sealingProbe } from './sealing-probe.ts';

export function sealedProbes(world: World): readonly Probe[] {
  return [
    look({
      id: 'sealing-certificate',
      host: controlPlaneOf(world).name,
      title: 'the certificate that secrets are sealed with is to be had',
      expected: 'a certificate',
      script: `${adminKubectl(30)} get --raw ${certificatePath} | openssl x509 -noout -enddate`,
      reproduce: 'kubeseal --fetch-cert',
      accept: output => output.startsWith('notAfter='),
      show: output => output.replace('notAfter=', 'a certificate until '),
    }),
    sealingProbe(world),
  ];
}
