import { err, ok, type Result } from '../../base/result.ts';
import type { Datagram } from './datagram.ts';
import type { FlowError } from './tally.ts';

const headerBytes = 24;
const recordBytes = 48;
/** What fits a datagram of 1,500 bytes; the format allows no more. */
const recordsMax = 30;

/** NetFlow version 5: a fixed header and up to 30 fixed IPv4 records. */
export function decodeNetflow5(datagram: Datagram): Result<void, FlowError> {
  const { bytes, view, domains, tally, sink } = datagram;
  if (bytes.length < headerBytes) return err({ code: 'short_read', offset: bytes.length });
  const count = view.getUint16(2);
  if (count === 0 || count > recordsMax) return err({ code: 'bad_count', offset: 2 });
  // An exporter pads the datagram or it does not; too few bytes for what it claims is damage.
  if (bytes.length < headerBytes + count * recordBytes) {
    return err({ code: 'short_read', offset: bytes.length });
  }
  const bootMs = view.getUint32(8) * 1000 + view.getUint32(12) / 1e6 - view.getUint32(4);
  const domain = domains.domain(`5/${view.getUint16(20)}`);
  if (!domain) return ok(undefined);
  // The upper two bits are the sampling mode; an interval of 0 or 1 samples nothing.
  const rate = Math.max(1, view.getUint16(22) & 0x3fff);
  domain.sequence.step(view.getUint32(16), count, tally);
  const { record } = datagram.work;
  record.family = 4;
  record.bytes = bytes;
  record.l2Bytes = 0;
  record.metered = 'unknown';
  record.sourceMacAt = -1;
  record.vlan = 0;
  record.samplingRate = rate;
  for (let i = 0, at = headerBytes; i < count; i++, at += recordBytes) {
    record.sourceAt = at;
    record.destinationAt = at + 4;
    record.input = view.getUint16(at + 12);
    record.output = view.getUint16(at + 14);
    record.packets = view.getUint32(at + 16);
    record.ipBytes = view.getUint32(at + 20);
    record.lastMs = bootMs + view.getUint32(at + 28);
    record.sourcePort = view.getUint16(at + 32);
    record.destinationPort = view.getUint16(at + 34);
    record.protocol = view.getUint8(at + 38);
    record.tos = view.getUint8(at + 39);
    tally.records++;
    sink.flow(record);
  }
  return ok(undefined);
}
