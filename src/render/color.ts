// Colour, decided once for a stream and handed to whoever prints: chalk itself ignores NO_COLOR and looks at the wrong stream.
import type { Env } from './marks.ts';

type Paint = (text: string) => string;

/** What this tool paints with; a chalk instance is one. */
export interface Palette {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

const asItIs: Paint = text => text;

export const noColor: Palette = {
  bold: asItIs,
  dim: asItIs,
  red: asItIs,
  green: asItIs,
  yellow: asItIs,
  cyan: asItIs,
};

/** chalk's levels. NO_COLOR (not empty, as no-color.org says) wins over FORCE_COLOR, which wins over the terminal. */
export function colorLevel(stream: { readonly isTTY?: boolean }, env: Env): 0 | 1 | 2 | 3 {
  if (env['NO_COLOR']) return 0;
  switch (env['FORCE_COLOR']) {
    case undefined:
      return stream.isTTY === true && env['TERM'] !== 'dumb' ? 1 : 0;
    case '0':
    case 'false':
      return 0;
    case '2':
      return 2;
    case '3':
      return 3;
    default:
      return 1;
  }
}

/** chalk is loaded only when there is something to colour. */
export async function paletteFor(stream: { readonly isTTY?: boolean }, env: Env): Promise<Palette> {
  const level = colorLevel(stream, env);
  if (level === 0) return noColor;
  const { Chalk } = await import('chalk');
  return new Chalk({ level });
}
