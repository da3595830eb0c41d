/**
 * The information elements that headgate reads (IANA IPFIX registry; NetFlow v9 shares the numbers).
 * Each has a slot: its place in the scratch array into which a record is read.
 */
export const Slot = {
  none: 0,
  sourceV4: 1,
  destinationV4: 2,
  sourceV6: 3,
  destinationV6: 4,
  bytes: 5,
  packets: 6,
  bytesTotal: 7,
  packetsTotal: 8,
  postBytes: 9,
  postPackets: 10,
  initiatorBytes: 11,
  initiatorPackets: 12,
  reverseBytes: 13,
  reversePackets: 14,
  l2Bytes: 15,
  input: 16,
  output: 17,
  direction: 18,
  protocol: 19,
  tos: 20,
  sourcePort: 21,
  destinationPort: 22,
  sourceMac: 23,
  vlan: 24,
  lastUptime: 25,
  lastSeconds: 26,
  lastMs: 27,
  lastNtp: 28,
  samplingInterval: 29,
  samplerId: 30,
  samplerInterval: 31,
  packetInterval: 32,
  packetSpace: 33,
  sampleSize: 34,
  samplePopulation: 35,
  samplingProbability: 36,
} as const;
export const slotCount = 37;

/** Reverse elements of bidirectional records (RFC 5103). */
const reverseEnterprise = 29305;

const slotOf = new Map<number, number>([
  [1, Slot.bytes],
  [2, Slot.packets],
  [4, Slot.protocol],
  [5, Slot.tos],
  [7, Slot.sourcePort],
  [8, Slot.sourceV4],
  [10, Slot.input],
  [11, Slot.destinationPort],
  [12, Slot.destinationV4],
  [14, Slot.output],
  [21, Slot.lastUptime],
  [23, Slot.postBytes],
  [24, Slot.postPackets],
  [27, Slot.sourceV6],
  [28, Slot.destinationV6],
  [34, Slot.samplingInterval],
  [48, Slot.samplerId],
  [50, Slot.samplerInterval],
  [56, Slot.sourceMac],
  [58, Slot.vlan],
  [61, Slot.direction],
  [85, Slot.bytesTotal],
  [86, Slot.packetsTotal],
  [151, Slot.lastSeconds],
  [153, Slot.lastMs],
  [155, Slot.lastNtp],
  [157, Slot.lastNtp],
  [231, Slot.initiatorBytes],
  [232, Slot.reverseBytes],
  [243, Slot.vlan],
  [298, Slot.initiatorPackets],
  [299, Slot.reversePackets],
  [302, Slot.samplerId],
  [305, Slot.packetInterval],
  [306, Slot.packetSpace],
  [309, Slot.sampleSize],
  [310, Slot.samplePopulation],
  [311, Slot.samplingProbability],
  [352, Slot.l2Bytes],
]);

const reverseSlotOf = new Map<number, number>([
  [1, Slot.reverseBytes],
  [2, Slot.reversePackets],
  [85, Slot.reverseBytes],
  [86, Slot.reversePackets],
]);

/** Lengths that an element may have; reduced-size encoding (RFC 7011 section 6.2) allows shorter integers. */
const exactLength = new Map<number, number>([
  [Slot.sourceV4, 4],
  [Slot.destinationV4, 4],
  [Slot.sourceV6, 16],
  [Slot.destinationV6, 16],
  [Slot.sourceMac, 6],
]);

/** The slot of an element as a template announces it; `Slot.none` is skipped over. */
export function slotFor(enterprise: number, element: number, length: number): number {
  const slot =
    enterprise === 0
      ? slotOf.get(element)
      : enterprise === reverseEnterprise
        ? reverseSlotOf.get(element)
        : undefined;
  if (slot === undefined) return Slot.none;
  const exact = exactLength.get(slot);
  const isReadable = exact === undefined ? length >= 1 && length <= 8 : length === exact;
  return isReadable ? slot : Slot.none;
}

/** Slots that hold the offset of their bytes, not their value. */
export const isPlace = (slot: number): boolean => exactLength.has(slot);
