/** Builds flow exports byte by byte, as the RFCs draw them: the tests' own encoder, independent of the decoder. */
import { ByteWriter } from '../../src/core/base/bytes.ts';
import { FlowDecoder, type FlowRecord } from '../../src/core/wire/flow/index.ts';

export interface Field {
  readonly element: number;
  readonly length: number;
  readonly enterprise?: number;
}
export const field = (element: number, length: number, enterprise?: number): Field =>
  enterprise === undefined ? { element, length } : { element, length, enterprise };

/** The fields that most tests use: addresses, bytes, packets, both interfaces. */
export const usualFields: readonly Field[] = [
  field(8, 4),
  field(12, 4),
  field(1, 4),
  field(2, 4),
  field(10, 2),
  field(14, 2),
];

export const ipv4 = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));

export function usualRecord(
  source: string,
  destination: string,
  ipBytes: number,
  packets: number,
  input = 1,
  output = 2,
): Uint8Array {
  return new ByteWriter()
    .put(ipv4(source))
    .put(ipv4(destination))
    .u32(ipBytes)
    .u32(packets)
    .u16(input)
    .u16(output)
    .finish();
}

export function set(id: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter().u16(id).u16(0);
  for (const part of parts) writer.put(part);
  return writer.patchU16(2, writer.length).finish();
}

export function template(id: number, fields: readonly Field[]): Uint8Array {
  const writer = new ByteWriter().u16(id).u16(fields.length);
  putFields(writer, fields);
  return writer.finish();
}

export function ipfixOptions(id: number, fields: readonly Field[], scopes: number): Uint8Array {
  const writer = new ByteWriter().u16(id).u16(fields.length).u16(scopes);
  putFields(writer, fields);
  return writer.finish();
}

export function ipfix(sequence: number, sets: readonly Uint8Array[], domain = 1): Uint8Array {
  const writer = new ByteWriter().u16(10).u16(0).u32(1_700_000_000).u32(sequence).u32(domain);
  for (const part of sets) writer.put(part);
  return writer.patchU16(2, writer.length).finish();
}

export function netflow9(
  sequence: number,
  sets: readonly Uint8Array[],
  options: { readonly uptimeMs?: number; readonly sourceId?: number } = {},
): Uint8Array {
  const writer = new ByteWriter()
    .u16(9)
    .u16(sets.length)
    .u32(options.uptimeMs ?? 1_000_000)
    .u32(1_700_000_000)
    .u32(sequence)
    .u32(options.sourceId ?? 1);
  for (const part of sets) writer.put(part);
  return writer.finish();
}

export function netflow5(
  sequence: number,
  records: ReadonlyArray<{ source: string; destination: string; ipBytes: number; packets: number }>,
  sampling = 0,
): Uint8Array {
  const writer = new ByteWriter()
    .u16(5)
    .u16(records.length)
    .u32(1_000_000)
    .u32(1_700_000_000)
    .u32(0)
    .u32(sequence)
    .u16(0)
    .u16(sampling);
  for (const { source, destination, ipBytes, packets } of records) {
    writer.put(ipv4(source)).put(ipv4(destination)).u32(0).u16(1).u16(2).u32(packets).u32(ipBytes);
    writer.u32(900_000).u32(990_000).u16(1234).u16(80).u16(0).u8(6).u8(0).u32(0).u32(0);
  }
  return writer.finish();
}

/** A datagram of flow samples, each with an Ethernet header sample of an IPv4 packet. */
export function sflow(
  sequence: number,
  samples: ReadonlyArray<{
    source: string;
    destination: string;
    ipBytes: number;
    rate: number;
    vlan?: number;
  }>,
): Uint8Array {
  const writer = new ByteWriter()
    .u32(5)
    .u32(1)
    .put(ipv4('192.0.2.1'))
    .u32(0)
    .u32(sequence)
    .u32(5000)
    .u32(samples.length);
  for (const sample of samples) {
    const frame = ethernetIpv4(sample.source, sample.destination, sample.ipBytes, sample.vlan);
    const frameBytes = sample.ipBytes + (sample.vlan === undefined ? 14 : 18) + 4;
    const body = new ByteWriter().u32(1).u32(3).u32(sample.rate).u32(0).u32(0).u32(1).u32(2).u32(1);
    const padded = (frame.length + 3) & ~3;
    body
      .u32(1)
      .u32(16 + padded)
      .u32(1)
      .u32(frameBytes)
      .u32(4)
      .u32(frame.length);
    body.put(frame).put(new Uint8Array(padded - frame.length));
    writer.u32(1).u32(body.length).put(body.finish());
  }
  return writer.finish();
}

function ethernetIpv4(source: string, destination: string, ipBytes: number, vlan?: number) {
  const writer = new ByteWriter().put(new Uint8Array(6)).put(Uint8Array.of(2, 0, 0, 0, 0, 7));
  if (vlan !== undefined) writer.u16(0x8100).u16(vlan);
  writer.u16(0x0800).u8(0x45).u8(0).u16(ipBytes).u32(0).u8(64).u8(6).u16(0);
  return writer.put(ipv4(source)).put(ipv4(destination)).u16(443).u16(5555).finish();
}

export interface PlainRecord {
  readonly source: string;
  readonly destination: string;
  readonly ipBytes: number;
  readonly packets: number;
  readonly rate: number;
  readonly input: number;
  readonly output: number;
}

/** A copy of what the decoder's record says, addresses as text. */
export function plain(record: FlowRecord): PlainRecord {
  const size = record.family === 6 ? 16 : 4;
  const text = (at: number) =>
    size === 4
      ? record.bytes.subarray(at, at + 4).join('.')
      : Buffer.from(record.bytes.subarray(at, at + 16)).toString('hex');
  return {
    source: text(record.sourceAt),
    destination: text(record.destinationAt),
    ipBytes: record.ipBytes,
    packets: record.packets,
    rate: record.samplingRate,
    input: record.input,
    output: record.output,
  };
}

/** Decodes datagrams of one exporter in order and gives the records and the decoder. */
export function decodeAll(
  datagrams: readonly Uint8Array[],
  decoder: FlowDecoder = new FlowDecoder(),
  nowMs = 0,
): { readonly records: PlainRecord[]; readonly decoder: FlowDecoder } {
  const records: PlainRecord[] = [];
  for (const datagram of datagrams) {
    decoder.decode(datagram, nowMs, { flow: (record) => records.push(plain(record)) });
  }
  return { records, decoder };
}

function putFields(writer: ByteWriter, fields: readonly Field[]): void {
  for (const { element, length, enterprise } of fields) {
    writer.u16(enterprise === undefined ? element : element | 0x8000).u16(length);
    if (enterprise !== undefined) writer.u32(enterprise);
  }
}
