import { ByteReader } from '../../base/bytes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Datagram } from './datagram.ts';
import type { FlowRecord, FlowSink } from './record.ts';
import {
  makeSampledHeader,
  readEthernet,
  readIpv4,
  readIpv6,
  type SampledHeader,
} from './sampled-header.ts';
import type { FlowError, FlowTally } from './tally.ts';

/** `enterprise << 12 | format` of the standard structures (sFlow version 5, section 5). */
const sampleFormats = { flow: 1, counters: 2, expandedFlow: 3, expandedCounters: 4 } as const;
const recordFormats = { rawHeader: 1, ipv4: 3, ipv6: 4, extendedSwitch: 1001 } as const;
/** Behind it follow samples of at least 8 bytes: more than fit a datagram is damage. */
const samplesMax = 8192;
/** An interface value whose upper two bits are set is a drop or a list of several outputs. */
const interfaceMask = 0x3fffffff;

/** What the records of one flow sample add up to. */
interface FlowSample {
  readonly rate: number;
  readonly input: number;
  readonly output: number;
}

/** sFlow version 5 (sflow.org/sflow_version_5.txt). Every flow sample is one packet. */
export function decodeSflow5(datagram: Datagram): Result<void, FlowError> {
  const { bytes, domains, tally } = datagram;
  const reader = new ByteReader(bytes);
  reader.skip(4);
  const addressType = reader.u32();
  if (addressType !== 1 && addressType !== 2) return err({ code: 'bad_address_type', offset: 4 });
  reader.skip(addressType === 1 ? 4 : 16);
  const subAgent = reader.u32();
  const sequence = reader.u32();
  const uptimeMs = reader.u32();
  const count = reader.u32();
  if (reader.isShort) return err({ code: 'short_read', offset: bytes.length });
  if (count > samplesMax) return err({ code: 'bad_count', offset: reader.position - 4 });
  const domain = domains.domain(`s/${subAgent}`);
  if (!domain) return ok(undefined);
  // Some agents restart their sequence without their uptime, and the other way round: either is a restart.
  if (uptimeMs < domain.uptimeMs && sequence < 1024) domain.sequence.forget();
  domain.uptimeMs = uptimeMs;
  domain.sequence.step(sequence, 1, tally);
  for (let i = 0; i < count; i++) {
    const format = reader.u32();
    const sample = reader.sub(reader.u32());
    if (reader.isShort) {
      tally.skipped.set_truncated++;
      return ok(undefined);
    }
    decodeSample(format, sample, datagram);
  }
  return ok(undefined);
}

function decodeSample(format: number, sample: ByteReader, datagram: Datagram): void {
  const { tally, sink } = datagram;
  sample.skip(4);
  switch (format) {
    case sampleFormats.flow:
    case sampleFormats.expandedFlow: {
      const isExpanded = format === sampleFormats.expandedFlow;
      sample.skip(isExpanded ? 8 : 4);
      const rate = sample.u32();
      sample.skip(8);
      const input = readInterface(sample, isExpanded);
      const output = readInterface(sample, isExpanded);
      decodeFlowRecords(sample, { rate, input, output }, datagram);
      return;
    }
    case sampleFormats.counters:
    case sampleFormats.expandedCounters:
      sample.skip(format === sampleFormats.expandedCounters ? 8 : 4);
      tally.counterSamples++;
      decodeCounterRecords(sample, tally, sink);
      return;
    default:
      tally.skipped.unknown_sample++;
  }
}

function readInterface(reader: ByteReader, isExpanded: boolean): number {
  if (!isExpanded) {
    const value = reader.u32();
    return value > interfaceMask ? 0 : value;
  }
  const format = reader.u32();
  const value = reader.u32();
  return format === 0 ? value : 0;
}

const headerScratch: SampledHeader = makeSampledHeader();

