/** Sessions between many hosts, of every kind that must stay on one worker: tags, PPPoE, labels, fragments, both families. */
import { parseAddress } from '../../src/core/base/prefix.ts';
import type { Side } from './border.ts';

export interface Conversation {
  readonly inside: string;
  readonly outside: string;
  readonly isTcp: boolean;
  /** In the order in which they are sent, by the side that sends. The last eight bytes name conversation and place. */
  readonly frames: Readonly<Record<Side, readonly Buffer[]>>;
}

/** What stands before the IP header. Both directions of one session may differ in it. */
const shells: ReadonlyArray<(family: 4 | 6, bytes: number) => string> = [
  (family) => etherType(family),
  (family) => `8100 0064 ${etherType(family)}`,
  (family) => `88a8 0065 8100 0066 ${etherType(family)}`,
  (family, bytes) => `8864 11 00 0001 ${hex(bytes + 2, 2)} ${family === 4 ? '0021' : '0057'}`,
  () => '8847 00064 0 40 000c8 1 40',
];

/** `random`: below 1, seeded. */
export function conversations(count: number, random: () => number): readonly Conversation[] {
  const below = (limit: number) => Math.floor(random() * limit);
  return Array.from({ length: count }, (_, number) => {
    const family = below(3) === 0 ? 6 : 4;
    const [inside, outside] =
      family === 4
        ? [`198.18.${below(256)}.${1 + below(254)}`, `203.0.113.${1 + below(254)}`]
        : [`2001:db8:1::${hex(1 + below(9999), 2)}`, `2001:db8:2::${hex(1 + below(9999), 2)}`];
    const isTcp = below(2) === 0;
    const port = 1024 + below(60_000);
    const frames = (from: Side) => {
      const [source, destination] = from === 'inside' ? [inside, outside] : [outside, inside];
      const ports = from === 'inside' ? `${hex(port, 2)} 01bb` : `01bb ${hex(port, 2)}`;
      const shell = shells[below(shells.length)];
      if (!shell) throw new Error('there are shells');
      const parts = isTcp ? segments(ports, from) : datagrams(ports);
      return parts.map((part, place) => {
        const payload = bytesOf(`${part.payload} ${hex(number, 4)} ${hex(place, 4)}`);
        const packet = packetOf(family, source, destination, part, payload);
        return Buffer.concat([
          bytesOf(`02005e005301 02005e005302 ${shell(family, packet.length)}`),
          packet,
        ]);
      });
    };
    return {
      inside,
      outside,
      isTcp,
      frames: { inside: frames('inside'), outside: frames('outside') },
    };
  });
}

/** Of all conversations in turn, so that those of one stand far apart. */
export function interleaved(all: readonly Conversation[], side: Side): readonly Buffer[] {
  const most = Math.max(...all.map(({ frames }) => frames[side].length));
  return Array.from({ length: most }, (_, place) =>
    all.flatMap(({ frames }) => frames[side][place] ?? []),
  ).flat();
}

/** The conversation that a frame is of. */
export const numberOf = (frame: Buffer): number => frame.readUInt32BE(frame.length - 8);

interface Part {
  readonly protocol: 6 | 17;
  readonly payload: string;
  /** In units of eight bytes, and whether more follow. */
  readonly fragment?: readonly [offset: number, more: boolean];
}

/** An opening and three segments of ten bytes, the second of them twice. */
function segments(ports: string, from: Side): readonly Part[] {
  const first = from === 'inside' ? 1000 : 5000;
  const acknowledged = from === 'inside' ? 5001 : 1001;
  // Timestamps, each newer than the one before (RFC 7323): no segment is taken for a copy of another, at any speed.
  let now = 0;
  const segment = (seq: number, flags: string, text: string): Part => ({
    protocol: 6,
    payload: `${ports} ${hex(seq, 4)} ${hex(acknowledged, 4)} 80 ${flags} ffff 0000 0000 0101 080a ${hex(++now, 4)} ${hex(1, 4)} ${text}`,
  });
  const opening = segment(first, from === 'inside' ? '02' : '12', '');
  // With the name of the frame 16 bytes each; the opening's name is data too, which it may bear (RFC 9293 section 3.4).
  const data = [0, 1, 1, 2].map((place) =>
    segment(first + 9 + 16 * place, '10', '01 02 03 04 05 06 07 08'),
  );
  return [opening, ...data];
}

/** Whole, in three fragments, and whole again. */
function datagrams(ports: string): readonly Part[] {
  const whole: Part = { protocol: 17, payload: `${ports} ${hex(8 + 8 + 8, 2)} 0000 ${filler(8)}` };
  const middle = (offset: number, more: boolean): Part => ({
    protocol: 17,
    payload: filler(24),
    fragment: [offset, more],
  });
  const first: Part = {
    protocol: 17,
    payload: `${ports} 0068 0000 ${filler(16)}`,
    fragment: [0, true],
  };
  return [whole, first, middle(4, true), middle(8, false), whole];
}

function packetOf(
  family: 4 | 6,
  source: string,
  destination: string,
  { protocol, fragment }: Part,
  payload: Buffer,
): Buffer {
  const [offset, more] = fragment ?? [0, false];
  if (family === 4) {
    const flags = (more ? 0x2000 : 0) | offset;
    return bytesOf(
      `4500 ${hex(20 + payload.length, 2)} 1234 ${hex(flags, 2)} 40 ${hex(protocol, 1)} 0000`,
      octets(source),
      octets(destination),
      payload,
    );
  }
  const extension = fragment
    ? `${hex(protocol, 1)} 00 ${hex((offset << 3) | Number(more), 2)} 00001234`
    : '';
  const length = payload.length + (fragment ? 8 : 0);
  return bytesOf(
    `60000000 ${hex(length, 2)} ${fragment ? '2c' : hex(protocol, 1)} 40`,
    octets(source),
    octets(destination),
    extension,
    payload,
  );
}

const etherType = (family: 4 | 6): string => (family === 4 ? '0800' : '86dd');
const filler = (bytes: number): string => 'a5'.repeat(bytes);
const hex = (value: number, bytes: number): string => value.toString(16).padStart(bytes * 2, '0');
const bytesOf = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part.replaceAll(/\s/g, ''), 'hex') : part,
    ),
  );

function octets(text: string): Uint8Array {
  const address = parseAddress(text);
  if (!address.ok) throw new Error(`${text} is no address`);
  return address.value.bytes;
}
