// One lab command at a time. An abstract socket is the lock: the kernel frees it however its owner ends, and no file is left behind.
import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import process from 'node:process';
import { type Log, until } from './run.ts';

/** Runs the work while holding the lock `name`; says once whom it waits for. */
export async function withLock<T>(
  name: string,
  options: { readonly log: Log; readonly signal?: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  // Hashed: a socket's name has room for 107 bytes.
  const address = `\0homelab-lab/${createHash('sha256').update(name).digest('hex')}`;
  let told = false;
  const server = await until(
    async () => {
      const mine = await listen(address);
      if (mine === undefined && !told) {
        told = true;
        options.log(`waiting for ${name}: another lab command (process ${await owner(address)}) is at work`);
      }
      return mine;
    },
    { timeoutMs: 3_600_000, what: `the lock ${name}`, everyMs: 200, signal: options.signal },
  );
  try {
    return await work();
  } finally {
    await new Promise(resolve => server.close(resolve));
  }
}

function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.on('error', () => undefined);
      socket.end(String(process.pid));
    });
    server.once('error', error => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => resolve(server));
  });
}

function owner(address: string): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    const socket = connect(address);
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on('data', data => {
      text += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text === '' ? 'unknown' : text));
  });
}
