import { err, ok, type Result } from '../base/result.ts';

/** Neighbours by AS: those of index `i` are `list[start[i]]` to `list[start[i + 1] - 1]`, ascending. */
export interface Neighbours {
  readonly start: Int32Array;
  readonly list: Int32Array;
}

/** An Internet of autonomous systems and their business relationships. Indices ascend with AS numbers. */
export interface Topology {
  readonly asns: Uint32Array;
  readonly providers: Neighbours;
  readonly customers: Neighbours;
  readonly peers: Neighbours;
}

export interface TopologyError {
  readonly code: 'bad_relationship' | 'empty';
  /** 1 is the first. */
  readonly line: number;
}

/**
 * Reads relationships as CAIDA writes them: `provider|customer|-1` and `peer|peer|0`, `#` begins a comment,
 * further columns are ignored.
 */
export function parseRelationships(text: string): Result<Topology, TopologyError> {
  const from: number[] = [];
  const to: number[] = [];
  const kind: number[] = [];
  let line = 0;
  for (const row of text.split('\n')) {
    line++;
    if (row === '' || row.startsWith('#')) continue;
    const [a, b, relation] = row.split('|');
    const first = Number(a);
    const second = Number(b);
    const isRelation = relation === '-1' || relation === '0';
    if (!isRelation || !isAsn(first) || !isAsn(second))
      return err({ code: 'bad_relationship', line });
    from.push(first);
    to.push(second);
    kind.push(Number(relation));
  }
  if (from.length === 0) return err({ code: 'empty', line });
  return ok(buildTopology(from, to, kind));
}

/** Index of an AS, or -1. */
export function indexOfAs(topology: Topology, asn: number): number {
  let low = 0;
  let high = topology.asns.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const here = topology.asns[middle] ?? 0;
    if (here === asn) return middle;
    if (here < asn) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

export const degree = ({ start }: Neighbours, index: number): number =>
  (start[index + 1] ?? 0) - (start[index] ?? 0);

const isAsn = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < 2 ** 32;

function buildTopology(
  from: readonly number[],
  to: readonly number[],
  kind: readonly number[],
): Topology {
  const asns = Uint32Array.from(new Set([...from, ...to])).sort();
  const index = new Map<number, number>();
  for (const [i, asn] of asns.entries()) index.set(asn, i);
  const pairs = { providers: [] as number[], customers: [] as number[], peers: [] as number[] };
  for (let i = 0; i < from.length; i++) {
    const a = index.get(from[i] ?? 0) ?? 0;
    const b = index.get(to[i] ?? 0) ?? 0;
    if (kind[i] === 0) {
      pairs.peers.push(a, b, b, a);
    } else {
      pairs.customers.push(a, b);
      pairs.providers.push(b, a);
    }
  }
  const count = asns.length;
  return {
    asns,
    providers: neighbours(count, pairs.providers),
    customers: neighbours(count, pairs.customers),
    peers: neighbours(count, pairs.peers),
  };
}

/** From (of, neighbour) pairs, laid flat. */
function neighbours(count: number, pairs: readonly number[]): Neighbours {
  const start = new Int32Array(count + 1);
  for (let i = 0; i < pairs.length; i += 2) {
    const at = (pairs[i] ?? 0) + 1;
    start[at] = (start[at] ?? 0) + 1;
  }
  for (let i = 0; i < count; i++) start[i + 1] = (start[i + 1] ?? 0) + (start[i] ?? 0);
  const next = start.slice();
  const list = new Int32Array(pairs.length / 2);
  for (let i = 0; i < pairs.length; i += 2) {
    const of = pairs[i] ?? 0;
    list[next[of] ?? 0] = pairs[i + 1] ?? 0;
    next[of] = (next[of] ?? 0) + 1;
  }
  for (let i = 0; i < count; i++) list.subarray(start[i], start[i + 1]).sort();
  return { start, list };
}
