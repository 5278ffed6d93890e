// The two ways to talk to a QEMU machine that are no network: its monitor, and the agent in it. Both speak JSON, a line each way.
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { HomelabError } from '../../src/model/errors.ts';
import { type Output, pause } from './run.ts';

export interface Request {
  readonly execute: string;
  readonly arguments?: object;
}

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc?: string };
}

/** One command of QEMU's own: set_link, stop, cont. https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
export async function monitor(socket: string, request: Request): Promise<unknown> {
  return (await talk(socket, [{ execute: 'qmp_capabilities' }, request], 10_000))[1];
}

/** One command of the agent in the machine. What an earlier caller did not wait for is thrown away first. */
async function ask(socket: string, request: Request, timeoutMs: number): Promise<unknown> {
  const id = Math.floor(Math.random() * 1e9);
  const answers = await talk(socket, [{ execute: 'guest-sync', arguments: { id } }, request], timeoutMs, id);
  return answers[1];
}

/** Whether the agent answers: the machine has booted that far. */
export async function agentAnswers(socket: string): Promise<boolean> {
  return ask(socket, { execute: 'guest-ping' }, 3_000).then(
    () => true,
    () => false,
  );
}

interface Status {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
}

export interface AgentOptions {
  readonly stdin?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program in the machine as root, without its network. */
export async function agentExec(
  socket: string,
  argv: readonly [string, ...string[]],
  { stdin, timeoutMs = 600_000, signal }: AgentOptions = {},
): Promise<Output> {
  const [path, ...arg] = argv;
  const input = stdin === undefined ? {} : { 'input-data': Buffer.from(stdin).toString('base64') };
  const started = { path, arg, env: environment, 'capture-output': true, ...input };
  const { pid } = (await ask(socket, { execute: 'guest-exec', arguments: started }, 30_000)) as {
    readonly pid: number;
  };
  for (const end = performance.now() + timeoutMs; performance.now() < end && !signal?.aborted; await pause(200)) {
    const status = (await ask(socket, { execute: 'guest-exec-status', arguments: { pid } }, 30_000)) as Status;
    if (!status.exited) continue;
    const text = (data = ''): string => Buffer.from(data, 'base64').toString();
    const code = status.exitcode ?? 128 + (status.signal ?? 0);
    return { code, stdout: text(status['out-data']), stderr: text(status['err-data']) };
  }
  throw new HomelabError('HL_STEP_TIMEOUT', `${path} in the machine took longer than ${timeoutMs / 1000} s`, {
    context: { command: argv.join(' ') },
  });
}

const environment = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
] as const;

/** Asks one after the other. `firstIs`: replies before the one that has it are others'. */
async function talk(
  socket: string,
  requests: readonly Request[],
  timeoutMs: number,
  firstIs?: number,
): Promise<readonly unknown[]> {
  const connection = createConnection(socket);
  const failed = new Promise<never>((_, reject) => {
    connection.once('error', reject);
    connection.setTimeout(timeoutMs, () => reject(new Error(`${socket}: no answer in ${timeoutMs / 1000} s`)));
  });
  failed.catch(() => undefined);
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]();
  const answers: unknown[] = [];
  try {
    for (const request of requests) {
      connection.write(`${JSON.stringify(request)}\n`);
      for (;;) {
        const { value, done } = await Promise.race([lines.next(), failed]);
        if (done) throw new Error(`${socket}: closed`);
        const reply = replyIn(value);
        if (reply?.error !== undefined) throw new Error(`${request.execute}: ${reply.error.desc ?? 'refused'}`);
        if (reply?.return === undefined) continue;
        if (answers.length === 0 && firstIs !== undefined && reply.return !== firstIs) continue;
        answers.push(reply.return);
        break;
      }
    }
    return answers;
  } finally {
    connection.destroy();
  }
}

/** Greetings and events are no replies, and a line that was cut off is nothing. */
function replyIn(line: string): Reply | undefined {
  try {
    return JSON.parse(line) as Reply;
  } catch {
    return undefined;
  }
}
