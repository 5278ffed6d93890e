// Certificates: kubeadm renews its own for a year on the way; what it does not renew may end soon.
import type { Certificate } from '../../model/upgrade-facts.ts';
import type { Findings } from './finding.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** What is left of a CA when it is worth a word. */
const soonMs = 180 * dayMs;

export const certificates: Findings = ({ read }) => {
  const { controlPlane, clockMs } = read;
  if (!controlPlane) return [];
  const isCa = ({ name }: Certificate) => name.endsWith('ca.crt');
  // The kubelet renews its own; kubelet.conf names a file of it.
  const renewed = controlPlane.certificates.filter(each => !isCa(each) && each.name !== 'kubelet.conf');
  const ended = renewed.filter(({ endsMs }) => endsMs < clockMs);
  const ending = controlPlane.certificates.filter(each => isCa(each) && each.endsMs - clockMs < soonMs);
  const first = renewed.reduce((least, { endsMs }) => Math.min(least, endsMs), Number.POSITIVE_INFINITY);
  return [
    {
      id: 'certificates',
      title: 'certificates that are renewed on the way',
      expected: 'each for another year',
      observed:
        renewed.length === 0
          ? 'none'
          : `${renewed.length}, the first ends ${day(first)}: ${renewed.map(each => `${each.name} ${day(each.endsMs)}`).join(', ')}`,
      reproduce: 'sudo kubeadm certs check-expiration',
      notes: ending.map(
        each =>
          `${each.name} ends ${day(each.endsMs)} and no upgrade renews a CA: everything that it signed ends with it`,
      ),
      refuse:
        ended.length === 0
          ? undefined
          : {
              reason: `certificates have ended, and kubeadm reaches the API server by them: ${ended.map(each => `${each.name} ${day(each.endsMs)}`).join(', ')}`,
              hint: 'homelab certs renew; then run the same command again',
            },
    },
  ];
};

function day(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : 'at a time unknown';
}
