// Copies a file to a machine: root-owned, 0600, whole or not at all.
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { ClientChannel } from 'ssh2';
import { HomelabError } from '../model/errors.ts';
import type { UploadOptions } from '../model/ports.ts';
import { sh } from '../model/shell.ts';
import { type RootResult, runAsRoot, type Timings } from './root-shell.ts';
import type { Link } from './ssh-watch.ts';
import { dataLoader, type RootWay, sentinel } from './sudo.ts';

const wrongSum = 65;

/** Says 'have', or 'need' and then takes the file from stdin. A file that another user could change is not had. */
export function receiveScript(remotePath: string, sha256: string, bytes: number, guard = ''): string {
  return `guard() {
${guard}
:
}
target=${sh(remotePath)}
want=${sh(sha256)}
size=${bytes}
# Without SHA instructions openssl is three times as fast as coreutils.
sum() { if command -v openssl > /dev/null; then openssl dgst -sha256 -r; else sha256sum; fi | cut -c1-64; }
if [ -f "$target" ] && [ ! -L "$target" ] && [ -z "$(find "$target" ! -user 0 -o -perm /022)" ] &&
  [ "$(sum < "$target")" = "$want" ]; then
  echo have
  exit 0
fi
(guard) < /dev/null
mkdir -p "$(dirname "$target")"
# What an upload has left that was ended with no chance to tidy up.
rm -f "$target".??????????
part=$(mktemp "$target.XXXXXXXXXX")
trap 'rm -f "$part"' EXIT
# PIPE too: whoever sent the file may be gone when we say that it is too short.
trap 'exit 143' HUP INT PIPE TERM
echo need
got=$(tee "$part" | sum)
if [ "$(stat -c %s "$part")" != "$size" ]; then
  echo "only $(stat -c %s "$part") of $size bytes could be written" >&2
  exit 1
fi
if [ "$got" != "$want" ]; then exit ${wrongSum}; fi
# In one with the guard: what it holds is let go of afterwards.
(guard; mv -fT "$part" "$target") < /dev/null
`;
}

export async function uploadFile(
  link: Link,
  way: RootWay,
  localPath: string,
  remotePath: string,
  options: UploadOptions,
  timings: Timings,
): Promise<void> {
  const file = await open(localPath).catch((cause: unknown) => {
    throw new HomelabError('HL_BUNDLE', `${localPath} cannot be read`, { hint: `ls -l ${localPath}`, cause });
  });
  try {
    const { size } = await file.stat();
    let sending: Promise<void> | undefined;
    let unreadable: unknown;
    const result = await runAsRoot(link, way, {
      loader: dataLoader,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      timings,
      send: channel => channel.write(`${receiveScript(remotePath, options.sha256, size, options.guard)}${sentinel}\n`),
      onOutput(channel, stdout) {
        if (sending || !stdout.includes('need\n')) return;
        sending = stream(file, channel).catch((error: unknown) => {
          unreadable = error;
          channel.close();
        });
      },
    }).catch((error: unknown) => {
      throw unreadable ?? error;
    });
    if (result.code !== 0) throw await uploadError(link.host, file, localPath, remotePath, options, result);
  } finally {
    await file.close();
  }
}

const chunkBytes = 1024 * 1024;

// Reads ahead of the channel by its own buffer (2 MiB) only; stops as soon as the channel is gone.
async function stream(file: FileHandle, channel: ClientChannel): Promise<void> {
  let gone = false;
  let wake = () => {};
  channel.once('close', () => {
    gone = true;
    wake();
  });
  channel.on('drain', () => wake());
  for (let position = 0; !gone; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    if (!gone && !channel.write(buffer.subarray(0, bytesRead))) {
      await new Promise<void>(resolve => {
        wake = resolve;
        if (gone) resolve();
      });
    }
  }
  if (!gone) channel.end();
}

async function uploadError(
  host: string,
  file: FileHandle,
  localPath: string,
  remotePath: string,
  options: UploadOptions,
  result: RootResult,
): Promise<HomelabError> {
  const context = { host, exitStatus: result.code, afterMs: Math.round(result.durationMs), stderr: result.stderr };
  if (result.code === 124) {
    return new HomelabError('HL_STEP_TIMEOUT', `copying ${localPath} to ${host} took longer than allowed`, {
      hint: 'run it again when the link is faster; what was copied whole is not copied again',
      context,
    });
  }
  if (result.code !== wrongSum) {
    return new HomelabError('HL_STEP_FAILED', `copying ${localPath} to ${host}:${remotePath} failed`, {
      hint: `on ${host}: df -h ${remotePath.replace(/\/[^/]*$/, '') || '/'}`,
      context,
    });
  }
  const local = await sumOf(file);
  return local === options.sha256
    ? new HomelabError('HL_STEP_FAILED', `${localPath} arrived damaged on ${host}`, {
        hint: `check the disk and memory of ${host}, then run it again`,
        context,
      })
    : new HomelabError('HL_BUNDLE', `${localPath} is not the file that was planned: its sum is ${local}`, {
        hint: `sha256sum ${localPath}; expected ${options.sha256}`,
        context: { host },
      });
}

async function sumOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) hash.update(chunk);
  return hash.digest('hex');
}
