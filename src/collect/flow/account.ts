import type { Family, Prefix } from '../../core/base/prefix.ts';
import { formatAddress, formatPrefix } from '../../core/base/prefix.ts';
import { PrefixRanges } from '../../core/base/ranges.ts';
import { type LinkId, type PrefixText, prefixText } from '../../core/base/units.ts';
import type { Direction } from '../../core/model/link.ts';
import type { FlowRecord } from '../../core/wire/flow/index.ts';
import { CounterTable, type Volume } from './counter-table.ts';
import type { ExporterView } from './exporter-view.ts';

/** Why a record was left out of the counts. */
export const accountSkips = [
  'internal',
  'foreign',
  'unknown_link',
  'metered_twice',
  'too_old',
  'destination_table_full',
  'own_probe',
] as const;
export type AccountSkip = (typeof accountSkips)[number];

/** Maps an address to a foreign prefix of the routing table, as `PrefixRanges` does. */
export interface RouteTable {
  match(family: Family, bytes: Uint8Array, at: number): number;
  prefix(index: number): PrefixText;
}

export interface AccountPolicy {
  readonly links: readonly LinkId[];
  readonly blocks: readonly Prefix[];
  /** Addresses that our own probes leave with: their traffic counts for nobody, their arrivals are told apart. */
  readonly watched?: readonly Prefix[];
  /** All our own address space: tells inbound from outbound. */
  readonly networks: readonly Prefix[];
  /** How foreign prefixes are cut where no route is known. */
  readonly destinationLength: { readonly ipv4: number; readonly ipv6: number };
  /** At most this many (foreign prefix, link, direction) in one interval. */
  readonly destinationsMax: number;
  /** A record whose last packet is older than this says nothing of now. */
  readonly recordAgeMsMax: number;
}

export interface BlockVolume extends Volume {
  readonly block: PrefixText;
  readonly link: LinkId;
  readonly direction: Direction;
}
/** Outbound: a destination of ours. Inbound: where traffic comes from. */
export interface ForeignVolume extends Volume {
  readonly prefix: PrefixText;
  readonly link: LinkId;
  readonly direction: Direction;
  /** Addresses of some hosts seen there, 4 or 16 bytes: candidates for probes. */
  readonly hosts: readonly Uint8Array[];
}
export interface LinkVolume extends Volume {
  readonly link: LinkId;
  readonly direction: Direction;
}

/** Packets that came in for a watched address. */
export interface Arrivals {
  readonly address: PrefixText;
  readonly link: LinkId;
  readonly packets: number;
}

export interface Volumes {
  readonly arrivals: readonly Arrivals[];
  readonly blocks: readonly BlockVolume[];
  readonly foreign: readonly ForeignVolume[];
  readonly links: readonly LinkVolume[];
}

const directions = ['inbound', 'outbound'] as const;
const hostsMax = 4;

/** Adds records up by block, foreign prefix and link. Pure: no socket, no clock. */
export class FlowAccount {
  readonly skipped: Record<AccountSkip, number> = {
    internal: 0,
    foreign: 0,
    unknown_link: 0,
    metered_twice: 0,
    too_old: 0,
    destination_table_full: 0,
    own_probe: 0,
  };
  readonly #policy: AccountPolicy;
  /** Blocks come first, watched addresses next: what matches behind them is our own and counted for its link alone. */
  readonly #own: PrefixRanges;
  readonly #byBlock = new CounterTable();
  readonly #byForeign: CounterTable;
  readonly #byLink = new CounterTable();
  readonly #hosts = new Map<number, Uint8Array[]>();
  /** Packets by watched address and link. */
  readonly #arrivals = new Map<number, number>();
  #routes: RouteTable | undefined;

  constructor(policy: AccountPolicy) {
    this.#policy = policy;
    // Of equal prefixes the last counts, and that must be the block.
    const blocks = new Set(policy.blocks.map(formatPrefix));
    const others = policy.networks.filter((network) => !blocks.has(formatPrefix(network)));
    this.#own = new PrefixRanges([...policy.blocks, ...(policy.watched ?? []), ...others]);
    this.#byForeign = new CounterTable(policy.destinationsMax);
  }

  /** From the next interval on; `undefined` cuts by length alone. */
  setRoutes(routes: RouteTable | undefined): void {
    this.#routes = routes;
    // Keys of the old table mean other prefixes in the new one.
    this.#byForeign.clear();
    this.#hosts.clear();
  }

