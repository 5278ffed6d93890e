// The command line of `homelab bundle`: options and help; the work is loaded when a command runs.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { MakeOptions } from './bundle-commands.ts';
import type { Io } from './session.ts';

export function addBundle(program: Command, io: Io, done: (exitCode: number) => void): void {
  const load = () => import('./bundle-commands.ts');
  const bundle = program
    .command('bundle')
    .description('everything that machines need, in a folder: they need no internet then')
    .addHelpText(
      'after',
      `
Examples:
  homelab bundle make --out bundle                       what inventory/homelab.yaml needs
  homelab bundle make --profile 1.31 --out bundle        without an inventory
  homelab bundle add bundle socat_1.7.4.4-2_amd64.deb    one more package or image
  homelab bundle list bundle
  homelab bundle verify bundle
  homelab bootstrap --bundle bundle`,
    );
  bundle
    .command('make')
    .description(
      'fetch packages, images, and what layers want, checked against signatures and digests; run again, it goes on',
    )
    .requiredOption('--out <DIR>', 'the folder; what is in it is not fetched again')
    .option(
      '-i, --inventory <FILE>',
      'versions, layers, repositories and registry mirrors come from it (default: inventory/homelab.yaml)',
    )
    .option(
      '--profile <NAME>',
      'the versions of a profile from their official addresses, without an inventory and therefore without layers',
    )
    .addOption(new Option('--arch <LIST>', "the machines' architectures").default(['amd64'], 'amd64').argParser(arches))
    .addOption(
      new Option('--os <ID/CODENAME>', "the machines' system, for repositories that differ by it")
        .default('debian/bookworm')
        .argParser(system),
    )
    .option(
      '--images <FILE>',
      "these images, one a line, instead of those that the version's kubeadm and the layers' charts name",
    )
    .addHelpText(
      'after',
      `
Where the inventory has layers, their charts come along, Helm for control planes, and the images that the charts name with the inventory's values.

Packages of the base system (conntrack, socat, iptables, ethtool, ca-certificates; runc where containerd is the distribution's;
open-iscsi and nfs-common for Longhorn) are left to the machines' own mirror. Where there is none, add them and what they depend on: homelab bundle add. HTTPS_PROXY, HTTP_PROXY and NO_PROXY count.

Examples:
  homelab bundle make --out bundle
  homelab bundle make --profile 1.31 --out bundle --arch amd64,arm64
  homelab bundle make --out bundle --os ubuntu/noble`,
    )
    .action(async (options: MakeOptions) => done(await (await load()).runBundleMake(options, io)));
  bundle
    .command('add <DIR> <FILE...>')
    .description('add .deb files and tars of images, listed by what they say of themselves')
    .addHelpText(
      'after',
      '\nExamples:\n  homelab bundle add bundle *.deb\n  docker save app:1 -o app.tar && homelab bundle add bundle app.tar',
    )
    .action(async (dir: string, files: string[]) => done(await (await load()).runBundleAdd(dir, files, io)));
  bundle
    .command('list <DIR>')
    .description('what is in it, as bundle.json lists it')
    .addOption(new Option('--output <MODE>', 'how it is told').choices(['plain', 'json']))
    .addHelpText('after', '\nExamples:\n  homelab bundle list bundle\n  homelab bundle list bundle --output json')
    .action(async (dir: string, options: { output?: string }) =>
      done(await (await load()).runBundleList(dir, options, io)),
    );
  bundle
    .command('verify <DIR>')
    .description('every file against its sum; exit 5 with every problem')
    .addHelpText('after', '\nExamples:\n  homelab bundle verify bundle')
    .action(async (dir: string) => done(await (await load()).runBundleVerify(dir, io)));
}

function arches(text: string): readonly string[] {
  const list = text.split(',').map(each => each.trim());
  if (list.some(each => !/^[a-z0-9]+$/.test(each)))
    throw new InvalidArgumentError("Debian's names, for example amd64,arm64");
  return [...new Set(list)];
}

function system(text: string): string {
  if (!/^[a-z]+\/[a-z0-9.]+$/.test(text)) throw new InvalidArgumentError('for example debian/bookworm or ubuntu/noble');
  return text;
}
