// plan --describe: the inventory of a cluster that runs, printed or written beside the one that its machines were reached by.
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe } from '../engine/describe.ts';
import { describeInventory } from '../inventory/describe.ts';
import { problemsOf, readRaw } from '../inventory/load.ts';
import { HomelabError } from '../model/errors.ts';
import { nothingApproved, type PlanOptions } from './commands.ts';
import { type Io, runSession } from './session.ts';

export async function runDescribe(options: PlanOptions, io: Io): Promise<number> {
  if (options.rehearse) {
    throw new HomelabError('HL_USAGE', '--describe reads a running cluster, and --rehearse reaches none', {
      hint: 'leave one of the two out',
    });
  }
  if (options.output === 'json' && options.out === undefined) {
    throw new HomelabError('HL_USAGE', '--output json has the events on stdout, where --describe would print', {
      hint: 'add --out FILE',
    });
  }
  if (options.out !== undefined && resolve(options.out) === resolve(options.inventory)) {
    throw new HomelabError('HL_USAGE', '--describe would write over the inventory that it reads the machines by', {
      hint: 'give --out another file beside it',
    });
  }
  return runSession('look', options, io, nothingApproved, async ({ machines, fork, stop, redact, bus }) => {
    const found = await describe([...machines.values()], fork, stop);
    const text = redact(describeInventory(await readRaw(options.inventory), found));
    for (const { name, host } of found.nodes)
      if (host === undefined)
        bus.emit({
          type: 'note',
          text: `${name} is in the cluster and was not asked: it is not in ${options.inventory}`,
        });
    for (const problem of problemsOf(text, options.out ?? options.inventory))
      bus.emit({ type: 'note', text: `homelab cannot work with this as it is: ${problem}` });
    if (options.out === undefined) io.stdout.write(text);
    else await writeFile(options.out, text);
  });
}
