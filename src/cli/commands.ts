// What each command does once its options are read. Loaded when a command runs, not for --help.
import { readFile, writeFile } from 'node:fs/promises';
import { strikes } from '../engine/rehearsal.ts';
import { plan, preflight, type RunContext, survey, verify } from '../engine/run.ts';
import { loadInventory } from '../inventory/load.ts';
import { rewritePrivate, writePrivate } from '../io/private-file.ts';
import { exitCodes, HomelabError } from '../model/errors.ts';
import type { Plan, Step } from '../model/plan.ts';
import { outputMode } from '../render/choose.ts';
import { paletteFor } from '../render/color.ts';
import { marksFor } from '../render/marks.ts';
import { formatPlan, planSummary } from '../render/plan.ts';
import { type PlanFile, parsePlanFile, renderPlanFile, unapproved } from './approval.ts';
import { kubeconfigPath, mergeKubeconfig, namedKubeconfig } from './kubeconfig.ts';
import { type Io, type RunOptions, runSession, type Session } from './session.ts';
import { oneOf } from './suggest.ts';

export interface PlanOptions extends RunOptions {
  readonly out?: string;
  readonly detailedExitcode?: boolean;
  readonly verbose?: boolean;
}

export interface BootstrapOptions extends RunOptions {
  readonly plan?: string;
}

export const nothingApproved = () => ({ approve: async () => undefined, isApproved: () => false });

export interface ValidateOptions extends RunOptions {
  readonly machines?: boolean;
}

export async function runValidate(options: ValidateOptions, io: Io): Promise<number> {
  const cluster = await loadInventory(options.inventory);
  const { hosts, kubernetes } = cluster;
  if (options.machines) {
    const code = await runSession('look', options, io, nothingApproved, preflight);
    if (code === 0 && outputMode({ ...io, output: options.output }) !== 'json')
      io.stdout.write(`${options.inventory} is valid, and ${hosts.length} machines pass every check\n`);
    return code;
  }
  io.stdout.write(
    options.output === 'json'
      ? `${JSON.stringify({ inventory: options.inventory, cluster: cluster.name, hosts: hosts.map(host => host.name), ok: true })}\n`
      : `${options.inventory} is valid: cluster ${cluster.name}, Kubernetes ${kubernetes.version}, ${hosts.length} machines\n`,
  );
  return exitCodes.ok;
}

export async function runPlan(options: PlanOptions, io: Io): Promise<number> {
  let steps = 0;
  const code = await runSession('look', options, io, nothingApproved, async session => {
    const found = await plan(session);
    steps = found.steps.length;
    await showPlan(found, session, options);
  });
  return code === 0 && steps > 0 && options.detailedExitcode ? exitCodes.pending : code;
}

/** On stdout, and in a file where that was asked for. Throws HL_REFUSED where something stands against it. */
export async function showPlan(found: Plan, session: Session, options: PlanOptions): Promise<void> {
  const { goal, io, redact } = session;
  if (outputMode({ ...io, output: options.output }) !== 'json')
    io.stdout.write(redact(await planText(found, io, options.verbose ?? false)));
  if (options.out !== undefined)
    await writeFile(options.out, renderPlanFile(goal.cluster.name, new Date(), found, redact));
  if (found.refusals.length > 0) {
    throw new HomelabError(
      'HL_REFUSED',
      `${found.refusals.length === 1 ? 'one thing stands' : `${found.refusals.length} things stand`} against this plan`,
      {
        hint: 'each one above says what to do',
      },
    );
  }
}

export async function runBootstrap(options: BootstrapOptions, io: Io): Promise<number> {
  if (options.plan === undefined) {
    requireAnswer(
      'bootstrap',
      options,
      io,
      'look with homelab plan, then run homelab bootstrap --yes, or homelab bootstrap --plan FILE with a plan made by homelab plan --out FILE',
    );
  }
  const text = options.plan === undefined ? undefined : await readPlan(options.plan);
  const { applyAndHandOver } = await import('./hand-over.ts');
  return runSession('change', options, io, session => approvalOf(session, text), applyAndHandOver);
}

export function requireAnswer(
  command: string,
  { yes, output }: Pick<RunOptions, 'yes' | 'output'>,
  io: Io,
  hint: string,
): void {
  const mode = outputMode({ ...io, output });
  const isInteractive = Boolean(io.stdin.isTTY && io.stderr.isTTY) && !io.env['CI'] && mode !== 'json';
  if (yes || isInteractive) return;
  throw new HomelabError('HL_USAGE', `${command} asks before it changes machines, and nobody is there to answer`, {
    hint,
  });
}

export async function runVerify(options: RunOptions, io: Io): Promise<number> {
  return runSession('verify', options, io, nothingApproved, verify);
}

export interface KubeconfigOptions extends RunOptions {
  readonly out?: string;
  readonly merge?: boolean;
  readonly use?: boolean;
  readonly server?: string;
}

