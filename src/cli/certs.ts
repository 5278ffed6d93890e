// certs and certs renew: what every machine has and serves; and kubeadm's certificates made anew, with the operator's own kubeconfig.
import { readFile } from 'node:fs/promises';
import { inLanes, valuesOf } from '../engine/lanes.ts';
import { apply, survey } from '../engine/run.ts';
import { loadInventory } from '../inventory/load.ts';
import { rewritePrivate } from '../io/private-file.ts';
import type { ListedCertificate } from '../model/certificates.ts';
import { HomelabError } from '../model/errors.ts';
import { controlPlaneOf } from '../model/world.ts';
import { listCertificates } from '../phases/certificate-list.ts';
import { connect } from '../phases/connect.ts';
import { renewalPhases } from '../phases/renewal.ts';
import { certificateTable } from '../render/certificates.ts';
import { outputMode } from '../render/choose.ts';
import { paletteFor } from '../render/color.ts';
import { parseCertificates, readCertificates } from '../resources/certificates.ts';
import { approvalOf, nothingApproved, requireAnswer } from './commands.ts';
import { kubeconfigPath, namedKubeconfig, renewKubeconfig } from './kubeconfig.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { asItIs } from './target.ts';

export interface CertsOptions extends RunOptions {
  /** Renew only what ends within so many days. */
  readonly within?: number;
}

export async function runCerts(options: CertsOptions, io: Io): Promise<number> {
  notRehearsed(options);
  return runSession(
    'look',
    options,
    io,
    nothingApproved,
    async ({ machines, fork, stop, bus, redact }) => {
      const certificates = valuesOf(
        await inLanes([...machines.values()], fork, async (machine): Promise<readonly ListedCertificate[]> => {
          const result = await machine.exec(`set -eu\n${readCertificates}`, 120_000, stop);
          if (result.code === 0) return listCertificates(machine.host, parseCertificates(result.stdout));
          throw new HomelabError('HL_OBSERVE', `the certificates of ${machine.host} could not be read`, {
            context: { host: machine.host, exitStatus: result.code, stderr: result.stderr },
            hint: `see what ${machine.host} says above, then run the same command again`,
          });
        }),
      ).flat();
      bus.emit({ type: 'certificates', certificates });
      if (outputMode({ ...io, output: options.output }) !== 'json')
        io.stdout.write(redact(certificateTable(certificates, await paletteFor(io.stdout, io.env))));
    },
    async path => asItIs(await loadInventory(path)),
  );
}

export async function runRenewal(options: CertsOptions, io: Io): Promise<number> {
  notRehearsed(options);
  requireAnswer('certs renew', options, io, 'look with homelab certs, then: homelab certs renew --yes');
  return runSession(
    'change',
    options,
    io,
    session => approvalOf(session, undefined),
    async session => {
      const { world } = await survey({ ...session, phases: [] });
      const renewals = renewalPhases(world, options.within);
      if (renewals.length === 0) {
        throw new HomelabError('HL_REFUSED', 'no control plane has a cluster yet', {
          hint: 'make it first: homelab bootstrap',
        });
      }
      await apply({ ...session, phases: [connect, ...renewals] });
      await refresh(session, controlPlaneOf(world).name);
    },
    async path => asItIs(await loadInventory(path)),
  );
}

// What `homelab kubeconfig --merge` wrote would end with the old certificate. Copies elsewhere are not known.
async function refresh({ machines, goal, abort, io, bus }: Session, host: string): Promise<void> {
  const file = kubeconfigPath(io.env);
  const said = await machines.get(host)?.exec('cat /etc/kubernetes/admin.conf', 30_000, abort);
  const theirs = await readFile(file, 'utf8').catch(() => undefined);
  const { name } = goal.cluster;
  if (said?.code === 0 && theirs !== undefined) {
    const ours = namedKubeconfig(said.stdout, name, undefined);
    if (renewKubeconfig(theirs, ours, file) !== undefined) {
      await rewritePrivate(file, before => renewKubeconfig(before, ours, file) ?? before);
      bus.emit({
        type: 'note',
        text: `${file}: the context ${name} has the new certificate (before: ${file}.homelab-backup)`,
      });
    }
  }
  bus.emit({
    type: 'note',
    text: 'kubelets renew their own certificates; a kubeconfig that was written elsewhere is made anew by homelab kubeconfig --out FILE',
  });
}

function notRehearsed({ rehearse }: RunOptions): void {
  if (!rehearse) return;
  throw new HomelabError('HL_USAGE', 'certs reads the machines, and --rehearse reaches none', { hint: 'leave it out' });
}
