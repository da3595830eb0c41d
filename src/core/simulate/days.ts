/** Runs one controller through simulated days: demand that shifts and surges, links that degrade and fail. */
import { bitps, ms } from '../base/units.ts';
import type { Observation } from '../model/observation.ts';
import type { Plan } from '../model/plan.ts';
import { observe } from './border.ts';
import { generateDemand, samplesPerDay } from './demand.ts';
import { seeded } from './random.ts';
import { offeredRates, type Routes, type World } from './world.ts';

/** Decides after each step what the next one's plan is. */
export type Controller = (observation: Observation) => Plan;

const stepMs = 300_000;

export interface Outcome {
  /** Share of the steps with a link offered more than 95 % of its capacity. */
  readonly overload: number;
  /** Offered and not carried, of all that was offered. */
  readonly lostShare: number;
  readonly movesPerBlockDay: number;
  /** Most moves of one block in a row that each went back to where the one before came from. */
  readonly longestOscillation: number;
  /** Mean bit/s by link and step as carried: what a provider would bill. */
  readonly carried: readonly Float64Array[];
}

export interface Weather {
  /** Factor of a block's mean demand at a step. */
  readonly demand: readonly Float64Array[];
  /** Live share of a link's capacity at a step; 0 is down. */
  readonly capacity: readonly Float64Array[];
}

/** Rhythm per block, surges of a few blocks, and per link now and then hours at half capacity or an hour of failure. */
export function drawWeather(world: World, seed: number, days: number): Weather {
  const steps = days * samplesPerDay;
  const random = seeded(seed);
  const demand = world.blocks.map(() => generateDemand(random, steps, 1));
  for (const series of demand) {
    if (random() > 0.15) continue;
    const from = Math.floor(random() * steps);
    const to = from + 12 + Math.floor(random() * 60);
    const factor = 1.5 + 1.5 * random();
    for (let t = from; t < Math.min(to, steps); t++) series[t] = (series[t] ?? 0) * factor;
  }
  const capacity = world.links.map(() => new Float64Array(steps).fill(1));
  for (const series of capacity) {
    for (const [chance, value, length] of [
      [0.3, 0.6, 36],
      [0.15, 0, 12],
    ] as const) {
      if (random() > chance) continue;
      const from = Math.floor(random() * steps);
      series.fill(value, from, Math.min(steps, from + length));
    }
  }
  return { demand, capacity };
}

export function runWeather(
  world: World,
  routes: Routes,
  weather: Weather,
  controller: Controller,
): Outcome {
  const steps = weather.capacity[0]?.length ?? 0;
  let plan: Plan = { generation: 0, at: ms(0), blocks: [] };
  let overloaded = 0;
  let lost = 0;
  let offeredSum = 0;
  let moves = 0;
  let longest = 0;
  const carried = world.links.map(() => new Float64Array(steps));
  const last = new Map<string, { from: string; to: string; run: number }>();
  for (let t = 0; t < steps; t++) {
    const share = weather.capacity.map((series) => series[t] ?? 1);
    const isUp = share.map((value) => value > 0);
    const rates = offeredRates(world, routes, plan, isUp, (b) => weather.demand[b]?.[t] ?? 1);
    const live = world.links.map((link, i) => ({
      link: link.link,
      capacity: bitps(link.capacity * Math.max(share[i] ?? 1, 0.001)),
      isUp: isUp[i] ?? true,
    }));
    const seen = observe(live, rates, ms(1.8e12 + t * stepMs), ms(stepMs));
    const isOver = live.some(
      ({ link, capacity, isUp }) => isUp && (seen.offered[link] ?? 0) > 0.95 * capacity,
    );
    if (isOver) overloaded++;
    lost += seen.lost;
    for (const [i, { link, capacity }] of live.entries()) {
      const offered = seen.offered[link] ?? 0;
      offeredSum += offered;
      carried[i]?.fill(Math.min(offered, capacity), t, t + 1);
    }
    const next = controller(seen.observation);
    const before = new Map(plan.blocks.map((entry) => [entry.block as string, entry]));
    for (const entry of next.blocks) {
      const old = before.get(entry.block);
      const from = old?.link ?? 'unbiased';
      const to = entry.link ?? 'unbiased';
      if (from === to && (old?.rung ?? 0) === entry.rung) continue;
      moves++;
      if (from === to) continue;
      const previous = last.get(entry.block);
      const run = previous && previous.from === to && previous.to === from ? previous.run + 1 : 1;
      last.set(entry.block, { from, to, run });
      longest = Math.max(longest, run);
    }
    plan = next;
  }
  return {
    overload: overloaded / steps,
    lostShare: offeredSum > 0 ? lost / offeredSum : 0,
    movesPerBlockDay: moves / world.blocks.length / (steps / samplesPerDay),
    longestOscillation: longest,
    carried,
  };
}