/** Prints the cluster's admin kubeconfig, or writes it where it was told to. */
export async function runKubeconfig(options: KubeconfigOptions, io: Io): Promise<number> {
  const { out, merge = false, use = false, server } = options;
  if ((out !== undefined && merge) || (use && !merge)) {
    throw new HomelabError(
      'HL_USAGE',
      use && !merge ? '--use goes with --merge' : '--out and --merge exclude each other',
      {
        hint: 'homelab kubeconfig --help has examples',
      },
    );
  }
  return runSession('ask', options, io, nothingApproved, async session => {
    const host = session.goal.cluster.hosts.find(each => each.role === 'control-plane')?.name ?? '';
    const result = await session.machines.get(host)?.exec('cat /etc/kubernetes/admin.conf', 30_000, session.abort);
    if (result?.code !== 0) {
      throw new HomelabError('HL_REFUSED', `${host} has no /etc/kubernetes/admin.conf`, {
        context: { host, stderr: result?.stderr ?? '' },
        hint: 'make the cluster first: homelab bootstrap',
      });
    }
    const { name } = session.goal.cluster;
    const ours = namedKubeconfig(result.stdout, name, server);
    if (!merge && out === undefined) {
      io.stdout.write(ours);
      return;
    }
    const file = out ?? kubeconfigPath(io.env);
    if (merge) await rewritePrivate(file, before => mergeKubeconfig(before, ours, file, use));
    else await writePrivate(file, ours);
    session.bus.emit({ type: 'note', text: `${file} has the context ${name}: kubectl --context ${name} get nodes` });
  });
}

/** `goes`: what is typed to say yes, where that is no machine. */
export function approvalOf(
  session: Session,
  planText_: string | undefined,
  goes?: string,
): Pick<RunContext, 'approve' | 'isApproved'> {
  const { options } = session;
  const file =
    planText_ === undefined
      ? undefined
      : parsePlanFile(planText_, (options as BootstrapOptions).plan ?? '', session.goal.cluster.name);
  const approved = new Set<string>();
  return {
    isApproved: (step: Step) => approved.has(step.id) && (file === undefined || unapproved([step], file).length === 0),
    async approve(found) {
      await checkFaults(session, found);
      if (file) againstFile(found, file);
      else if (!options.yes) await ask(found, session, goes);
      for (const step of found.steps) approved.add(step.id);
    },
  };
}

// Safe steps may have appeared since; anything more needs a new look.
function againstFile(found: Plan, file: PlanFile): void {
  const surprises = unapproved(found.steps, file).filter(step => step.risk !== 'safe');
  if (surprises.length === 0) return;
  throw new HomelabError(
    'HL_REFUSED',
    `the plan has changed since it was made (${file.made}): ${planSummary({ steps: surprises, refusals: [] })} are new`,
    {
      context: { details: surprises.map(step => `${step.id}: ${step.title} (${step.why})`) },
      hint: 'look again: homelab plan --out FILE',
    },
  );
}

async function ask(found: Plan, { goal, io, redact }: Session, goes: string | undefined): Promise<void> {
  io.stderr.write(`\n${redact(await planText(found, io, false))}\n`);
  const { default: inquirer } = await import('inquirer');
  const cancelled = new HomelabError('HL_CANCELLED', 'not approved; nothing was changed', {
    hint: 'homelab plan shows it again',
  });
  const destroyed = found.steps.filter(step => step.risk === 'destructive');
  const lost = [...new Set(destroyed.map(step => goes ?? step.host))];
  const question =
    lost.length > 0
      ? {
          type: 'input' as const,
          name: 'said',
          message: `${goes === undefined ? `What is on ${lost.join(', ')} is lost` : `${goes} goes`}. Type ${lost.join(' ')} to go on:`,
        }
      : {
          type: 'confirm' as const,
          name: 'said',
          message: `Change these machines of ${goal.cluster.name}?`,
          default: false,
        };
  let answer: { readonly said: string | boolean };
  try {
    answer = await inquirer.prompt([question]);
  } catch (cause) {
    throw new HomelabError('HL_CANCELLED', 'not approved; nothing was changed', { cause });
  }
  const isApproved = lost.length > 0 ? answer.said === lost.join(' ') : answer.said === true;
  if (!isApproved) throw cancelled;
}

// A fault that strikes nothing would make a rehearsal that proves nothing.
async function checkFaults(session: Session, found: Plan): Promise<void> {
  const { rehearsal = [], phases } = session;
  if (rehearsal.length === 0) return;
  const { world } = await survey(session);
  const evidence = phases
    .flatMap(phase => phase.probes(world))
    .flatMap(probe => (probe.kind === 'active' ? probe.pieces : [probe]));
  for (const fault of rehearsal) {
    const isEvidence = evidence.some(({ host, id }) => host === fault.host && id === fault.step);
    if (isEvidence || found.steps.some(step => strikes(fault, step))) continue;
    const known = [...found.steps, ...evidence].filter(({ host }) => host === fault.host).map(({ id }) => id);
    throw new HomelabError('HL_USAGE', `--fault: nothing on ${fault.host} is called ${fault.step}`, {
      hint:
        known.length > 0
          ? oneOf(fault.step, known)
          : `one of these machines: ${session.goal.cluster.hosts.map(host => host.name).join(', ')}`,
    });
  }
}

async function planText(found: Plan, io: Io, verbose: boolean): Promise<string> {
  return formatPlan(found, { color: await paletteFor(io.stdout, io.env), marks: marksFor(io.env), verbose });
}

export async function readPlan(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new HomelabError('HL_USAGE', `the plan ${path} cannot be read`, {
      cause,
      hint: `make it: homelab plan --out ${path}`,
    });
  }
}
