/** BGP sessions captured from the wire decode to the messages that their references count. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { MessageSplitter } from '../../../../../src/core/wire/bgp/framing.ts';
import { decodeMessage, type Message } from '../../../../../src/core/wire/bgp/message.ts';
import { capturesFolder, skipWithoutCaptures } from '../../../../support/captures.ts';

/** Bytes before IP by link type: Ethernet, Linux cooked; the others here are bare IP. */
const linkHeader: Readonly<Record<number, number>> = { 1: 14, 113: 16 };

/** Payloads of TCP port 179 by direction, in the order captured (these captures lose nothing). */
function readStreams(file: string): ReadonlyMap<string, readonly Uint8Array[]> {
  const bytes = readFileSync(`${capturesFolder}/${file}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isLittle = view.getUint32(0, true) === 0xa1b2c3d4;
  const streams = new Map<string, Uint8Array[]>();
  for (let at = 24; at + 16 <= bytes.length; ) {
    const length = view.getUint32(at + 8, isLittle);
    const frame = bytes.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const ip = frame.subarray(linkHeader[view.getUint32(20, isLittle)] ?? 0);
    if ((ip[0] ?? 0) >> 4 !== 4 || ip[9] !== 6) continue;
    const tcp = ((ip[0] ?? 0) & 15) * 4;
    const end = ((ip[2] ?? 0) << 8) | (ip[3] ?? 0);
    const payload = ip.subarray(tcp + ((ip[tcp + 12] ?? 0) >> 4) * 4, end);
    if (payload.length === 0) continue;
    const key = `${ip.subarray(12, 20).join('.')} ${ip.subarray(tcp, tcp + 4).join('.')}`;
    streams.set(key, [...(streams.get(key) ?? []), payload]);
  }
  return streams;
}

function decodeAll(file: string, addPath = false): { messages: Message[]; errors: string[] } {
  const messages: Message[] = [];
  const errors: string[] = [];
  for (const payloads of readStreams(file).values()) {
    const splitter = new MessageSplitter();
    const context = {
      as4: true,
      isInternal: true,
      addPath: { 4: addPath, 6: addPath },
      acceptAsSets: true,
    };
    for (const payload of payloads) {
      splitter.push(payload);
      for (let next = splitter.next(); next; next = splitter.next()) {
        const message = next.ok ? decodeMessage(next.value, context) : next;
        if (message.ok) messages.push(message.value);
        else {
          errors.push(`${message.error.code} at ${message.error.offset}`);
          if (!next.ok) break;
        }
      }
    }
  }
  return { messages, errors };
}

const count = (messages: readonly Message[]) => {
  const counts: Record<string, number> = {};
  for (const { kind } of messages) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
};

t.test('whole sessions and single messages', { skip: skipWithoutCaptures }, async (t) => {
  const sessions = decodeAll('tcpdump-bgp-4byte-asn.pcap');
  t.same(count(sessions.messages), { open: 8, keepalive: 16, update: 10, notification: 1 });
  t.same(sessions.errors, []);
  const large = decodeAll('tcpdump-bgp-large-community.pcap');
  t.same(count(large.messages), { update: 5 });
  const communities = large.messages.flatMap((message) =>
    message.kind === 'update' ? (message.decoded.update.attributes.largeCommunities ?? []) : [],
  );
  t.ok(communities.length > 0, 'large communities are read');
  // Two MP_REACH_NLRI in one message: RFC 7606 section 3 (g) resets the session.
  const paths = decodeAll('tcpdump-bgp-addpath.pcap', true);
  t.match(paths.errors, [/^attribute_repeated/]);
});

t.test('hostile messages end in errors', { skip: skipWithoutCaptures }, async (t) => {
  for (const file of [
    'malformed/tcpdump-bgp-infinite-loop.pcap',
    'malformed/tcpdump-bgp-as-path-oobr.pcap',
  ]) {
    const { messages, errors } = decodeAll(file);
    const flaws = messages.flatMap((m) => (m.kind === 'update' ? m.decoded.errors : []));
    t.ok(
      errors.length + flaws.length > 0,
      `${file}: ${[...errors, ...flaws.map((f) => f.code)].join(', ')}`,
    );
  }
});
