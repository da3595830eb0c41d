import type { TemplatedDatagram } from './datagram.ts';
import type { Domain, DomainTable } from './domain.ts';
import { Slot } from './element.ts';
import type { FlowRecord } from './record.ts';
import { readRecord, type Template } from './template.ts';

/** Reads the data records between `at` and `end`; returns how many there were, options data included. */
export function decodeDataSet(
  template: Template,
  datagram: TemplatedDatagram,
  at: number,
  end: number,
): number {
  const { view, work, tally, domain, domains } = datagram;
  let count = 0;
  let next = at;
  // What is shorter than a record is padding (RFC 7011 section 3.3.1).
  while (end - next >= template.recordLengthMin) {
    const after = readRecord(template, view, next, end, work.scratch);
    if (after < 0) {
      tally.skipped.record_truncated++;
      break;
    }
    next = after;
    count++;
    if (template.isOptions) {
      tally.optionRecords++;
      learnSampling(work.scratch, domain, domains);
    } else {
      emit(datagram);
    }
  }
  return count;
}

/** Sampling as options data announces it, for a sampler or for the whole domain. */
function learnSampling(scratch: Float64Array, domain: Domain, domains: DomainTable): void {
  const rate = announcedRate(scratch);
  if (rate === 0) return;
  const sampler = scratch[Slot.samplerId] ?? 0;
  if (sampler !== 0) domains.learnSampler(domain, sampler, rate);
  else domain.samplingRate = rate;
}

/** One of how many packets, or 0 when the record does not say. */
function announcedRate(scratch: Float64Array): number {
  const interval = scratch[Slot.packetInterval] ?? 0;
  // RFC 5477 section 8.2.4 and 8.2.5: `interval` packets are taken, then `space` are left out.
  if (interval > 0) return 1 + (scratch[Slot.packetSpace] ?? 0) / interval;
  const size = scratch[Slot.sampleSize] ?? 0;
  if (size > 0) return Math.max(1, (scratch[Slot.samplePopulation] ?? 0) / size);
  const probability = scratch[Slot.samplingProbability] ?? 0;
  if (probability > 0) return Math.max(1, 1 / asFloat(probability));
  return scratch[Slot.samplerInterval] || scratch[Slot.samplingInterval] || 0;
}

/** The slot holds the bytes of a float as an integer: this gives them their meaning back. */
function asFloat(integer: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, Math.floor(integer / 4294967296));
  view.setUint32(4, integer % 4294967296);
  // Reduced to four bytes (RFC 7011 section 6.2); no probability has an all-zero upper half otherwise.
  const value = integer < 4294967296 ? view.getFloat32(4) : view.getFloat64(0);
  return value > 0 && value <= 1 ? value : 1;
}

function emit({ work, bytes, view, bootMs, domain, tally, sink }: TemplatedDatagram): void {
  const { scratch, record } = work;
  const v4 = scratch[Slot.sourceV4] ?? 0;
  const v6 = scratch[Slot.sourceV6] ?? 0;
  const to4 = scratch[Slot.destinationV4] ?? 0;
  const to6 = scratch[Slot.destinationV6] ?? 0;
  // Some exporters put both families in one template and leave the other at zero: then v4 is the filler.
  const isV6 = v6 > 0 && to6 > 0 && !(v4 > 0 && view.getUint32(v4 - 1) !== 0);
  if (!isV6 && !(v4 > 0 && to4 > 0)) {
    tally.skipped.no_addresses++;
    return;
  }
  const forward =
    scratch[Slot.bytes] ||
    scratch[Slot.initiatorBytes] ||
    scratch[Slot.bytesTotal] ||
    scratch[Slot.postBytes] ||
    0;
  const backward = scratch[Slot.reverseBytes] ?? 0;
  const l2 = scratch[Slot.l2Bytes] ?? 0;
  if (forward === 0 && backward === 0 && l2 === 0) {
    tally.skipped.no_counters++;
    return;
  }
  const direction = scratch[Slot.direction] ?? 0;
  record.family = isV6 ? 6 : 4;
  record.bytes = bytes;
  record.sourceAt = (isV6 ? v6 : v4) - 1;
  record.destinationAt = (isV6 ? to6 : to4) - 1;
  record.ipBytes = forward;
  record.l2Bytes = l2;
  record.packets =
    scratch[Slot.packets] ||
    scratch[Slot.initiatorPackets] ||
    scratch[Slot.packetsTotal] ||
    scratch[Slot.postPackets] ||
    0;
  record.protocol = scratch[Slot.protocol] ?? 0;
  record.tos = scratch[Slot.tos] ?? 0;
  record.sourcePort = scratch[Slot.sourcePort] ?? 0;
  record.destinationPort = scratch[Slot.destinationPort] ?? 0;
  record.input = scratch[Slot.input] ?? 0;
  record.output = scratch[Slot.output] ?? 0;
  // Absent and ingress are both zero in the scratch; only an explicit 1 says more.
  record.metered = direction === 1 ? 'egress' : 'unknown';
  record.sourceMacAt = (scratch[Slot.sourceMac] ?? 0) - 1;
  record.vlan = scratch[Slot.vlan] ?? 0;
  record.lastMs = lastSeen(scratch, bootMs);
  record.samplingRate = recordRate(scratch, domain);
  tally.records++;
  if (forward > 0 || l2 > 0) sink.flow(record);
  if (backward > 0) {
    reverse(record, backward, scratch[Slot.reversePackets] ?? 0);
    sink.flow(record);
  }
}

/** The other half of a bidirectional record (RFC 5103). */
function reverse(record: FlowRecord, ipBytes: number, packets: number): void {
  [record.sourceAt, record.destinationAt] = [record.destinationAt, record.sourceAt];
  [record.sourcePort, record.destinationPort] = [record.destinationPort, record.sourcePort];
  [record.input, record.output] = [record.output, record.input];
  record.ipBytes = ipBytes;
  record.l2Bytes = 0;
  record.packets = packets;
  record.sourceMacAt = -1;
}

function lastSeen(scratch: Float64Array, bootMs: number | undefined): number {
  const milliseconds = scratch[Slot.lastMs] ?? 0;
  if (milliseconds > 0) return milliseconds;
  const uptime = scratch[Slot.lastUptime] ?? 0;
  if (uptime > 0 && bootMs !== undefined) return bootMs + uptime;
  const seconds = scratch[Slot.lastSeconds] ?? 0;
  if (seconds > 0) return seconds * 1000;
  const ntp = scratch[Slot.lastNtp] ?? 0;
  // NTP counts from 1900, in 2^-32 seconds (RFC 7011 section 6.1.9).
  return ntp > 0 ? (ntp / 4294967296 - 2_208_988_800) * 1000 : 0;
}

function recordRate(scratch: Float64Array, domain: Domain): number {
  const own = announcedRate(scratch);
  if (own > 0) return own;
  const sampler = scratch[Slot.samplerId] ?? 0;
  const known = sampler === 0 ? undefined : domain.samplers.get(sampler);
  return known ?? domain.samplingRate;
}
