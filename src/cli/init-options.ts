// The command line of `homelab init`: options and help; the work is loaded when it runs.
import { type Command, Option } from 'commander';
import type { RawOptions } from './init-flags.ts';
import { collect, usualInventory } from './options.ts';
import type { Io } from './session.ts';

export function addInit(program: Command, io: Io, done: (exitCode: number) => void): void {
  program
    .command('init')
    .description('write an inventory: asks or takes flags, looks at the machines, changes nothing on them')
    .option(
      '--host <[NAME=]ADDRESS[:PORT][,ROLE]>',
      'a machine, control-plane or worker; may stand several times',
      collect,
    )
    .option(
      '--scan <WHERE>',
      'look for machines in ssh-config, known-hosts or a subnet (/22 at most); asks which',
      collect,
    )
    .option('--name <NAME>', "the cluster's name (default: homelab)")
    .option('--user <LOGIN>', 'login name on the machines; needs sudo, or is root')
    .option('--identity-file <FILE>', 'private key (default: the agent, and what ~/.ssh/config says)')
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the references' own syntax
    .option('--sudo-password <REFERENCE>', 'where sudo asks for one: ${env:NAME} or ${file:PATH}, never the password')
    .option('--time-zone <ZONE>', "IANA name, for schedules (default: this computer's)")
    .option('--profile <NAME>', 'a tested set of versions (default: the newest)')
    .option('--endpoint <NAME>', 'what the API server is reached by (default: api.NAME.home.arpa)')
    .option('--out <FILE>', 'the inventory', usualInventory)
    .option('--force', 'in the place of a file that is there; it is kept as FILE.before')
    .option('--yes', 'do not ask: flags and what was found are enough')
    .option(
      '--trust-new-host-keys',
      'accept and save host keys that no known_hosts has; a changed key is refused all the same',
    )
    .addOption(new Option('--output <MODE>', 'how the end is told').choices(['plain', 'json']))
    .addHelpText(
      'after',
      `
Each machine is looked at over SSH: system, size, disks, network cards, whether it is a member of a cluster. One that does not answer is said,
and can be written all the same. Host keys are never taken on trust: unknown ones are shown, and asked about.

Examples:
  homelab init
  homelab init --scan 192.168.0.0/24
  homelab init --scan ssh-config --name attic --out inventory/attic.yaml
  homelab init --yes --user admin --host k8s-cp=192.168.0.10,control-plane --host k8s-worker1=192.168.0.11`,
    )
    .action(async (options: RawOptions) => {
      const [{ runInit }, { checkedFlags }] = await Promise.all([import('./init.ts'), import('./init-flags.ts')]);
      done(await runInit(checkedFlags(options), io));
    });
}
