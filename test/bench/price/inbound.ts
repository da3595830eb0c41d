/**
 * Inbound policies: traffic moves by announcements, so a block rests for half an hour after a change, changes at most
 * eight times a day, and a prepend moves only a part of it. Each policy says which volumes it wants by link; the same
 * hand carries that out, as far as these rails let it.
 */
import type { PricedLink } from '../../../src/core/decide/billing/bound.ts';
import { cheapestOrder, fillInOrder } from '../../../src/core/decide/billing/guard.ts';
import { chargedSample } from '../../../src/core/decide/billing/percentile.ts';
import { samplesPerDay } from '../../../src/core/simulate/demand.ts';
import { pareto, type Random, seeded } from '../../../src/core/simulate/random.ts';
import { percentile, type Series } from './outbound.ts';

const blocks = 40;
/** 5-minute samples between two changes of a block, and changes of it per day. */
const dwell = 6;
const changesPerDay = 8;
/** A full link is planned up to here: what comes in cannot be refused. */
const headroom = 0.95;

/** The volumes by link that a policy wants for the next sample. */
export interface Aim {
  wants(sample: number, demand: number): readonly number[];
  end(sample: number, volumes: readonly number[]): void;
}

interface Block {
  readonly size: number;
  /** Share of it that prepends move; the rest comes in by its home whatever is announced. */
  readonly movable: number;
  readonly home: number;
  at: number;
  changed: number;
  readonly changes: number[];
}

/** The cost of a policy over the scored half. */
export function runInbound(series: Series, links: readonly PricedLink[], aim: Aim): number {
  const border = drawBlocks(seeded(series.seed ^ 0xb10c), links.length);
  const perLink = links.map(() => new Float64Array(series.scored.length));
  // What was measured last is all that is known of the next sample.
  let expected = series.history.at(-1) ?? 0;
  for (let t = 0; t < series.scored.length; t++) {
    steer(border, links, aim.wants(t, expected), expected, t);
    const demand = series.scored[t] ?? 0;
    const volumes = carried(border, links, demand);
    for (let k = 0; k < links.length; k++) {
      const own = perLink[k];
      if (own) own[t] = volumes[k] ?? 0;
    }
    aim.end(t, volumes);
    expected = demand;
  }
  return links.reduce(
    (sum, link, k) => sum + link.price * chargedSample(perLink[k] ?? [], percentile),
    0,
  );
}

function drawBlocks(random: Random, links: number): Block[] {
  const sizes = Array.from({ length: blocks }, () => Math.min(8, pareto(random, 1.3)));
  const sum = sizes.reduce((a, b) => a + b, 0);
  return sizes.map((size) => {
    const home = Math.floor(random() * links);
    const movable = 0.6 + 0.35 * random();
    return { size: size / sum, movable, home, at: home, changed: -dwell, changes: [] };
  });
}

function carried(border: readonly Block[], links: readonly PricedLink[], demand: number): number[] {
  const volumes = links.map(() => 0);
  for (const { size, movable, home, at } of border) {
    const own = size * demand;
    volumes[at] = (volumes[at] ?? 0) + own * movable;
    volumes[home] = (volumes[home] ?? 0) + own * (1 - movable);
  }
  // What a full link cannot carry comes by the others' retries: the bill counts it where there is room.
  let rest = 0;
  for (const [k, volume] of volumes.entries()) {
    const most = links[k]?.capacity ?? 0;
    rest += Math.max(0, volume - most);
    volumes[k] = Math.min(volume, most);
  }
  for (const k of cheapestOrder(links)) {
    const more = Math.min(rest, (links[k]?.capacity ?? 0) - (volumes[k] ?? 0));
    volumes[k] = (volumes[k] ?? 0) + more;
    rest -= more;
  }
  return volumes;
}

/** Moves the blocks that bring the volumes nearest to what is wanted, the best first, as far as they may be moved. */
function steer(
  border: readonly Block[],
  links: readonly PricedLink[],
  wanted: readonly number[],
  demand: number,
  t: number,
): void {
  const volumes = carried(border, links, demand);
  const worth = demand * 0.01;
  for (;;) {
    let best = worth;
    let chosen: { block: Block; to: number; moved: number } | undefined;
    for (const block of border) {
      if (t - block.changed < dwell) continue;
      if (block.changes.filter((at) => t - at < samplesPerDay).length >= changesPerDay) continue;
      const moved = block.size * demand * block.movable;
      for (let to = 0; to < links.length; to++) {
        if (to === block.at) continue;
        const over = (volumes[block.at] ?? 0) - (wanted[block.at] ?? 0);
        const room = (wanted[to] ?? 0) - (volumes[to] ?? 0);
        const before = Math.abs(over) + Math.abs(room);
        const after = Math.abs(over - moved) + Math.abs(room - moved);
        if (before - after <= best) continue;
        if ((volumes[to] ?? 0) + moved > headroom * (links[to]?.capacity ?? 0)) continue;
        best = before - after;
        chosen = { block, to, moved };
      }
    }
    if (!chosen) return;
    const { block, to, moved } = chosen;
    volumes[block.at] = (volumes[block.at] ?? 0) - moved;
    volumes[to] = (volumes[to] ?? 0) + moved;
    block.at = to;
    block.changed = t;
    block.changes.push(t);
    if (block.changes.length > changesPerDay) block.changes.shift();
  }
}

export function equalAim(links: readonly PricedLink[]): Aim {
  return { wants: (_, demand) => links.map(() => demand / links.length), end: () => undefined };
}

/** The cheapest links first, each up to its headroom. */
export function cheapestAim(links: readonly PricedLink[]): Aim {
  const limits = links.map(({ capacity }) => headroom * capacity);
  const order = cheapestOrder(links);
  return { wants: (_, demand) => fillInOrder(order, limits, demand), end: () => undefined };
}

/**
 * Ours: what the unit does, cheapest-first. Pacing with the guard of outbound recovered nothing here on any of 450
 * series, and on one it was 0.11 % dearer: what no announcement moves off the dear links spends their free samples,
 * and a block that was moved for a burst of five minutes stays for half an hour. So no bursts are planned.
 */
export const ownAim = cheapestAim;