  add(record: FlowRecord, exporter: ExporterView, nowMs: number): void {
    const { family, bytes, sourceAt, destinationAt } = record;
    if (family === 0) return;
    const from = this.#own.match(family, bytes, sourceAt);
    const to = this.#own.match(family, bytes, destinationAt);
    if (this.#isWatched(from) || this.#isWatched(to)) {
      this.skipped.own_probe++;
      if (this.#isWatched(to)) this.#noteArrival(record, exporter, to);
      return;
    }
    const isFromUs = from >= 0;
    const isToUs = to >= 0;
    if (isFromUs === isToUs) {
      this.skipped[isToUs ? 'internal' : 'foreign']++;
      return;
    }
    if (record.lastMs > 0 && nowMs - record.lastMs > this.#policy.recordAgeMsMax) {
      this.skipped.too_old++;
      return;
    }
    if (!exporter.counts(record)) {
      this.skipped.metered_twice++;
      return;
    }
    const link = isToUs ? exporter.inboundLink(record) : exporter.outboundLink(record);
    if (link < 0) {
      this.skipped.unknown_link++;
      return;
    }
    const scale = exporter.scale(record);
    const side = link * 2 + (isToUs ? 0 : 1);
    const ipBytes = exporter.ipBytes(record);
    const l2Bytes = exporter.l2Bytes(record);
    const { packets } = record;
    this.#byLink.add(side, ipBytes, l2Bytes, packets, scale);
    const sides = this.#policy.links.length * 2;
    const block = isToUs ? to : from;
    if (block < this.#policy.blocks.length)
      this.#byBlock.add(block * sides + side, ipBytes, l2Bytes, packets, scale);
    const foreignAt = isToUs ? sourceAt : destinationAt;
    const key = this.#foreignKey(family, bytes, foreignAt) * sides + side;
    const seen = this.#byForeign.add(key, ipBytes, l2Bytes, packets, scale);
    if (seen === 0) this.skipped.destination_table_full++;
    // At the 1st, 2nd, 4th, 8th record: hosts from all over the interval at next to no cost.
    else if ((seen & (seen - 1)) === 0) {
      this.#noteHost(key, bytes.slice(foreignAt, foreignAt + (family === 4 ? 4 : 16)));
    }
  }

  /** What came in since the last call, and begins anew. */
  drain(): Volumes {
    const { links, blocks } = this.#policy;
    const sides = links.length * 2;
    const sideOf = (key: number) => {
      const side = key % sides;
      // The key was made of an index into `links` and `directions`.
      return {
        link: links[side >> 1] as LinkId,
        direction: directions[side & 1] as Direction,
      };
    };
    const byBlock = this.#byBlock.drain((key, volume) => ({
      block: formatPrefix(blocks[Math.floor(key / sides)] as Prefix),
      ...sideOf(key),
      ...volume,
    }));
    const foreign = this.#byForeign.drain((key, volume) => ({
      prefix: this.#foreignPrefix(Math.floor(key / sides)),
      ...sideOf(key),
      hosts: this.#hosts.get(key) ?? [],
      ...volume,
    }));
    this.#hosts.clear();
    const byLink = this.#byLink.drain((key, volume) => ({ ...sideOf(key), ...volume }));
    const arrivals = [...this.#arrivals].map(([key, packets]) => ({
      address: formatPrefix((this.#policy.watched ?? [])[Math.floor(key / sides)] as Prefix),
      link: sideOf(key).link,
      packets,
    }));
    this.#arrivals.clear();
    return { blocks: byBlock, foreign, links: byLink, arrivals };
  }

  #isWatched(index: number): boolean {
    const at = index - this.#policy.blocks.length;
    return at >= 0 && at < (this.#policy.watched?.length ?? 0);
  }

  #noteArrival(record: FlowRecord, exporter: ExporterView, index: number): void {
    const link = exporter.inboundLink(record);
    if (link < 0 || !exporter.counts(record)) return;
    const key = (index - this.#policy.blocks.length) * this.#policy.links.length * 2 + link * 2;
    const packets = record.packets * exporter.scale(record);
    this.#arrivals.set(key, (this.#arrivals.get(key) ?? 0) + packets);
  }

  /** Numbers below 2^33 are IPv4 prefixes, then routes, then IPv6: all exact in a double. */
  #foreignKey(family: Family, bytes: Uint8Array, at: number): number {
    const route = this.#routes?.match(family, bytes, at) ?? -1;
    if (route >= 0) return routeBase + route;
    const { ipv4, ipv6 } = this.#policy.destinationLength;
    if (family === 4) return highBits(bytes, at, ipv4);
    return ipv6Base + highBits(bytes, at, ipv6);
  }

  #foreignPrefix(key: number): PrefixText {
    const { ipv4, ipv6 } = this.#policy.destinationLength;
    if (key >= ipv6Base) return prefixOf(key - ipv6Base, 16, ipv6);
    if (key < routeBase) return prefixOf(key, 4, ipv4);
    return this.#routes?.prefix(key - routeBase) ?? prefixText('::/0');
  }

  #noteHost(key: number, host: Uint8Array): void {
    const hosts = this.#hosts.get(key);
    if (!hosts) this.#hosts.set(key, [host]);
    else if (!hosts.some((known) => known.every((octet, i) => octet === host[i]))) {
      if (hosts.length >= hostsMax) hosts.shift();
      hosts.push(host);
    }
  }
}

const routeBase = 2 ** 33;
const ipv6Base = 2 ** 34;

/** The first `length` (at most 48) bits as an integer. */
function highBits(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  let left = length;
  for (let i = at; left > 0; i++, left -= 8) {
    const octet = bytes[i] ?? 0;
    value = left >= 8 ? value * 256 + octet : value * 2 ** left + (octet >> (8 - left));
  }
  return value;
}

function prefixOf(bits: number, size: 4 | 16, length: number): PrefixText {
  const bytes = new Uint8Array(size);
  let rest = bits * 2 ** ((8 - (length % 8)) % 8);
  for (let i = Math.ceil(length / 8) - 1; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return prefixText(`${formatAddress(bytes)}/${length}`);
}
