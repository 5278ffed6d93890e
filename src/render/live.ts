// Draws one phase over and over in the same place; a listr2 renderer, which decides when it starts and ends.
import type { ListrRenderer, ProcessOutput, Spinner } from 'listr2';
import type { PhaseView } from './lanes.ts';

export interface LiveRendererOptions {
  readonly view: PhaseView;
  readonly output: ProcessOutput;
  readonly spinner: Spinner;
  readonly stderr: NodeJS.WriteStream;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/**
 * Instead of listr2's default renderer, which reads width and support from stdout (ours is stderr), colours by an
 * environment it read itself, and hooks SIGINT through its cursor handling.
 */
export class LiveRenderer implements ListrRenderer {
  static rendererOptions = {};
  static rendererTaskOptions = {};
  static nonTTY = true;

  readonly #options: LiveRendererOptions;
  #drawn = 0;

  constructor(_tasks: unknown, options: LiveRendererOptions) {
    this.#options = options;
  }

  render = (): void => {
    const { output, spinner } = this.#options;
    output.hijack();
    this.#draw();
    spinner.start(() => this.#draw());
  };

  end = (): void => {
    const { output, spinner, view } = this.#options;
    spinner.stop();
    try {
      this.#replace(view.ending());
    } finally {
      output.release();
    }
  };

  #draw(): void {
    const { view, spinner, stderr, now, onError } = this.#options;
    try {
      this.#replace(view.frame(now(), { columns: stderr.columns ?? 80, rows: stderr.rows ?? 24 }, spinner.fetch()));
    } catch (error) {
      spinner.stop();
      onError(error);
    }
  }

  /** Up over the last frame, erase to the end of the screen, the new one. */
  #replace(lines: readonly string[]): void {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r\x1b[0J` : '';
    this.#options.output.toStdout(up + lines.map(line => `${line}\n`).join(''), false);
    this.#drawn = lines.length;
  }
}
