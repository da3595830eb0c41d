/** Where the addresses of a sampled frame are, and the sizes behind them. */
export interface SampledHeader {
  family: 4 | 6;
  sourceAt: number;
  destinationAt: number;
  /** Offset of the IP header from the start of the frame: what layer 2 adds. */
  l2HeaderBytes: number;
  ipBytes: number;
  protocol: number;
  tos: number;
  sourcePort: number;
  destinationPort: number;
  vlan: number;
}

export const makeSampledHeader = (): SampledHeader => ({
  family: 4,
  sourceAt: 0,
  destinationAt: 0,
  l2HeaderBytes: 0,
  ipBytes: 0,
  protocol: 0,
  tos: 0,
  sourcePort: 0,
  destinationPort: 0,
  vlan: 0,
});

/**
 * Reads the head of an Ethernet frame from `at` up to `end` into `into`: tags and MPLS labels, then IP and ports.
 * sFlow gives about seven such heads in a datagram: too few to be worth a call into the native module each.
 */
export function readEthernet(
  view: DataView,
  at: number,
  end: number,
  into: SampledHeader,
): boolean {
  if (at + 14 > end) return false;
  into.vlan = 0;
  let type = view.getUint16(at + 12);
  let next = at + 14;
  while (type === 0x8100 || type === 0x88a8 || type === 0x9100) {
    if (next + 4 > end) return false;
    if (into.vlan === 0) into.vlan = view.getUint16(next) & 0x0fff;
    type = view.getUint16(next + 2);
    next += 4;
  }
  if (type === 0x8847 || type === 0x8848) {
    const labelsEnd = skipLabels(view, next, end);
    if (labelsEnd < 0) return false;
    next = labelsEnd;
    type = view.getUint8(next) >> 4 === 6 ? 0x86dd : 0x0800;
  }
  into.l2HeaderBytes = next - at;
  if (type === 0x0800) return readIpv4(view, next, end, into);
  return type === 0x86dd && readIpv6(view, next, end, into);
}

export function readIpv4(view: DataView, at: number, end: number, into: SampledHeader): boolean {
  if (at + 20 > end || view.getUint8(at) >> 4 !== 4) return false;
  const headerBytes = (view.getUint8(at) & 15) * 4;
  if (headerBytes < 20) return false;
  into.family = 4;
  into.tos = view.getUint8(at + 1);
  into.ipBytes = view.getUint16(at + 2);
  into.protocol = view.getUint8(at + 9);
  into.sourceAt = at + 12;
  into.destinationAt = at + 16;
  const isFirst = (view.getUint16(at + 6) & 0x1fff) === 0;
  readPorts(view, isFirst ? at + headerBytes : end, end, into);
  return true;
}

export function readIpv6(view: DataView, at: number, end: number, into: SampledHeader): boolean {
  if (at + 40 > end || view.getUint8(at) >> 4 !== 6) return false;
  into.family = 6;
  into.tos = (view.getUint16(at) >> 4) & 0xff;
  into.ipBytes = view.getUint16(at + 4) + 40;
  into.protocol = view.getUint8(at + 6);
  into.sourceAt = at + 8;
  into.destinationAt = at + 24;
  readPorts(view, at + 40, end, into);
  return true;
}

function readPorts(view: DataView, at: number, end: number, into: SampledHeader): void {
  const hasPorts = (into.protocol === 6 || into.protocol === 17) && at + 4 <= end;
  into.sourcePort = hasPorts ? view.getUint16(at) : 0;
  into.destinationPort = hasPorts ? view.getUint16(at + 2) : 0;
}

/** Behind the label with the bottom-of-stack bit (RFC 3032), or -1. */
function skipLabels(view: DataView, at: number, end: number): number {
  for (let next = at; next + 5 <= end; next += 4) {
    if (view.getUint8(next + 2) & 1) return next + 4;
  }
  return -1;
}
