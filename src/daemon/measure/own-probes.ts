/** The traffic of our own probes on the wires: nobody's, and the witness of the ways that answers take. Pure. */
import { type Address, formatAddress, formatPrefix, prefixOf } from '../../core/base/prefix.ts';
import { type LinkId, type PrefixText, prefixText } from '../../core/base/units.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { EngineSnapshot, TrafficCount } from '../../engine/index.ts';

/**
 * The addresses that probes leave with, as blocks for the engine to count: what comes in for them then has a link, and
 * no block of ours counts it. One that is a block itself by settings stays that.
 */
export function probeAddresses({ links, blocks }: Settings): readonly PrefixText[] {
  const taken = new Set<string>(blocks.map(({ prefix }) => prefix));
  const addresses = links.flatMap(({ source = [] }) =>
    source.map((text) => formatPrefix(prefixOf(prefixText(text)))),
  );
  return [...new Set(addresses)].filter((address) => !taken.has(address));
}

/** The counters without what went and came under `addresses`. */
export function withoutProbes(
  snapshot: EngineSnapshot,
  addresses: ReadonlySet<PrefixText>,
): EngineSnapshot {
  const own = snapshot.blocks.filter(({ block }) => addresses.has(block));
  if (own.length === 0) return snapshot;
  const rest = (link: EngineSnapshot['links'][number], direction: 'inbound' | 'outbound') =>
    own
      .filter((count) => count.link === link.link && count.direction === direction)
      .reduce<TrafficCount>(
        (left, { packets, ipBytes, l2Bytes }) => ({
          packets: left.packets - packets,
          ipBytes: left.ipBytes - ipBytes,
          l2Bytes: left.l2Bytes - l2Bytes,
        }),
        link[direction],
      );
  return {
    ...snapshot,
    blocks: snapshot.blocks.filter(({ block }) => !addresses.has(block)),
    links: snapshot.links.map((link) => ({
      ...link,
      inbound: rest(link, 'inbound'),
      outbound: rest(link, 'outbound'),
    })),
  };
}

/** Packets that came in for an address of ours so far, by link. */
export function arrivalsOn(
  snapshot: EngineSnapshot,
  address: Address,
): ReadonlyMap<LinkId, number> {
  const block = `${formatAddress(address.bytes)}/${address.bytes.length * 8}`;
  return new Map(
    snapshot.blocks.flatMap((count) =>
      count.block === block && count.direction === 'inbound' && count.link !== undefined
        ? [[count.link, count.packets] as const]
        : [],
    ),
  );
}
