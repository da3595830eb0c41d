import type { LinkId } from '../../core/base/units.ts';
import type { FlowRecord } from '../../core/wire/flow/index.ts';

/** How a link shows in the records of one exporter; what is given must match. */
export interface LinkSign {
  readonly link: LinkId;
  /** ifIndex of the router's interface; may change while running, see `setInterfaces`. */
  readonly ifIndex?: number;
  /** The neighbour's MAC address (inbound, where the exporter gives source addresses). */
  readonly mac?: string;
  readonly vlan?: number;
}

export interface ExporterPolicy {
  /** Address that the datagrams come from. */
  readonly address: string;
  readonly links: readonly LinkSign[];
  /** One of how many packets is sampled; overrides what the exporter says. */
  readonly sampling?: number;
  /** Which records count where a router meters a packet both as it comes in and as it goes out. */
  readonly metering: 'ingress' | 'egress' | 'any';
  /** Bytes that layer 2 adds to an IP packet on these links: 18 with the checksum, 14 as Linux counts. */
  readonly layer2Overhead: number;
  /** Some software exporters count whole frames where the format says IP bytes. */
  readonly octets: 'ip' | 'layer2';
}

/** What one exporter's records mean: which link, which scale. */
export class ExporterView {
  readonly policy: ExporterPolicy;
  readonly #byInterface = new Map<number, number>();
  readonly #byMac = new Map<number, number>();
  readonly #byVlan = new Map<number, number>();

  constructor(policy: ExporterPolicy, links: readonly LinkId[]) {
    this.policy = policy;
    for (const sign of policy.links) {
      const index = links.indexOf(sign.link);
      if (sign.ifIndex !== undefined) this.#byInterface.set(sign.ifIndex, index);
      if (sign.mac !== undefined)
        this.#byMac.set(Number.parseInt(sign.mac.replaceAll(':', ''), 16), index);
      if (sign.vlan !== undefined) this.#byVlan.set(sign.vlan, index);
    }
  }

  /** Replaces the numbers found before: they change when a router restarts. What settings give stays. */
  setInterfaces(links: readonly LinkId[], ifIndexes: ReadonlyMap<LinkId, number>): void {
    this.#byInterface.clear();
    for (const [link, ifIndex] of ifIndexes) this.#byInterface.set(ifIndex, links.indexOf(link));
    for (const { link, ifIndex } of this.policy.links) {
      if (ifIndex !== undefined) this.#byInterface.set(ifIndex, links.indexOf(link));
    }
  }

  counts(record: FlowRecord): boolean {
    const { metering } = this.policy;
    if (metering === 'any') return true;
    return (record.metered === 'egress') === (metering === 'egress');
  }

  /** Index of the link, or -1. */
  inboundLink(record: FlowRecord): number {
    const byInterface = this.#byInterface.get(record.input);
    if (byInterface !== undefined) return byInterface;
    if (record.sourceMacAt >= 0 && this.#byMac.size > 0) {
      const byMac = this.#byMac.get(macAt(record.bytes, record.sourceMacAt));
      if (byMac !== undefined) return byMac;
    }
    return this.#byVlan.get(record.vlan) ?? -1;
  }

  outboundLink(record: FlowRecord): number {
    return this.#byInterface.get(record.output) ?? this.#byVlan.get(record.vlan) ?? -1;
  }

  /** By what the counts are multiplied. */
  scale(record: FlowRecord): number {
    return this.policy.sampling ?? Math.max(1, record.samplingRate);
  }

  ipBytes(record: FlowRecord): number {
    const { octets, layer2Overhead } = this.policy;
    if (octets === 'ip') return record.ipBytes || record.l2Bytes - record.packets * layer2Overhead;
    return record.ipBytes - record.packets * layer2Overhead;
  }

  /** The exporter's own count of frame bytes where it gives one. */
  l2Bytes(record: FlowRecord): number {
    const { octets, layer2Overhead } = this.policy;
    if (octets === 'layer2') return record.ipBytes;
    return record.l2Bytes || record.ipBytes + record.packets * layer2Overhead;
  }
}

function macAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