function decodeFlowRecords(
  sample: ByteReader,
  { rate, input, output }: FlowSample,
  { bytes, view, nowMs, work, tally, sink }: Datagram,
): void {
  const { record } = work;
  const count = sample.u32();
  let isFilled = false;
  let switchVlan = 0;
  for (let i = 0; i < count; i++) {
    const format = sample.u32();
    const body = sample.sub(sample.u32());
    if (sample.isShort) {
      tally.skipped.record_truncated++;
      break;
    }
    if (format === recordFormats.extendedSwitch) switchVlan = body.u32();
    else if (isFilled) continue;
    else if (format === recordFormats.rawHeader)
      isFilled = fillFromHeader(body, view, record, tally);
    else if (format === recordFormats.ipv4 || format === recordFormats.ipv6) {
      isFilled = fillFromIp(body, format === recordFormats.ipv4 ? 4 : 6, record);
    } else if (format >> 12 !== 0 || format < 1000) tally.skipped.unknown_sample_record++;
  }
  if (!isFilled) return;
  record.bytes = bytes;
  record.packets = 1;
  record.input = input;
  record.output = output;
  record.metered = 'unknown';
  if (record.vlan === 0) record.vlan = switchVlan;
  record.lastMs = nowMs;
  record.samplingRate = Math.max(1, rate);
  tally.records++;
  sink.flow(record);
}

function fillFromHeader(
  body: ByteReader,
  view: DataView,
  record: FlowRecord,
  tally: FlowTally,
): boolean {
  const protocol = body.u32();
  const frameBytes = body.u32();
  // Bytes that the agent cut off the end (the checksum, usually) are counted in `frameBytes`.
  const stripped = body.u32();
  const header = body.sub(body.u32());
  const at = header.base;
  const end = at + header.bytes.length;
  const head = headerScratch;
  head.vlan = 0;
  head.l2HeaderBytes = 0;
  const isRead =
    !body.isShort &&
    (protocol === 1
      ? readEthernet(view, at, end, head)
      : protocol === 11
        ? readIpv4(view, at, end, head)
        : protocol === 12 && readIpv6(view, at, end, head));
  if (!isRead) {
    tally.skipped.sampled_header_unreadable++;
    return false;
  }
  record.family = head.family;
  record.sourceAt = head.sourceAt;
  record.destinationAt = head.destinationAt;
  // A super-packet has no length that fits its header's 16 bits: then the frame's own length is right.
  const behindHeader = Math.max(0, frameBytes - stripped - head.l2HeaderBytes);
  record.ipBytes = head.ipBytes > (head.family === 6 ? 40 : 0) ? head.ipBytes : behindHeader;
  record.l2Bytes = frameBytes;
  record.protocol = head.protocol;
  record.tos = head.tos;
  record.sourcePort = head.sourcePort;
  record.destinationPort = head.destinationPort;
  record.sourceMacAt = protocol === 1 ? at + 6 : -1;
  record.vlan = head.vlan;
  return true;
}

/** Sampled IPv4 or IPv6 data: what agents send that see no frame. */
function fillFromIp(body: ByteReader, family: 4 | 6, record: FlowRecord): boolean {
  const length = body.u32();
  const protocol = body.u32();
  const sourceAt = body.position;
  const addressBytes = family === 4 ? 4 : 16;
  body.skip(2 * addressBytes);
  const sourcePort = body.u32();
  const destinationPort = body.u32();
  body.skip(4);
  const tos = body.u32();
  if (body.isShort) return false;
  record.family = family;
  record.sourceAt = sourceAt;
  record.destinationAt = sourceAt + addressBytes;
  record.ipBytes = length;
  record.l2Bytes = 0;
  record.protocol = protocol;
  record.tos = tos & 0xff;
  record.sourcePort = sourcePort;
  record.destinationPort = destinationPort;
  record.sourceMacAt = -1;
  record.vlan = 0;
  return true;
}

function decodeCounterRecords(sample: ByteReader, tally: FlowTally, sink: FlowSink): void {
  const count = sample.u32();
  for (let i = 0; i < count; i++) {
    const format = sample.u32();
    const body = sample.sub(sample.u32());
    if (sample.isShort) {
      tally.skipped.record_truncated++;
      return;
    }
    // Ethernet, VLAN, processor and vendors' counters say nothing that headgate uses.
    if (format !== 1) continue;
    const ifIndex = body.u32();
    body.skip(4);
    const speed = Number(body.u64());
    body.skip(4);
    const status = body.u32();
    const inBytes = body.u64();
    body.skip(12);
    const inDiscards = body.u32();
    const inErrors = body.u32();
    body.skip(4);
    const outBytes = body.u64();
    body.skip(12);
    const outDiscards = body.u32();
    const outErrors = body.u32();
    if (body.isShort) tally.skipped.record_truncated++;
    else {
      sink.counters?.({
        ifIndex,
        speed,
        // Bit 1 is the operational status (bit 0 the administrative one).
        isUp: (status & 2) !== 0,
        inBytes,
        outBytes,
        inDiscards,
        outDiscards,
        inErrors,
        outErrors,
      });
    }
  }
}
