// `npm run drill`: long matrices on lab machines, each case from a known state; what is done is not done again.
import process from 'node:process';
import { Command, Option } from 'commander';
import { kubeadmKilled } from './kubeadm-killed.ts';

const program = new Command('drill')
  .description('Matrices of bad luck on lab machines. Prints a line a case; exits 1 when one did not end well.')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run drill -- kubeadm-killed\n  npm run drill -- kubeadm-killed --only join --anew',
  );

program
  .command('kubeadm-killed')
  .description('kubeadm is killed as soon as it says the name of each of its phases; then what homelab says is done')
  .addOption(new Option('--only <WHICH>', 'one of the two').choices(['init', 'join']))
  .option('--anew', 'forget what an earlier drill has done')
  .action(async (options: { only?: 'init' | 'join'; anew?: boolean }) => {
    process.exitCode = await kubeadmKilled(options);
  });

await program.parseAsync(process.argv);
