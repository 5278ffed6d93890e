// Options that several commands have, written once.
import { type Command, Option } from 'commander';

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
