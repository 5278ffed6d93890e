// Which renderer shows a run: what the user asked for, as far as the terminal can do it.
import type { EventSink } from '../model/events.ts';
import { paletteFor } from './color.ts';
import { createJsonRenderer } from './json.ts';
import { type Env, marksFor } from './marks.ts';
import { createPlainRenderer } from './plain.ts';

export type OutputMode = 'tty' | 'plain' | 'json';

export interface RendererOptions {
  /** --output; undefined: whatever fits. */
  readonly output: OutputMode | undefined;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Env;
  readonly journalPath?: string | undefined;
  /** What steps took in earlier runs. Only asked where it is shown. */
  readonly pastTimes?: () => Promise<ReadonlyMap<string, number>>;
}

/** Below this a live view is unreadable; some CI systems' terminals even say 0. */
const leastColumns = 40;

export function outputMode({ output, stderr, env }: Omit<RendererOptions, 'stdout'>): OutputMode {
  if (output === 'json' || output === 'plain') return output;
  // Also for --output tty: without a terminal there is nothing to redraw.
  if (!stderr.isTTY || (stderr.columns ?? 0) < leastColumns || env['TERM'] === 'dumb') return 'plain';
  const inCi = env['CI'] !== undefined && !['', '0', 'false'].includes(env['CI']);
  return inCi && output === undefined ? 'plain' : 'tty';
}

/** Asynchronous because chalk and the live view are only loaded when they are used. */
export async function createRenderer(options: RendererOptions): Promise<EventSink> {
  const { stdout, stderr, env, journalPath, pastTimes } = options;
  const mode = outputMode(options);
  if (mode === 'json') return createJsonRenderer({ stdout });
  const style = { color: await paletteFor(stderr, env), marks: marksFor(env), journalPath };
  if (mode === 'plain') return createPlainRenderer({ ...style, stderr });
  const { createTtyRenderer } = await import('./tty.ts');
  return createTtyRenderer({ ...style, stdout, stderr, ...(pastTimes ? { pastTimes: await pastTimes() } : {}) });
}
