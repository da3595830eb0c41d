/** `headgate replay-decisions FROM TO`: recorded days decided again, under the same or another policy. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { Replay, type Replayed, type ReplayedSide } from '../core/decide/replay.ts';
import { policyOf } from '../daemon/configure.ts';
import { moveView } from '../daemon/face/views.ts';
import { type CycleInput, History } from '../history/index.ts';
import { print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { defaultSettingsFile, requireSettings } from './face/settings-file.ts';
import { formatRate, formatShare, formatTable } from './face/text.ts';
import { timeOf } from './face/time.ts';
import { renderMoves } from './plan.ts';

interface Options {
  readonly policy?: string;
  readonly config: string;
  readonly history?: string;
  readonly record?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('replay-decisions')
    .argument('<from>', 'such as 2026-03-01T00:00:00Z')
    .argument('<to>', 'such as 2026-03-08T00:00:00Z')
    .description('decides recorded days again: what would have happened, what it would have cost')
    .option('--policy <file>', 'settings whose objective, rails and prices are used instead')
    .option(
      '-c, --config <file>',
      'settings of the unit, for the place of its history',
      defaultSettingsFile,
    )
    .option('--history <file>', 'a history file, instead of the one that settings name')
    .option('--record <file>', 'a file that `record` of the settings wrote, instead of a history')
    .option('--json', 'one JSON value on stdout, nothing else')
    .action(async (from: string, to: string, options: Options) => {
      const span = { from: timeOf(from), to: timeOf(to) };
      if (span.to < span.from) throw new UseError('the first time must be the earlier one');
      const policy =
        options.policy === undefined ? undefined : policyOf(requireSettings(options.policy));
      const replay = new Replay(policy);
      let cycles = 0;
      for await (const input of recorded(options, span)) {
        replay.step(input);
        cycles++;
      }
      if (cycles === 0)
        throw new HeadgateError('nothing_recorded', 'no decision of that time was kept');
      print(options, viewOf(replay.outcome()), renderReplayed);
    });
}

type Span = { readonly from: number; readonly to: number };

async function* recorded(options: Options, span: Span): AsyncGenerator<CycleInput> {
  if (options.record !== undefined) {
    yield* recordedLines(options.record, span);
    return;
  }
  const path = options.history ?? requireSettings(options.config).history.path;
  const history = History.read(path);
  try {
    yield* history.cycles(span);
  } finally {
    history.close();
  }
}

/** Lines of the recorder; one that was cut off at the end of the file is passed over. */
async function* recordedLines(path: string, { from, to }: Span): AsyncGenerator<CycleInput> {
  const stream = createReadStream(path, { encoding: 'utf8' });
  try {
    for await (const line of createInterface({ input: stream })) {
      const input = parseLine(line);
      if (input && input.observation.at >= from && input.observation.at <= to) yield input;
    }
  } catch (cause) {
    throw new HeadgateError('record_unreadable', `cannot read ${path}`, { cause });
  }
}

function parseLine(line: string): CycleInput | undefined {
  try {
    // A cast: the recorder wrote it.
    return JSON.parse(line) as CycleInput;
  } catch {
    return undefined;
  }
}

function viewOf({ cycles, alike, recorded: was, replayed, moves }: Replayed) {
  return {
    cycles,
    cycles_alike: alike,
    recorded: sideView(was),
    replayed: sideView(replayed),
    moves: moves.map(moveView),
  };
}

const sideView = ({ moves, overload, costPerMonth, links }: ReplayedSide) => ({
  moves,
  overload_share: overload,
  cost_per_month: costPerMonth,
  links: links.map((link) => ({
    link: link.link,
    p95_bitps: Math.round(link.p95Bitps),
    max_bitps: Math.round(link.maxBitps),
    overload_share: link.overload,
  })),
});

export function renderReplayed(view: ReturnType<typeof viewOf>): string {
  const sides = [
    { name: 'as it was', ...view.recorded },
    { name: 'decided again', ...view.replayed },
  ];
  const totals = formatTable(
    [
      { head: '', cell: (side) => side.name },
      { head: 'moves', cell: (side) => String(side.moves), align: 'right' },
      {
        head: 'a link above 95 %',
        cell: (side) => formatShare(side.overload_share),
        align: 'right',
      },
      { head: 'per month', cell: (side) => side.cost_per_month.toFixed(2), align: 'right' },
    ],
    sides,
  );
  const links = formatTable(
    [
      { head: 'link', cell: (row) => row.link },
      { head: '', cell: (row) => row.side },
      { head: '95th', cell: (row) => formatRate(row.p95_bitps), align: 'right' },
      { head: 'highest', cell: (row) => formatRate(row.max_bitps), align: 'right' },
      { head: 'above 95 %', cell: (row) => formatShare(row.overload_share), align: 'right' },
    ],
    sides.flatMap((side) => side.links.map((link) => ({ ...link, side: side.name }))),
  );
  const first = view.moves.slice(0, 20);
  return [
    `${view.cycles} decisions; in ${view.cycles_alike} of them both plans were the same`,
    totals,
    links,
    ...(first.length > 0
      ? [`moves that would have been made, the first ${first.length}\n${renderMoves(first)}`]
      : []),
  ].join('\n\n');
}
