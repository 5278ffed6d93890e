// A text field: its check gives the message, its description and examples serve editors and messages alike.
import * as z from 'zod';
import type { Problem } from './issue.ts';

interface Meta {
  readonly description: string;
  /** The first one stands in messages: "for example …". */
  readonly examples?: readonly string[];
  readonly pattern?: string;
  readonly enum?: readonly string[];
}

export function text(check: (value: string) => Problem | undefined, { examples, enum: values, ...meta }: Meta) {
  return z
    .string()
    .superRefine((value, context) => {
      const problem = check(value);
      if (!problem) return;
      context.addIssue({ code: 'custom', message: problem.expectation, params: { suggestion: problem.suggestion } });
    })
    .meta({ ...meta, ...(examples && { examples: [...examples] }), ...(values && { enum: [...values] }) });
}
