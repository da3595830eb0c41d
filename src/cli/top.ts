/** `headgate top`: links, blocks and moves, live on the whole terminal. */
import type { Command } from 'commander';
import {
  type BlockView,
  type ControlClient,
  type ExplainView,
  type HistoryView,
  type LinkView,
  openControlClient,
  type PlanView,
  type SessionsView,
  type StatusView,
} from '../control/index.ts';
import { HeadgateError } from '../core/base/error.ts';
import { type AskOptions, askCommand } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { keysOf, press } from './top/keys.ts';
import { type Frame, type Look, renderTop } from './top/screen.ts';

const refreshMs = 1000;
const hourMs = 3_600_000;
const trendMax = 60;
/** Alternate screen without cursor, and back: the terminal is as it was afterwards. */
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';

export function register(program: Command): void {
  askCommand(
    program,
    'top',
    'shows links, blocks and moves live; its last line names the keys',
  ).action(async (options: AskOptions) => {
    if (options.json || !process.stdout.isTTY || !process.stdin.isTTY) {
      throw new UseError(
        'top needs a terminal; for a script use headgate status, links and blocks with --json',
      );
    }
    const client = await openControlClient(options.socket);
    try {
      await show(client);
    } finally {
      client.close();
    }
  });
}

async function show(client: ControlClient): Promise<void> {
  const { stdin, stdout } = process;
  let frame: Frame | undefined;
  let look: Look = {
    order: 'rate',
    filter: '',
    isTyping: false,
    cursor: 0,
    trends: new Map(),
    hasColour: !process.env.NO_COLOR && stdout.hasColors(),
    isUtf8: /utf-?8/i.test(process.env.LC_ALL ?? process.env.LC_CTYPE ?? process.env.LANG ?? ''),
  };
  const draw = () => {
    if (!frame) return;
    const lines = renderTop(frame, look, stdout.columns, stdout.rows);
    stdout.write(home + lines.map((line) => line + clearLine).join('\r\n') + clearBelow);
  };
  const ended = new AbortController();
  const onKeys = (typed: Buffer) => {
    for (const key of keysOf(typed.toString())) onKey(key);
    draw();
  };
  const onKey = (key: string) => {
    if (!frame) {
      if (key === 'q' || key === '\u0003') ended.abort();
      return;
    }
    const effect = press(key, look, frame);
    look = effect.look;
    if (effect.isEnd) ended.abort();
    if (effect.explain !== undefined) {
      // A refusal leaves the screen as it is: the next frame says what is wrong.
      void client.ask('explain', { prefix: effect.explain }).then((answer) => {
        // A cast: the unit's views are typed in src/control/views.ts.
        if (answer.ok) look = { ...look, explained: answer.value as ExplainView };
        draw();
      });
    }
  };
  stdin.setRawMode(true);
  stdin.on('data', onKeys);
  stdout.on('resize', draw);
  process.once('SIGTERM', () => ended.abort());
  stdout.write(enter);
  try {
    while (!ended.signal.aborted) {
      frame = await readFrame(client);
      look = { ...look, trends: grow(look.trends, frame.links) };
      draw();
      await pause(refreshMs, ended.signal);
    }
  } finally {
    stdout.write(leave);
    stdin.setRawMode(false);
    stdin.off('data', onKeys);
    stdin.pause();
  }
}

/** The trends with one more frame; no longer than a wide terminal shows. */
function grow(
  trends: ReadonlyMap<string, readonly number[]>,
  links: readonly LinkView[],
): ReadonlyMap<string, readonly number[]> {
  return new Map(
    links.map(({ name, utilisation = 0 }) => [
      name,
      [...(trends.get(name) ?? []), utilisation].slice(-trendMax),
    ]),
  );
}

async function readFrame(client: ControlClient): Promise<Frame> {
  const read = async <View>(command: string, args = {}): Promise<View> => {
    const answer = await client.ask(command, args);
    if (!answer.ok) throw new HeadgateError(answer.error.code, answer.error.message);
    // A cast: the unit's views are typed in src/control/views.ts.
    return answer.value as View;
  };
  const [status, links, blocks, plan, sessions] = await Promise.all([
    read<StatusView>('status'),
    read<readonly LinkView[]>('links'),
    read<readonly BlockView[]>('blocks'),
    read<PlanView>('plan'),
    read<SessionsView>('sessions'),
  ]);
  const { rails } = await read<HistoryView>('history', { from: status.at - hourMs, limit: 1 });
  return { status, links, blocks, plan, sessions, rails };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
