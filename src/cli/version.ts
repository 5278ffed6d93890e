// homelab version: what a report of a bug begins with.
import { profiles } from '../inventory/profiles.ts';
import { commitHere } from '../io/build.ts';
import { version } from '../model/version.ts';
import type { Io } from './session.ts';

export async function runVersion({ output }: { readonly output?: 'plain' | 'json' }, { stdout }: Io): Promise<number> {
  const facts = {
    version,
    commit: await commitHere(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    profiles: Object.keys(profiles),
  };
  stdout.write(
    output === 'json'
      ? `${JSON.stringify(facts)}\n`
      : `homelab ${facts.version}\ncommit    ${facts.commit}\nnode      ${facts.node}\nplatform  ${facts.platform}\nprofiles  ${facts.profiles.join(', ')}\n`,
  );
  return 0;
}
