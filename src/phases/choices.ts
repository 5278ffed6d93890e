// What init decided otherwise than we would today, on a cluster that runs: said, and left as it is.
import type { Want } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { controlPlaneArgs } from '../transitions/choices.ts';
import { certSANs } from '../transitions/kubeadm-config.ts';

export function choices(world: World): readonly Want[] {
  const { live } = world;
  if (live === 'unknown') return [];
  const different = Object.entries(controlPlaneArgs(live.serverTLSBootstrap)).flatMap(([process, args]) =>
    Object.entries(args)
      .filter(([name, value]) => live.args[process]?.[name] !== value)
      .map(([name, value]) => `${process} --${name}=${value} (${live.args[process]?.[name] ?? 'not set'})`),
  );
  const unnamed = certSANs(world).filter(name => !live.certSANs.includes(name));
  return [
    ...(different.length > 0
      ? [note(`decided at init and left as it is; a cluster made today has: ${different.join(', ')}`)]
      : []),
    ...(unnamed.length > 0
      ? [note(`the API server's certificate was made without ${unnamed.join(', ')}: by these names it is not trusted`)]
      : []),
    ...(live.serverTLSBootstrap
      ? []
      : [note('each kubelet signs its own certificate (serverTLSBootstrap is off): nobody can verify it')]),
  ];
}

function note(text: string): Want {
  return { kind: 'note', text };
}
