/** `headgate top`: links, blocks and moves, live on the whole terminal. */
import type { Command } from 'commander';
import {
  type BlockView,
  type ControlClient,
  type LinkView,
  openControlClient,
  type PlanView,
  type StatusView,
} from '../control/index.ts';
import { HeadgateError } from '../core/base/error.ts';
import { type AskOptions, askCommand } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { type Frame, orders, renderTop } from './top/screen.ts';

const refreshMs = 1000;
/** Alternate screen without cursor, and back: the terminal is as it was afterwards. */
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';

export function register(program: Command): void {
  askCommand(program, 'top', 'shows links, blocks and moves live; q ends, s sorts').action(
    async (options: AskOptions) => {
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
    },
  );
}

async function show(client: ControlClient): Promise<void> {
  const { stdin, stdout } = process;
  let order = 0;
  let frame: Frame | undefined;
  const draw = () => {
    if (!frame) return;
    const lines = renderTop(
      frame,
      orders[order % orders.length] ?? 'rate',
      stdout.columns,
      stdout.rows,
    );
    stdout.write(home + lines.map((line) => line + clearLine).join('\r\n') + clearBelow);
  };
  const ended = new AbortController();
  const onKey = (key: Buffer) => {
    const text = key.toString();
    // In raw mode Ctrl-C comes as a character.
    if (text === 'q' || text === '\u0003') ended.abort();
    if (text === 's') order++;
    draw();
  };
  stdin.setRawMode(true);
  stdin.on('data', onKey);
  stdout.on('resize', draw);
  process.once('SIGTERM', () => ended.abort());
  stdout.write(enter);
  try {
    while (!ended.signal.aborted) {
      frame = await readFrame(client);
      draw();
      await pause(refreshMs, ended.signal);
    }
  } finally {
    stdout.write(leave);
    stdin.setRawMode(false);
    stdin.off('data', onKey);
    stdin.pause();
  }
}

async function readFrame(client: ControlClient): Promise<Frame> {
  const read = async <View>(command: string): Promise<View> => {
    const answer = await client.ask(command);
    if (!answer.ok) throw new HeadgateError(answer.error.code, answer.error.message);
    // A cast: the unit's views are typed in src/control/views.ts.
    return answer.value as View;
  };
  const [status, links, blocks, plan] = await Promise.all([
    read<StatusView>('status'),
    read<readonly LinkView[]>('links'),
    read<readonly BlockView[]>('blocks'),
    read<PlanView>('plan'),
  ]);
  return { status, links, blocks, plan };
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
