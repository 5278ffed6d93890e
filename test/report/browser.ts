// A headless Chromium for the tests of the report, spoken to over two pipes. It gets no network of ours to speak of: files only.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Where it is installed, if it is. */
export const chromium: string | undefined = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find(path => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

export interface Page {
  send(method: string, params?: object): Promise<unknown>;
  /** The value of a JavaScript expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  press(key: string): Promise<void>;
  /** What the page said on its console, threw, or was refused. */
  readonly complaints: readonly string[];
  /** Every address that was asked for. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export async function openPage(path: string, file: string, size = { width: 1280, height: 900 }): Promise<Page> {
  const profile = mkdtempSync(join(tmpdir(), 'homelab-chromium-'));
  const process = spawn(
    path,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`,
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise<void>(resolve => void process.once('exit', () => resolve()));
  const [, , , input, output] = process.stdio as unknown as readonly [null, null, null, Writable, Readable];
  const waiting = new Map<number, (message: Message) => void>();
  const complaints: string[] = [];
  const requests: string[] = [];
  let loaded = (): void => {};
  let rest = '';
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id !== undefined) waiting.get(message.id)?.(message);
      if (message.method === 'Page.loadEventFired') loaded();
      if (message.method === 'Network.requestWillBeSent')
        requests.push((message.params as { readonly request: { readonly url: string } }).request.url);
      if (['Log.entryAdded', 'Runtime.consoleAPICalled', 'Runtime.exceptionThrown'].includes(message.method ?? ''))
        complaints.push(JSON.stringify(message.params));
    }
  });
  let count = 0;
  let session: string | undefined;
  const send = async (method: string, params: object = {}): Promise<unknown> => {
    const id = ++count;
    const answer = new Promise<Message>(resolve => waiting.set(id, resolve));
    input.write(
      `${JSON.stringify({ id, method, params, ...(session === undefined ? {} : { sessionId: session }) })}\0`,
    );
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  };
  const { targetId } = (await send('Target.createTarget', { url: 'about:blank' })) as { readonly targetId: string };
  const attached = (await send('Target.attachToTarget', { targetId, flatten: true })) as { readonly sessionId: string };
  session = attached.sessionId;
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
  await send('Emulation.setDeviceMetricsOverride', { ...size, deviceScaleFactor: 1, mobile: false });
  const load = new Promise<void>(resolve => {
    loaded = resolve;
  });
  await send('Page.navigate', { url: `file://${file}` });
  await load;
  return {
    send,
    async evaluate(expression) {
      const { result, exceptionDetails } = (await send('Runtime.evaluate', { expression, returnByValue: true })) as {
        readonly result: { readonly value: unknown };
        readonly exceptionDetails?: unknown;
      };
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return result.value;
    },
    async press(key) {
      for (const type of ['rawKeyDown', 'keyUp'])
        await send('Input.dispatchKeyEvent', { type, key, code: key, windowsVirtualKeyCode: keyCodes[key] ?? 0 });
    },
    complaints,
    requests,
    async close() {
      session = undefined;
      input.write(`${JSON.stringify({ id: ++count, method: 'Browser.close' })}\0`);
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const keyCodes: Readonly<Record<string, number>> = {
  Tab: 9,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
};
