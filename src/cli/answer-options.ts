// The command line of the commands that only answer: explain, status, access, completion, version.
import { Argument, type Command, Option } from 'commander';
import { phaseNames } from '../phases/names.ts';
import type { Io } from './session.ts';

const shells = ['bash', 'zsh', 'fish'];

export function addAnswers(program: Command, io: Io, done: (exitCode: number) => void): void {
  program
    .command('completion')
    .addArgument(new Argument('<SHELL>', 'whose').choices(shells))
    .description('print what makes a shell complete commands, options, phases and machines')
    .addHelpText(
      'after',
      '\nExamples:\n  source <(homelab completion bash)         now, or as a line of ~/.bashrc\n  source <(homelab completion zsh)\n  homelab completion fish | source',
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('./completion.ts');
      const phases = Object.values(phaseNames).map(({ id }) => id);
      io.stdout.write(completionScript(shell, program, { phases, explained: [] }));
      done(0);
    });

  program
    .command('version')
    .description('the version, and what else a report of a bug begins with')
    .addOption(plainOrJson())
    .addHelpText('after', '\nExamples:\n  homelab version\n  homelab version --output json')
    .action(async (options: { output?: 'plain' | 'json' }) =>
      done(await (await import('./version.ts')).runVersion(options, io)),
    );
}

function plainOrJson(): Option {
  return new Option('--output <MODE>', 'how it is told').choices(['plain', 'json']);
}
