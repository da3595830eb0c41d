/** `headgate simulate`: what prepends or a failure would do, asked of an AS-level Internet; needs no running unit. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { bitps, linkId } from '../core/base/units.ts';
import { decide, defaultPolicy, initialState } from '../core/decide/index.ts';
import { actions } from '../core/simulate/ask.ts';
import { drawWeather, type Outcome, runWeather } from '../core/simulate/days.ts';
import { seeded } from '../core/simulate/random.ts';
import { parseRelationships, type Topology } from '../core/simulate/topology.ts';
import { drawTraffic, Routes } from '../core/simulate/world.ts';
import { print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { playMatrices, renderMatrix } from './face/matrix.ts';
import { formatShare, formatTable } from './face/text.ts';
import {
  answerWhatIf,
  parseLadder,
  parseLinks,
  renderAnswer,
  type SimulatedLink,
  type WhatIf,
} from './face/what-if.ts';

interface Options extends WhatIf {
  readonly relationships: string;
  readonly links: string;
  readonly days?: string;
  readonly ladder?: string;
  readonly fill: string;
  readonly seed: string;
  readonly json?: boolean;
}

interface Given extends Omit<Options, 'relationships' | 'links'> {
  readonly relationships?: string;
  readonly links?: string;
  readonly matrix?: readonly string[];
  readonly prices: string;
  readonly width: string;
}

export function register(program: Command): void {
  const collect = (value: string, all: readonly string[]) => [...all, value];
  program
    .command('simulate')
    .description(
      'asks a model of the Internet what prepends, communities, more-specifics or a failure would do',
    )
    .option('--relationships <file>', 'AS relationships as CAIDA publishes them (.txt or .bz2)')
    .option('--links <name=asn,...>', 'our links and the AS number of each provider')
    .option(
      '--matrix <file...>',
      'instead: traffic matrices (SNDlib XML or CSV), one per interval, priced by the 95th percentile',
    )
    .option('--prices <price,...>', 'of the links, for --matrix', '1,1.5,2')
    .option('--width <peaks>', 'capacity of each link in peaks, for --matrix', '0.75')
    .option('--prepend <link=count>', 'prepends on a link (repeatable)', collect, [])
    .option('--community <link=action>', `what its provider is asked for: ${actions}`, collect, [])
    .option('--only <link,...>', 'a more-specific that these links alone announce')
    .option('--fail <link>', 'a link that is down (repeatable)', collect, [])
    .option('--days <n>', 'run the closed loop through so many simulated days')
    .option(
      '--ladder <rung,...>',
      'what the rungs do, for --days: actions joined by +, or more_specifics; prepends 1 to 3 unless given',
    )
    .option('--fill <percent>', 'mean load of all links, for --days', '45')
    .option('--seed <n>', 'of the drawn traffic, for --days', '1')
    .option('--json', 'one JSON value on stdout')
    .action((given: Given) => {
      if (given.matrix) {
        const prices = given.prices.split(',').map((price) => positive(price, '--prices'));
        const width = positive(given.width, '--width');
        print(given, playMatrices(given.matrix, prices, width), renderMatrix);
        return;
      }
      const { relationships, links: wanted } = given;
      if (relationships === undefined || wanted === undefined)
        throw new UseError('simulate wants --relationships and --links, or --matrix');
      const options: Options = { ...given, relationships, links: wanted };
      const topology = loadTopology(options.relationships);
      const links = parseLinks(topology, options.links);
      const answer = answerWhatIf(topology, links, options);
      const days = options.days === undefined ? undefined : runDays(topology, links, options);
      if (options.json) {
        process.stdout.write(`${JSON.stringify({ ...answer, ...(days ? { days } : {}) })}\n`);
        return;
      }
      process.stdout.write(`${renderAnswer(answer)}\n`);
      if (days) process.stdout.write(`\n${renderDays(days)}\n`);
    });
}

/** The same simulated days without control and with headgate's decisions. */
function runDays(
  topology: Topology,
  links: readonly SimulatedLink[],
  options: Options,
): { readonly days: number; readonly none: Outcome; readonly headgate: Outcome } {
  const days = positive(options.days ?? '1', '--days');
  const seed = positive(options.seed, '--seed');
  const ladder = options.ladder === undefined ? undefined : parseLadder(options.ladder, topology);
  const drawn = drawTraffic(topology, seeded(seed), {
    providers: links.map((link) => link.provider),
    links: links.map((link) => ({ link: linkId(link.name), capacity: bitps(1e9) })),
    blocks: 24,
    sources: 120,
    total: bitps((links.length * 1e9 * positive(options.fill, '--fill')) / 100),
  });
  const world = ladder ? { ...drawn, ladder } : drawn;
  const routes = new Routes(world);
  const weather = drawWeather(world, seed, days);
  const policy = { ...defaultPolicy(world.links), ...(ladder ? { rungs: ladder.length } : {}) };
  let state = initialState();
  return {
    days,
    none: runWeather(world, routes, weather, () => initialState().plan),
    headgate: runWeather(world, routes, weather, (observation) => {
      state = decide(observation, policy, state).state;
      return state.plan;
    }),
  };
}

function loadTopology(file: string): Topology {
  const parsed = parseRelationships(readText(file));
  if (parsed.ok) return parsed.value;
  const { code, line } = parsed.error;
  throw new UseError(`${file}:${line}: ${code}; expected lines such as 3356|65001|-1`);
}

function readText(file: string): string {
  try {
    if (!file.endsWith('.bz2')) return readFileSync(file, 'utf8');
    return execFileSync('bzip2', ['-dc', '--', file], { encoding: 'utf8', maxBuffer: 2 ** 30 });
  } catch (cause) {
    throw new HeadgateError(
      'relationships_unreadable',
      `cannot read ${file}; is it there, and bzip2 installed?`,
      { cause },
    );
  }
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UseError(`${option}: expected a number above 0, found "${text}"`);
  return value;
}

function renderDays(days: { readonly none: Outcome; readonly headgate: Outcome }): string {
  return formatTable(
    [
      { head: 'control', cell: ([name]) => name },
      { head: 'time above 95 %', cell: ([, o]) => formatShare(o.overload), align: 'right' },
      { head: 'traffic lost', cell: ([, o]) => formatShare(o.lostShare, 2), align: 'right' },
      {
        head: 'moves per block and day',
        cell: ([, o]) => o.movesPerBlockDay.toFixed(1),
        align: 'right',
      },
    ],
    [['none', days.none] as const, ['headgate', days.headgate] as const],
  );
}
