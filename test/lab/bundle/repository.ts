// Makes a folder of .debs a signed Debian repository: flat (`deb URL /`), and with dists/ so that debootstrap can use it too.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { architecture, versions } from './recipe.ts';
import { run } from './run.ts';

/** Indexes and signs `folder`; its packages are in `folder/pool`. */
export async function writeRepository(folder: string, signal: AbortSignal | undefined): Promise<void> {
  const text = await run(['apt-ftparchive', 'packages', 'pool'], { cwd: folder, signal });
  const suite = path.join(folder, 'dists', versions.debian);
  const binary = `main/binary-${architecture()}`;
  await mkdir(path.join(suite, binary), { recursive: true });

  await writeIndex(folder, '', text, {});
  await writeIndex(suite, `${binary}/`, text, { Components: 'main' });
  await sign(folder, suite, signal);
}

/** The address of a public key for debootstrap (`--keyring`) beside the armoured one for apt. */
export function repositoryKeyring(folder: string): string {
  return path.join(folder, 'key.gpg');
}

async function writeIndex(
  folder: string,
  below: string,
  packages: string,
  extra: Readonly<Record<string, string>>,
): Promise<void> {
  const files = new Map([
    [`${below}Packages`, Buffer.from(packages)],
    [`${below}Packages.gz`, gzipSync(packages)],
  ]);
  for (const [name, content] of files) await writeFile(path.join(folder, name), content);
  const fields = {
    Origin: 'homelab lab',
    Label: 'homelab lab',
    Suite: versions.debian,
    Codename: versions.debian,
    Date: new Date().toUTCString().replace('GMT', 'UTC'),
    Architectures: `${architecture()} all`,
    ...extra,
  };
  const sums = [...files].map(
    ([name, content]) => ` ${createHash('sha256').update(content).digest('hex')} ${content.length} ${name}\n`,
  );
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  await writeFile(path.join(folder, 'Release'), `${lines.join('')}SHA256:\n${sums.join('')}`);
}

/** With a key that is made for this and thrown away. */
async function sign(folder: string, suite: string, signal: AbortSignal | undefined): Promise<void> {
  // In the system's temporary folder, because the agent's socket needs a short path.
  const home = await mkdtemp(path.join(tmpdir(), 'lab-gpg-'));
  const gpg = (...args: readonly string[]): Promise<string> =>
    run(['gpg', '--homedir', home, '--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], {
      signal,
      hint: 'look whether gpg and its agent work: apt-get install -y gnupg',
    });
  try {
    await gpg('--quick-generate-key', 'homelab lab bundle <lab@homelab.example>', 'ed25519', 'sign', 'never');
    for (const where of [folder, suite]) {
      const release = path.join(where, 'Release');
      await gpg('--output', path.join(where, 'InRelease'), '--clearsign', release);
      await gpg('--output', path.join(where, 'Release.gpg'), '--armor', '--detach-sign', release);
    }
    await gpg('--output', path.join(folder, 'key.asc'), '--armor', '--export');
    await gpg('--output', repositoryKeyring(folder), '--export');
  } finally {
    await run(['gpgconf', '--homedir', home, '--kill', 'all']).catch(() => '');
    await rm(home, { recursive: true, force: true });
  }
}
