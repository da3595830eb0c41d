/**
 * Least-cost assignment of demands to few places of limited capacity: the transportation problem, exactly,
 * by successive shortest paths over the places (a demand that finds its best place full may push another on).
 */
export interface Transport {
  /** `flow[demand][place]`, sums to the demand. */
  readonly flow: readonly Float64Array[];
  /** Demand that no capacity was left for; it is in `flow` at its cheapest place. */
  readonly overflow: number;
}

/**
 * `cost[demand][place]` is per unit, Infinity where the place is out of question; a demand with no finite
 * cost stays out of `flow`. O(D * P^2) per push, and pushes only happen where a place is full.
 */
export function assignTransport(
  demands: readonly number[],
  cost: ReadonlyArray<readonly number[]>,
  capacity: readonly number[],
): Transport {
  const places = capacity.length;
  const free = Float64Array.from(capacity, (value) => Math.max(0, value));
  const flow = demands.map(() => new Float64Array(places));
  let overflow = 0;
  for (const [demand, amount] of demands.entries()) {
    const own = cost[demand] ?? [];
    let left = amount;
    while (left > epsilon) {
      const path = cheapestPath(own, cost, flow, free);
      if (!path) break;
      left -= push(path, demand, left, flow, free);
    }
    const cheapest = indexOfLeast(own);
    if (left > epsilon && cheapest >= 0) {
      overflow += left;
      add(flow[demand], cheapest, left);
    }
  }
  return { flow, overflow };
}

/** Of a unit of traffic, far below any rate that matters. */
const epsilon = 1e-6;

interface Path {
  /** Where the new demand goes, then where each one that is pushed goes. */
  readonly places: readonly number[];
  /** Who is pushed from `places[i]` to `places[i + 1]`. */
  readonly pushed: readonly number[];
}

function cheapestPath(
  own: readonly number[],
  cost: ReadonlyArray<readonly number[]>,
  flow: readonly Float64Array[],
  free: Float64Array,
): Path | undefined {
  const best = indexOfLeast(own);
  if (best < 0) return undefined;
  // With room at the best place no detour is cheaper: what is assigned so far cannot be improved.
  if ((free[best] ?? 0) > epsilon) return { places: [best], pushed: [] };
  const places = free.length;
  const distance = Float64Array.from({ length: places }, (_, i) => own[i] ?? Infinity);
  const from = new Int32Array(places).fill(-1);
  const mover = new Int32Array(places).fill(-1);
  const moves = cheapestMoves(cost, flow, places);
  // Bellman and Ford: moves may gain, cycles cannot.
  for (let round = 1; round < places; round++) {
    for (const { source, target, delta, demand } of moves) {
      const through = (distance[source] ?? Infinity) + delta;
      if (through < (distance[target] ?? Infinity) - 1e-12) {
        distance[target] = through;
        from[target] = source;
        mover[target] = demand;
      }
    }
  }
  let end = -1;
  for (let place = 0; place < places; place++) {
    const isOpen = (free[place] ?? 0) > epsilon && (distance[place] ?? Infinity) < Infinity;
    if (isOpen && (end < 0 || (distance[place] ?? 0) < (distance[end] ?? 0))) end = place;
  }
  if (end < 0) return undefined;
  const chain = [end];
  const pushed: number[] = [];
  for (let at = end; (from[at] ?? -1) >= 0 && chain.length <= places; at = from[at] ?? -1) {
    chain.unshift(from[at] ?? 0);
    pushed.unshift(mover[at] ?? 0);
  }
  return { places: chain, pushed };
}

/** For each pair of places the one whose move between them costs least. */
function cheapestMoves(
  cost: ReadonlyArray<readonly number[]>,
  flow: readonly Float64Array[],
  places: number,
) {
  const moves: { source: number; target: number; delta: number; demand: number }[] = [];
  for (let source = 0; source < places; source++) {
    const best = Array.from({ length: places }, () => ({ delta: Infinity, demand: -1 }));
    for (const [demand, row] of flow.entries()) {
      if ((row[source] ?? 0) <= epsilon) continue;
      const here = cost[demand]?.[source] ?? Infinity;
      for (const [target, entry] of best.entries()) {
        const delta = (cost[demand]?.[target] ?? Infinity) - here;
        if (target !== source && delta < entry.delta) Object.assign(entry, { delta, demand });
      }
    }
    for (const [target, { delta, demand }] of best.entries())
      if (demand >= 0) moves.push({ source, target, delta, demand });
  }
  return moves;
}

function push(
  { places, pushed }: Path,
  demand: number,
  left: number,
  flow: readonly Float64Array[],
  free: Float64Array,
): number {
  const end = places.at(-1) ?? 0;
  let amount = Math.min(left, free[end] ?? 0);
  for (const [i, mover] of pushed.entries())
    amount = Math.min(amount, flow[mover]?.[places[i] ?? 0] ?? 0);
  add(flow[demand], places[0] ?? 0, amount);
  for (const [i, mover] of pushed.entries()) {
    add(flow[mover], places[i] ?? 0, -amount);
    add(flow[mover], places[i + 1] ?? 0, amount);
  }
  free[end] = (free[end] ?? 0) - amount;
  return amount;
}

function add(row: Float64Array | undefined, place: number, amount: number): void {
  if (row) row[place] = (row[place] ?? 0) + amount;
}

/** -1 where none is finite. */
function indexOfLeast(values: readonly number[]): number {
  let best = -1;
  for (const [i, value] of values.entries())
    if (value < Infinity && (best < 0 || value < (values[best] ?? Infinity))) best = i;
  return best;
}
