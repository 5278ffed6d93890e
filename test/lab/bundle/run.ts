// Runs one program of the build: its stdout, or an error that says what to do. It ends with us, however we end.
import { HomelabError } from '../../../src/model/errors.ts';
import { output, type RunOptions } from '../run.ts';

export interface BuildRunOptions extends RunOptions {
  readonly cwd?: string;
}

export async function run(argv: readonly [string, ...string[]], options: BuildRunOptions = {}): Promise<string> {
  const { cwd, ...rest } = options;
  const inFolder = cwd === undefined ? [] : ['env', `--chdir=${cwd}`];
  const { code, stdout, stderr } = await output(['setpriv', '--pdeathsig', 'KILL', '--', ...inFolder, ...argv], rest);
  if (code === 0) return stdout;
  throw new HomelabError('HL_BUNDLE', `Building the lab bundle failed: ${argv[0]} exited with ${code}`, {
    hint: options.hint ?? 'run it again: commands built so far are kept',
    context: { command: argv.join(' '), exitStatus: code, stderr: stderr === '' ? stdout : stderr },
  });
}
