/** A real headless Chromium, spoken to by its DevTools protocol over a pipe: JSON messages that end with a zero byte. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';

/** Why no browser can be had here, or false. */
export const browserSkip =
  spawnSync('chromium', ['--version']).status === 0 ? false : 'chromium is not installed';

export interface Browser {
  /** Loads a page as a reader with that taste sees it; resolves when it and its scripts are done. */
  open(url: string, scheme: 'light' | 'dark'): Promise<void>;
  /** The value of an expression in the page, or of the promise that it is. */
  evaluate(expression: string): Promise<unknown>;
  /** The page as it looks, a PNG. */
  screenshot(): Promise<Buffer>;
  /** Errors and warnings of the console, exceptions, what was refused or could not be loaded; since the start. */
  readonly problems: readonly string[];
  /** What was asked of any network, beside the pages themselves. */
  readonly fetched: readonly string[];
  close(): Promise<void>;
}

type Message = Readonly<Record<string, unknown>>;

export async function openBrowser(width: number, height: number): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'hg-browser-'));
  const child = spawn(
    'chromium',
    [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--hide-scrollbars'],
      ...['--disable-background-networking', `--user-data-dir=${profile}`],
      ...[`--window-size=${width},${height}`, '--remote-debugging-pipe', 'about:blank'],
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true },
  );
  const problems: string[] = [];
  const fetched: string[] = [];
  const waiting = new Map<string, (message: Message) => void>();
  const call = speak(child, (message) => {
    const key = typeof message.id === 'number' ? `${message.id}` : String(message.method);
    waiting.get(key)?.(message);
    waiting.delete(key);
    note(message, problems, fetched);
  });
  let session: string | undefined;
  let lastId = 0;
  const event = (name: string) =>
    new Promise<Message>((resolve) => {
      waiting.set(name, resolve);
    });
  const ask = async (method: string, params: object = {}): Promise<Message> => {
    const id = ++lastId;
    const answered = event(`${id}`);
    call({ id, method, params, ...(session === undefined ? {} : { sessionId: session }) });
    const { error, result } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    // A cast: the protocol's results are objects.
    return result as Message;
  };
  const { targetInfos } = await ask('Target.getTargets');
  // A cast: the protocol's list of pages.
  const [page] = (targetInfos as ReadonlyArray<{ type: string; targetId: string }>).filter(
    ({ type }) => type === 'page',
  );
  const attached = await ask('Target.attachToTarget', { targetId: page?.targetId, flatten: true });
  session = String(attached.sessionId);
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await ask(`${domain}.enable`);
  return {
    problems,
    fetched,
    open: async (url, scheme) => {
      const features = [{ name: 'prefers-color-scheme', value: scheme }];
      await ask('Emulation.setEmulatedMedia', { features });
      const loaded = event('Page.loadEventFired');
      await ask('Page.navigate', { url });
      await loaded;
    },
    evaluate: async (expression) => {
      const { result } = await ask('Runtime.evaluate', {
        expression,
        returnByValue: true,
        awaitPromise: true,
      });
      // A cast: the protocol's RemoteObject.
      return (result as { readonly value?: unknown }).value;
    },
    screenshot: async () => {
      const { data } = await ask('Page.captureScreenshot', { captureBeyondViewport: true });
      return Buffer.from(String(data), 'base64');
    },
    close: async () => {
      const gone = once(child, 'exit');
      // Its helpers write to the profile as long as they live.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

function speak(child: ChildProcess, onMessage: (message: Message) => void) {
  const [, , , to, from] = child.stdio;
  if (!(to instanceof Writable && from instanceof Readable)) throw new Error('no pipes');
  let rest = '';
  from.setEncoding('utf8').on('data', (text: string) => {
    const messages = (rest + text).split('\0');
    rest = messages.pop() ?? '';
    for (const message of messages) onMessage(JSON.parse(message));
  });
  return (message: object) => void to.write(`${JSON.stringify(message)}\0`);
}

function note({ method, params }: Message, problems: string[], fetched: string[]): void {
  // A cast: of the protocol's events only these fields are looked at.
  const { type, args, entry, exceptionDetails, request } = (params ?? {}) as {
    readonly type?: string;
    readonly args?: unknown;
    readonly entry?: { readonly level: string; readonly text: string };
    readonly exceptionDetails?: unknown;
    readonly request?: { readonly url: string };
  };
  if (method === 'Runtime.exceptionThrown') problems.push(JSON.stringify(exceptionDetails));
  if (method === 'Runtime.consoleAPICalled' && (type === 'error' || type === 'warning'))
    problems.push(`${type}: ${JSON.stringify(args)}`);
  if (method === 'Log.entryAdded' && entry && entry.level !== 'info' && entry.level !== 'verbose')
    problems.push(`${entry.level}: ${entry.text}`);
  if (method === 'Network.requestWillBeSent' && request && !request.url.startsWith('data:'))
    fetched.push(request.url);
}
