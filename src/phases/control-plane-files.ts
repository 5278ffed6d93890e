// What must lie on a control plane's disk before its first process starts, and what of it stays ours to look after.
import type { Host } from '../model/cluster.ts';
import type { Resource } from '../model/plan.ts';
import { controlPlaneOf, isAdopted, type World } from '../model/world.ts';
import { encryptionKey } from '../resources/encryption-key.ts';
import { file } from '../resources/file.ts';
import { type Permission, permissions } from '../resources/permissions.ts';
import { renderTemplate } from '../resources/template.ts';
import { isNewcomer } from '../transitions/begun.ts';
import {
  auditFolder,
  auditPolicyPath,
  choicesFolder,
  encryptionPath,
  etcdFolder,
  madeWith,
} from '../transitions/choices.ts';

export function controlPlaneFiles(world: World, host: Host): readonly Resource[] {
  // Whoever set the machine up chose who owns what.
  if (isAdopted(world, host)) return [];
  const isNew = isNewcomer(world, host);
  const isFirst = host.name === controlPlaneOf(world).name;
  // A cluster that does not say how it was made keeps what it has.
  const isKnown = isNew || world.live !== 'unknown';
  const isEncrypted = isKnown && madeWith(world, 'encryption-provider-config', encryptionPath);
  const isAudited = isKnown && madeWith(world, 'audit-policy-file', auditPolicyPath);
  const paths: readonly Permission[] = [
    // CIS 1.1.11 and 1.1.12. etcd itself runs as root in its pod and may write there all the same.
    { path: etcdFolder, mode: '700', owner: 'etcd', isFolder: true },
    ...(isEncrypted || isAudited ? [{ path: choicesFolder, mode: '700', isFolder: true }] : []),
    ...(isAudited ? [{ path: auditFolder, mode: '700', isFolder: true }] : []),
  ];
  return [
    permissions({ name: 'control-plane-folders', title: "Keep the control plane's folders to their owners", paths }),
    // Read when the API server starts: what differs now counts from its next start on.
    ...(isAudited
      ? [
          file({
            path: auditPolicyPath,
            name: 'audit-policy',
            mode: '600',
            content: renderTemplate('audit-policy.yaml', {}),
          }),
        ]
      : []),
    // A further control plane gets the first one's when it joins, a restored one the backup's.
    ...(isEncrypted && ((isFirst && world.restore === undefined) || !isNew)
      ? [encryptionKey(encryptionPath, { mayMake: isNew })]
      : []),
  ];
}
