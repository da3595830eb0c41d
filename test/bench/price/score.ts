/** One set-up of links, every policy on every series: the unit of work of a thread. */
import type { PricedLink } from '../../../src/core/decide/billing/bound.ts';
import { generateDemand, samplesPerWeek } from '../../../src/core/simulate/demand.ts';
import { seeded } from '../../../src/core/simulate/random.ts';
import { cheapestAim, equalAim, ownAim, runInbound } from './inbound.ts';
import {
  cascaraIdea,
  cheapestFirst,
  equalSplit,
  offline,
  paced,
  runOutbound,
  type Series,
} from './outbound.ts';

export interface Setup {
  readonly name: string;
  /** Capacities as a share of history's peak. */
  readonly links: readonly PricedLink[];
}

export interface Job {
  readonly setup: Setup;
  readonly firstSeed: number;
  readonly series: number;
}

/** Per policy the cost of each series relative to the offline optimum; of ours, what it saves against cheapest-first. */
export interface Score {
  readonly relative: Readonly<Record<string, readonly number[]>>;
  /** Share of the offline saving over cheapest-first, where there is one. */
  readonly recovered: readonly number[];
  /** Share by which it cost more than cheapest-first; negative where less. */
  readonly dearer: readonly number[];
}

export interface Scores {
  readonly outbound: Score;
  readonly inbound: Score;
}

export function scoreSetup({ setup, firstSeed, series: count }: Job): Scores {
  const outbound: Costs[] = [];
  const inbound: Costs[] = [];
  const optima: number[] = [];
  for (let i = 0; i < count; i++) {
    const series = makeSeries(firstSeed + i);
    const peak = Math.max(...series.history);
    const links = setup.links.map(({ capacity, price }) => ({ capacity: capacity * peak, price }));
    optima.push(offline(series, links));
    outbound.push({
      'equal split': runOutbound(series, links, equalSplit(links)),
      'cheapest first': runOutbound(series, links, cheapestFirst(links)),
      'Cascara idea': runOutbound(series, links, cascaraIdea(series.history, links)),
      ours: runOutbound(series, links, paced(series, links)),
    });
    inbound.push({
      'equal split': runInbound(series, links, equalAim(links)),
      'cheapest first': runInbound(series, links, cheapestAim(links)),
      ours: runInbound(series, links, ownAim(links)),
    });
  }
  return { outbound: scoreOf(outbound, optima), inbound: scoreOf(inbound, optima) };
}

interface Costs {
  readonly 'equal split': number;
  readonly 'cheapest first': number;
  readonly 'Cascara idea'?: number;
  readonly ours: number;
}

function scoreOf(costs: readonly Costs[], optima: readonly number[]): Score {
  const relative: Record<string, number[]> = {};
  const recovered: number[] = [];
  const dearer: number[] = [];
  for (const [i, all] of costs.entries()) {
    const best = optima[i] ?? Number.NaN;
    for (const [name, cost] of Object.entries(all)) {
      relative[name] ??= [];
      relative[name].push(cost / best);
    }
    const plain = all['cheapest first'];
    // Where the optimum saves less than a thousandth there is nothing to have a share of.
    if (plain - best > 0.001 * best) recovered.push((plain - all.ours) / (plain - best));
    dearer.push(all.ours / plain - 1);
  }
  return { relative, recovered, dearer };
}

function makeSeries(seed: number): Series {
  const all = generateDemand(seeded(seed), 2 * samplesPerWeek);
  return { history: all.slice(0, samplesPerWeek), scored: all.slice(samplesPerWeek), seed };
}
