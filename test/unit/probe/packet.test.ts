import fc from 'fast-check';
import t from 'tap';
import { type Address, parseAddress } from '../../../src/core/base/prefix.ts';
import { ipv4Payload, readDns, readIcmp, readTcp } from '../../../src/probe/answer.ts';
import { checksum, encodeProbe, type ProbePacket, tcpSequence } from '../../../src/probe/packet.ts';

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const v4 = { source: address('203.0.113.1'), destination: address('192.0.2.1') };
const v6 = { source: address('2001:db8::1'), destination: address('2001:db8::2') };
const common = { dscp: 10, id: 61_234, sequence: 777, port: 53 };
const probes: readonly ProbePacket[] = (['icmp', 'tcp', 'udp'] as const).flatMap((method) => [
  { ...v4, ...common, method },
  { ...v6, ...common, method },
]);

/** The sum over pseudo-header and body is zero where the checksum is right (RFC 1071). */
function bodySum(packet: Uint8Array, method: string): number {
  const isV4 = packet[0] === 0x45;
  const body = packet.subarray(isV4 ? 20 : 40);
  if (isV4 && method === 'icmp') return checksum(body);
  const protocol = packet[isV4 ? 9 : 6] ?? 0;
  const addresses = packet.subarray(isV4 ? 12 : 8, isV4 ? 20 : 40);
  return checksum(Uint8Array.from([...addresses, 0, protocol, 0, body.length, ...body]));
}

t.test('packets are whole: version, length, mark, addresses and checksum', async (t) => {
  for (const probe of probes) {
    const packet = encodeProbe(probe);
    const view = new DataView(packet.buffer);
    const name = `${probe.method} over IPv${probe.source.family}`;
    if (probe.source.family === 4) {
      t.equal(view.getUint16(2), packet.length, name);
      t.equal(packet[1], 10 << 2, name);
      t.same(packet.subarray(12, 16), probe.source.bytes, name);
    } else {
      t.equal(view.getUint16(4) + 40, packet.length, name);
      t.equal((view.getUint16(0) >> 6) & 63, 10, name);
      t.same(packet.subarray(24, 40), probe.destination.bytes, name);
    }
    t.equal(bodySum(packet, probe.method), 0, name);
  }
});

t.test('an echo reply, a SYN-ACK, a reset and a DNS answer mean reached', async (t) => {
  const icmp = encodeProbe(probes[0] as ProbePacket).slice(20);
  t.equal(readIcmp(4, icmp), undefined, 'our own request is no answer');
  icmp[0] = 0;
  const own = { id: 61_234, sequence: 777, kind: 'reached' };
  t.same(readIcmp(4, icmp), { method: 'icmp', ...own });
  const segment = new Uint8Array(20);
  const view = new DataView(segment.buffer);
  view.setUint16(2, 61_234);
  view.setUint32(8, tcpSequence(777) + 1);
  for (const flags of [0x12, 0x14]) {
    segment[13] = flags;
    t.same(readTcp(segment), { method: 'tcp', ...own });
  }
  segment[13] = 0x10;
  t.equal(readTcp(segment), undefined, 'a plain ACK belongs to somebody else');
  segment[13] = 0x12;
  view.setUint32(8, 5);
  t.equal(readTcp(segment), undefined, 'so does another number');
  const dns = Uint8Array.from([3, 9, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  t.same(readDns(dns, 61_234), { method: 'udp', ...own });
  t.equal(
    readDns(
      dns.map((octet, i) => (i === 2 ? 0 : octet)),
      1,
    ),
    undefined,
    'a query is no answer',
  );
});

t.test('ICMP errors are matched by what they quote', async (t) => {
  const quote = (family: 4 | 6, probe: ProbePacket, type: number, code: number) =>
    readIcmp(family, Uint8Array.from([type, code, 0, 0, 0, 0, 0, 0, ...encodeProbe(probe)]));
  for (const probe of probes) {
    const { family } = probe.source;
    const named = { method: probe.method, id: 61_234, sequence: 777 };
    const prohibited = family === 4 ? quote(4, probe, 3, 13) : quote(6, probe, 1, 1);
    t.same(prohibited, { ...named, kind: 'prohibited' });
    const noPort = family === 4 ? quote(4, probe, 3, 3) : quote(6, probe, 1, 4);
    t.same(noPort, { ...named, kind: probe.method === 'icmp' ? 'unreachable' : 'reached' });
    const noHost = family === 4 ? quote(4, probe, 3, 1) : quote(6, probe, 1, 3);
    t.same(noHost, { ...named, kind: 'unreachable' });
  }
});

t.test('any bytes are read without throwing', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      readIcmp(4, bytes);
      readIcmp(6, bytes);
      readIcmp(4, ipv4Payload(bytes));
      readTcp(bytes);
      readDns(bytes, 1);
    }),
  );
});
