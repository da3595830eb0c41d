import { indexOfAs, type Neighbours, type Topology } from './topology.ts';

const none = -1;

/**
 * By AS: steps of the shortest valley-free path (Gao, 2001: up to providers, at most one step across to a peer, down to
 * customers) between it and the AS of number `asn`; -1 where there is none. The same in both directions, since such a
 * path read backwards is one too. All -1 where `asn` is not known.
 */
export function valleyFreeHops(topology: Topology, asn: number): Int16Array {
  const count = topology.asns.length;
  const climbing = new Int16Array(count).fill(none);
  const falling = new Int16Array(count).fill(none);
  const start = indexOfAs(topology, asn);
  if (start < 0) return climbing;
  climbing[start] = 0;
  // Each level in turn: who still may climb, and who only may go down.
  let up = [start];
  let down: number[] = [];
  for (let hops = 1; up.length + down.length > 0; hops++) {
    const nextUp: number[] = [];
    const nextDown: number[] = [];
    const fall = (neighbours: Neighbours, as: number) =>
      eachOf(neighbours, as, (next) => {
        if (climbing[next] !== none || falling[next] !== none) return;
        falling[next] = hops;
        nextDown.push(next);
      });
    for (const as of up) {
      eachOf(topology.providers, as, (next) => {
        if (climbing[next] !== none) return;
        climbing[next] = hops;
        nextUp.push(next);
      });
    }
    for (const as of up) {
      fall(topology.peers, as);
      fall(topology.customers, as);
    }
    for (const as of down) fall(topology.customers, as);
    up = nextUp;
    down = nextDown;
  }
  return climbing.map((hops, as) => {
    const other = falling[as] ?? none;
    if (hops === none || other === none) return Math.max(hops, other);
    return Math.min(hops, other);
  });
}

function eachOf({ start, list }: Neighbours, index: number, call: (next: number) => void): void {
  for (let i = start[index] ?? 0; i < (start[index + 1] ?? 0); i++) call(list[i] ?? 0);
}
