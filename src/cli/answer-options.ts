// The command line of the commands that only answer: explain, status, access, profiles, completion, version.
import { Argument, type Command, Option } from 'commander';
import { phaseNames } from '../phases/names.ts';
import type { AccessOptions } from './access.ts';
import type { ExplainOptions } from './explain.ts';
import { collect, withInventory } from './options.ts';
import type { Io } from './session.ts';
import type { StatusOptions } from './status.ts';

const shells = ['bash', 'zsh', 'fish'];

export function addAnswers(program: Command, io: Io, done: (exitCode: number) => void): void {
  withInventory(program.command('explain'))
    .addArgument(new Argument('<WHAT>', 'a step, phase, check, refusal, error, exit code or rule of doctor'))
    .description('why it is so, where that is known from, how it is undone, and how to do it by hand')
    .addOption(plainOrJson())
    .addHelpText(
      'after',
      '\nExamples:\n  homelab explain swap-off\n  homelab explain host-base/k8s-cp/sysctl-network\n  homelab explain control-plane\n  homelab explain dns-loop\n  homelab explain HL_FENCE\n  homelab explain 5\n  homelab explain kubelet-stopped',
    )
    .action(async (what: string, options: ExplainOptions) =>
      done(await (await import('./explain.ts')).runExplain(what, options, io)),
    );

  withInventory(program.command('status'))
    .description('one screen: machines, nodes, control plane, the next certificate that ends, last backup, last run')
    .addOption(plainOrJson())
    .option('--exclude <HOST>', 'do not look at this machine; may stand several times', collect)
    .option(
      '--trust-new-host-keys',
      'accept and save host keys that no known_hosts has; a changed key is refused all the same',
    )
    .addHelpText(
      'after',
      `
One remote command a machine, side by side; changes nothing. Exit 4 when a machine was not reached, 7 when something that was looked at is not well.

Examples:
  homelab status
  homelab status --output json`,
    )
    .action(async (options: StatusOptions) => done(await (await import('./status.ts')).runStatus(options, io)));

  withInventory(program.command('access'))
    .description('how one gets in: kubectl, the API server, where keys lie; what is to be set up on this computer')
    .addOption(plainOrJson())
    .addHelpText(
      'after',
      '\nReads the inventory and this computer only.\n\nExamples:\n  homelab access\n  homelab access --output json',
    )
    .action(async (options: AccessOptions) => done(await (await import('./access.ts')).runAccess(options, io)));

  program
    .command('profiles')
    .description('sets of versions that were tested together, and who ran each')
    .addOption(plainOrJson())
    .addHelpText(
      'after',
      `
An inventory names one as its profile. What runs under it may still be another version: kubernetes.version, containerd.version and
layers.NAME.version win, and pairs that are known not to go together are refused with who says so.

Examples:
  homelab profiles
  homelab profiles --output json`,
    )
    .action(async (options: { output?: 'plain' | 'json' }) =>
      done(await (await import('./profiles.ts')).runProfiles(options, io)),
    );

  program
    .command('completion')
    .addArgument(new Argument('<SHELL>', 'whose').choices(shells))
    .description('print what makes a shell complete commands, options, phases and machines')
    .addHelpText(
      'after',
      '\nExamples:\n  source <(homelab completion bash)         now, or as a line of ~/.bashrc\n  source <(homelab completion zsh)\n  homelab completion fish | source',
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const [{ completionScript }, { explainable }] = await Promise.all([
        import('./completion.ts'),
        import('./explain.ts'),
      ]);
      const phases = Object.values(phaseNames).map(({ id }) => id);
      io.stdout.write(completionScript(shell, program, { phases, explained: explainable() }));
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
