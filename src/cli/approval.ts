// Yes, from a person or from a flag; and plans that were approved earlier, as files.
import { z } from 'zod';
import { shortDigest } from '../model/digest.ts';
import { HomelabError } from '../model/errors.ts';
import type { Plan, Step } from '../model/plan.ts';

const planFile = z.object({
  apiVersion: z.literal('homelab/v1'),
  kind: z.literal('Plan'),
  cluster: z.string(),
  made: z.string(),
  steps: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      risk: z.enum(['safe', 'disruptive', 'destructive']),
      digest: z.string(),
    }),
  ),
});

export type PlanFile = z.infer<typeof planFile>;

/** What `plan --out` writes: every step with a digest of what it would do. */
export function renderPlanFile(cluster: string, made: Date, plan: Plan, redact: (text: string) => string): string {
  const steps = plan.steps.map(step => ({
    id: step.id,
    title: step.title,
    why: step.why,
    risk: step.risk,
    diff: step.diff === undefined ? undefined : redact(step.diff),
    digest: digestOfStep(step),
  }));
  return `${JSON.stringify({ apiVersion: 'homelab/v1', kind: 'Plan', cluster, made: made.toISOString(), steps, refusals: plan.refusals, notes: plan.notes }, null, 2)}\n`;
}

/** Throws HL_USAGE for a file that is no plan, or another cluster's. */
export function parsePlanFile(text: string, path: string, cluster: string): PlanFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = planFile.safeParse(json);
  if (!parsed.success) {
    throw new HomelabError('HL_USAGE', `${path} is not a plan`, { hint: `make one: homelab plan --out ${path}` });
  }
  if (parsed.data.cluster !== cluster) {
    throw new HomelabError(
      'HL_USAGE',
      `${path} is a plan for the cluster ${parsed.data.cluster}, the inventory describes ${cluster}`,
      {
        hint: `make a new one: homelab plan --out ${path}`,
      },
    );
  }
  return parsed.data;
}

/** Steps that the file does not have, or has otherwise. */
export function unapproved(steps: readonly Step[], file: PlanFile): readonly Step[] {
  const digests = new Map(file.steps.map(step => [step.id, step.digest]));
  return steps.filter(step => digests.get(step.id) !== digestOfStep(step));
}

// What is said and what would run: another file in the bundle is another step.
function digestOfStep({ id, why, diff, risk, action }: Step): string {
  return shortDigest(
    JSON.stringify([id, why, diff ?? '', risk, action.script, action.uploads?.map(each => each.sha256)]),
  );
}
