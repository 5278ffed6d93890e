// join-node, remove-node and reset: runs about some machines, and the inventory that follows them.
import { apply } from '../engine/run.ts';
import { addHost, removeHost } from '../inventory/edit.ts';
import { type EditedInventory, editInventory, loadInventory } from '../inventory/load.ts';
import { replaceFile } from '../io/replace-file.ts';
import type { Role } from '../model/cluster.ts';
import { HomelabError } from '../model/errors.ts';
import { approvalOf, requireAnswer } from './commands.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { joining, type LeavingOptions, removing, resetting } from './target.ts';

export interface JoinOptions extends RunOptions {
  /** With a role: the machine is written into the inventory first. */
  readonly address?: string;
  readonly role?: Role;
}

/** A machine becomes a member of the running cluster. */
export async function runJoinNode(name: string, options: JoinOptions, io: Io): Promise<number> {
  requireAnswer('join-node', options, io, `add --yes: homelab join-node ${name} --yes`);
  const { address, role = 'worker', inventory } = options;
  const edited =
    address === undefined
      ? undefined
      : await editInventory(inventory, (text, context) => addHost(text, { name, role, address }, context));
  if (edited?.edit.kind === 'snippet') {
    throw new HomelabError('HL_INVENTORY', `${inventory} was not changed: ${edited.edit.why}`, {
      context: { details: edited.edit.snippet.trimEnd().split('\n') },
      hint: `write the lines above into its hosts, then: homelab join-node ${name}`,
    });
  }
  const aim = joining(name);
  return runSession(
    'change',
    options,
    io,
    session => {
      const approval = approvalOf(session, undefined);
      return {
        ...approval,
        async approve(plan) {
          await approval.approve(plan);
          // Before the first step: a run that is cut off is taken up again by the machine's name.
          if (edited) await write(edited, session);
        },
      };
    },
    apply,
    async path => aim(edited?.cluster ?? (await loadInventory(path))),
  );
}

/** A member leaves the cluster, and then the inventory. */
export async function runRemoveNode(name: string, options: RunOptions & LeavingOptions, io: Io): Promise<number> {
  requireAnswer('remove-node', options, io, `add --yes: homelab remove-node ${name} --yes`);
  const { dead, drainSeconds, inventory } = options;
  const aim = removing(name, { ...(dead ? { dead } : {}), ...(drainSeconds === undefined ? {} : { drainSeconds }) });
  return runSession(
    'change',
    options,
    io,
    session => approvalOf(session, undefined),
    async session => {
      await apply(session);
      await write(await editInventory(inventory, (text, context) => removeHost(text, name, context)), session);
    },
    async path => aim(await loadInventory(path)),
  );
}

/** Machines become bare again; the inventory keeps them. */
export async function runReset(names: readonly string[], options: RunOptions, io: Io): Promise<number> {
  requireAnswer('reset', options, io, `add --yes: homelab reset ${names.join(' ')} --yes`);
  const aim = resetting(names);
  return runSession(
    'change',
    options,
    io,
    session => approvalOf(session, undefined),
    apply,
    async path => aim(await loadInventory(path)),
  );
}

/** Writes what an edit made, or says what is to be written by hand; where the inventory says it already, neither. */
export async function write(
  { before, edit }: EditedInventory,
  { rehearsal, options, bus }: Session,
  byHand = 'take out yourself',
): Promise<void> {
  if (rehearsal) return;
  const { inventory } = options;
  if (edit.kind === 'edited') {
    if (edit.text === before) return;
    await replaceFile(inventory, before, edit.text);
    bus.emit({ type: 'note', text: `${inventory} follows: see it with git diff or the like` });
    return;
  }
  bus.emit({
    type: 'note',
    text: `${inventory} was not changed (${edit.why}); ${byHand}: ${edit.snippet.trim()}`,
  });
}
