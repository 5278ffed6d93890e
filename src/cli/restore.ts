// homelab restore: a bootstrap whose first control plane begins with what a backup holds.
import { apply } from '../engine/run.ts';
import { readArchive, requireKey } from '../io/archive.ts';
import { HomelabError } from '../model/errors.ts';
import { objections } from '../transitions/restore.ts';
import { sectionOf } from './backup.ts';
import { approvalOf, requireAnswer } from './commands.ts';
import { type Io, type RunOptions, runSession } from './session.ts';
import { everything, type Target } from './target.ts';

export async function runRestore(path: string, options: RunOptions, io: Io): Promise<number> {
  requireAnswer('restore', options, io, `add --yes: homelab restore ${path} --yes`);
  const archive = await readArchive(path);
  const { manifest } = archive;
  const aim = everything(options);
  return runSession(
    'change',
    options,
    io,
    session => approvalOf(session, undefined),
    async session => {
      const { restore } = session.goal;
      if (restore && !session.rehearsal) requireKey(await session.resolveSecret(restore.key), archive);
      session.bus.emit({
        type: 'note',
        text: `${path}: ${manifest.cluster} as it was at ${manifest.made} on ${manifest.host}`,
      });
      return apply(session);
    },
    async (inventory): Promise<Target> => {
      const target = await aim(inventory);
      const { key } = sectionOf(target.cluster);
      if (key === undefined) {
        throw new HomelabError('HL_INVENTORY', 'the inventory does not say where the private key of backups is', {
          // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference's own syntax
          hint: 'write backup.key: ${file:PATH} into the inventory',
        });
      }
      const against = objections(manifest, { cluster: target.cluster, bundle: undefined });
      if (against.length > 0) {
        throw new HomelabError('HL_REFUSED', `${path} is no backup of the cluster that ${inventory} describes`, {
          context: { details: against.map(({ reason, hint }) => `${reason}\n  ${hint}`) },
          hint: 'do what the lines above say, then run the same command again',
        });
      }
      return { ...target, restore: { ...archive, key } };
    },
  );
}
