// The live view: one phase at a time redraws itself and collapses into a line that stays. listr2 runs a list of one task for
// every phase and keeps other output away from the terminal meanwhile; the work itself is the engine's.
import type { Listr } from 'listr2';
import type { EventSink, RunEvent } from '../model/events.ts';
import type { FrameStyle } from './frame.ts';
import { createPhaseView, type PhaseView } from './lanes.ts';
import { LiveRenderer } from './live.ts';
import { noteLine } from './plain.ts';
import { planSummary } from './plan.ts';
import { createSummary, opening, type SummaryOptions } from './summary.ts';

export interface TtyOptions extends SummaryOptions, Pick<FrameStyle, 'pastTimes'> {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly now?: () => number;
}

interface LivePhase {
  readonly view: PhaseView;
  finish(): void;
  readonly ended: Promise<unknown>;
}

export function createTtyRenderer({ stdout, stderr, now = Date.now, ...options }: TtyOptions): EventSink {
  const summary = createSummary(options);
  const { marks } = options;
  let live: LivePhase | undefined;
  let queue = Promise.resolve();
  let failure: unknown;

  // Leaving in a hurry (second Ctrl-C) must not leave a terminal without a cursor. Bound now: listr2 diverts stderr.write.
  const write = stderr.write.bind(stderr);
  const showCursor = (): void => {
    if (live) write('\x1b[?25h');
  };
  process.once('exit', showCursor);

  // A view that breaks is reported through the next event; a throw in its timer would end the run.
  const fail = (error: unknown): void => {
    failure ??= error;
  };

  const print = (lines: readonly string[]): void => {
    stderr.write(lines.map(line => `${line}\n`).join(''));
  };

  const start = async (event: RunEvent & { readonly type: 'phase-started' }): Promise<void> => {
    const { Listr, ProcessOutput, Spinner } = await import('listr2');
    class Ticks extends Spinner {
      protected override readonly spinner = [...marks.spinner];
    }
    const view = createPhaseView(event, now(), options);
    let finished = (): void => {};
    const phase = new Promise<void>(resolve => {
      finished = resolve;
    });
    // Both streams are held back, so that nothing is printed beside the view; what came is printed when the phase is over.
    const output = new ProcessOutput(stderr, stdout.isTTY ? stdout : stderr);
    const list: Listr<unknown, typeof LiveRenderer> = new Listr([{ title: event.phase, task: async () => phase }], {
      renderer: LiveRenderer,
      rendererOptions: { view, output, spinner: new Ticks(), stderr, now, onError: fail },
      // Ours come from cli/; listr2 would exit with 127 at the first Ctrl-C.
      registerSignalListeners: false,
    });
    live = { view, finish: finished, ended: list.run().catch(fail) };
  };

  const finish = async (): Promise<void> => {
    live?.finish();
    await live?.ended;
    live = undefined;
  };

  const show = async (event: RunEvent): Promise<void> => {
    summary.see(event);
    live?.view.see(event, now());
    switch (event.type) {
      case 'run-started':
        return print([...opening(event, options, stderr.columns), '']);
      case 'plan':
        return print([`plan: ${planSummary(event)}`, ...event.notes.map(note => `  ${noteLine(note, onHost)}`), '']);
      case 'phase-started':
        await finish();
        return start(event);
      case 'phase-finished':
        return finish();
      case 'note':
        return live ? undefined : print([noteLine(event, onHost)]);
      case 'run-finished':
        await finish();
        return print(summary.closing(event));
      default:
        return;
    }
  };

  return {
    name: 'the live view',
    handle(event) {
      if (failure) throw failure;
      // listr2 starts and ends a list asynchronously; events wait for their turn.
      queue = queue.then(() => show(event)).catch(fail);
    },
    async close() {
      await queue;
      await finish();
      process.removeListener('exit', showCursor);
    },
  };
}

function onHost(host: string, text: string): string {
  return `${host}  ${text}`;
}
