// Options that several commands have, written once.
import { type Command, InvalidArgumentError, Option } from 'commander';

export const usualInventory = 'inventory/homelab.yaml';

export function withInventory(command: Command): Command {
  return command.option('-i, --inventory <FILE>', 'the inventory', usualInventory);
}

export function outputOption(): Option {
  return new Option('--output <MODE>', 'how the story is told').choices(['tty', 'plain', 'json']);
}

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export function withMachines(command: Command): Command {
  return withInventory(command)
    .addOption(outputOption())
    .option('--exclude <HOST>', 'do without this machine, because it is down; may stand several times', collect)
    .option('--bundle <DIR>', 'install from this folder instead of the internet')
    .addOption(new Option('--fork <N>', 'machines at a time').default(10).argParser(count))
    .option(
      '--trust-new-host-keys',
      'accept and save host keys that no known_hosts has; a changed key is refused all the same',
    )
    .option('--record <DIR>', 'keep what the machines were asked and answered, for tests without them')
    .option('--steal-lock', 'take machines that another run holds, if you know that nobody is at it')
    .option('--rehearse', 'simulated machines: nothing is reached, nothing changes')
    .option('--fault <HOST:STEP>', 'with --rehearse: this step fails; may stand several times', collect);
}

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1000)
    throw new InvalidArgumentError('a whole number from 1 to 1000');
  return value;
}
