/** `headgate simulate`: what prepends or a failure would do, asked of an AS-level Internet; needs no running unit. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { bitps, linkId } from '../core/base/units.ts';
import { decide, defaultPolicy, initialState } from '../core/decide/index.ts';
import { drawWeather, type Outcome, runWeather } from '../core/simulate/days.ts';
import { propagate } from '../core/simulate/propagate.ts';
import { seeded } from '../core/simulate/random.ts';
import { degree, indexOfAs, parseRelationships, type Topology } from '../core/simulate/topology.ts';
import { drawTraffic, Routes } from '../core/simulate/world.ts';
import { print } from './face/ask.ts';
import { UseError } from './face/exit.ts';
import { playMatrices, renderMatrix } from './face/matrix.ts';
import { formatShare, formatTable } from './face/text.ts';

interface Options {
  readonly relationships: string;
  readonly links: string;
  readonly prepend: readonly string[];
  readonly fail: readonly string[];
  readonly days?: string;
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

interface SimulatedLink {
  readonly name: string;
  readonly asn: number;
  readonly provider: number;
}

interface LinkShare {
  readonly link: string;
  readonly asn: number;
  /** Share of all networks that reach us by this link. */
  readonly before: number;
  readonly after: number;
  /** The same, each network weighted by the square root of its customers: a stand-in for its traffic. */
  readonly weighted_before: number;
  readonly weighted_after: number;
}

export function register(program: Command): void {
  const collect = (value: string, all: readonly string[]) => [...all, value];
  program
    .command('simulate')
    .description('asks a model of the Internet what prepends or a failure would do')
    .option('--relationships <file>', 'AS relationships as CAIDA publishes them (.txt or .bz2)')
    .option('--links <name=asn,...>', 'our links and the AS number of each provider')
    .option(
      '--matrix <file...>',
      'instead: traffic matrices (SNDlib XML or CSV), one per interval, priced by the 95th percentile',
    )
    .option('--prices <price,...>', 'of the links, for --matrix', '1,1.5,2')
    .option('--width <peaks>', 'capacity of each link in peaks, for --matrix', '0.75')
    .option('--prepend <link=count>', 'prepends on a link (repeatable)', collect, [])
    .option('--fail <link>', 'a link that is down (repeatable)', collect, [])
    .option('--days <n>', 'run the closed loop through so many simulated days')
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
      const shares = compare(topology, links, options);
      const days = options.days === undefined ? undefined : runDays(topology, links, options);
      if (options.json) {
        process.stdout.write(`${JSON.stringify({ links: shares, ...(days ? { days } : {}) })}\n`);
        return;
      }
      process.stdout.write(`${renderShares(shares)}\n`);
      if (days) process.stdout.write(`\n${renderDays(days)}\n`);
    });
}

function compare(
  topology: Topology,
  links: readonly SimulatedLink[],
  options: Options,
): LinkShare[] {
  const prepends = new Map(options.prepend.map((text) => parsePrepend(text, links)));
  const failed = new Set(options.fail.map((name) => known(name, links)));
  const up = links.filter((link) => !failed.has(link.name));
  if (up.length === 0) throw new UseError('all links fail: nothing is left to simulate');
  const before = sharesOf(
    topology,
    links,
    links.map(() => 0),
  );
  const after = sharesOf(
    topology,
    up,
    up.map((link) => prepends.get(link.name) ?? 0),
  );
  return links.map((link) => ({
    link: link.name,
    asn: link.asn,
    before: before.get(link.name)?.plain ?? 0,
    after: after.get(link.name)?.plain ?? 0,
    weighted_before: before.get(link.name)?.weighted ?? 0,
    weighted_after: after.get(link.name)?.weighted ?? 0,
  }));
}

function sharesOf(
  topology: Topology,
  links: readonly SimulatedLink[],
  prepends: readonly number[],
): Map<string, { plain: number; weighted: number }> {
  const entries = links.map(({ provider }, i) => ({ provider, prepends: prepends[i] ?? 0 }));
  const { link } = propagate(topology, entries);
  const plain = links.map(() => 0);
  const weighted = links.map(() => 0);
  for (let as = 0; as < link.length; as++) {
    const i = link[as] ?? -1;
    if (i < 0) continue;
    plain[i] = (plain[i] ?? 0) + 1;
    weighted[i] = (weighted[i] ?? 0) + Math.sqrt(1 + degree(topology.customers, as));
  }
  const sum = (values: readonly number[]) =>
    Math.max(
      1,
      values.reduce((a, b) => a + b, 0),
    );
  return new Map(
    links.map(({ name }, i) => [
      name,
      { plain: (plain[i] ?? 0) / sum(plain), weighted: (weighted[i] ?? 0) / sum(weighted) },
    ]),
  );
}

/** The same simulated days without control and with headgate's decisions. */
function runDays(
  topology: Topology,
  links: readonly SimulatedLink[],
  options: Options,
): { readonly days: number; readonly none: Outcome; readonly headgate: Outcome } {
  const days = positive(options.days ?? '1', '--days');
  const seed = positive(options.seed, '--seed');
  const world = drawTraffic(topology, seeded(seed), {
    providers: links.map((link) => link.provider),
    links: links.map((link) => ({ link: linkId(link.name), capacity: bitps(1e9) })),
    blocks: 24,
    sources: 120,
    total: bitps((links.length * 1e9 * positive(options.fill, '--fill')) / 100),
  });
  const routes = new Routes(world);
  const weather = drawWeather(world, seed, days);
  const policy = defaultPolicy(world.links);
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

function parseLinks(topology: Topology, text: string): SimulatedLink[] {
  return text.split(',').map((part) => {
    const match = /^([\w.-]+)=(\d+)$/.exec(part.trim());
    if (!match) throw new UseError(`--links: expected name=asn, found "${part}"`);
    const asn = Number(match[2]);
    const provider = indexOfAs(topology, asn);
    if (provider < 0) throw new UseError(`--links: AS${asn} is not in the relationships`);
    return { name: match[1] ?? '', asn, provider };
  });
}

function parsePrepend(text: string, links: readonly SimulatedLink[]): [string, number] {
  const [name, count] = text.split('=');
  const value = Number(count);
  if (!Number.isInteger(value) || value < 0 || value > 20)
    throw new UseError(`--prepend: expected link=count (0 to 20), found "${text}"`);
  return [known(name ?? '', links), value];
}

function known(name: string, links: readonly SimulatedLink[]): string {
  if (links.some((link) => link.name === name)) return name;
  throw new UseError(`no link "${name}"; links are ${links.map((link) => link.name).join(', ')}`);
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UseError(`${option}: expected a number above 0, found "${text}"`);
  return value;
}

function renderShares(shares: readonly LinkShare[]): string {
  return formatTable(
    [
      { head: 'link', cell: (line) => line.link },
      { head: 'provider', cell: (line) => `AS${line.asn}` },
      { head: 'networks', cell: (line) => formatShare(line.before), align: 'right' },
      { head: 'then', cell: (line) => formatShare(line.after), align: 'right' },
      { head: 'by size', cell: (line) => formatShare(line.weighted_before), align: 'right' },
      { head: 'then', cell: (line) => formatShare(line.weighted_after), align: 'right' },
    ],
    shares,
  );
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
