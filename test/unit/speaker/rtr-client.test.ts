/** The RTR client against scripted caches, on a clock that the test moves. */
import type { Duplex } from 'node:stream';
import t from 'tap';
import { ByteWriter } from '../../../src/core/base/bytes.ts';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { asn } from '../../../src/core/base/units.ts';
import { RtrClient } from '../../../src/speaker/index.ts';
import { HandClock, makePipe, settle } from './scripted-router.ts';

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const own = asn(64512);
const head = (version: number, type: number, session: number, length: number) =>
  new ByteWriter(length).u8(version).u8(type).u16(session).u32(length);
const vrp = (text: string, maxLength: number, isAnnounced = true) => {
  const { bytes, length } = prefix(text);
  const flags = isAnnounced ? 1 : 0;
  return head(1, 4, 0, 20).u8(flags).u8(length).u8(maxLength).u8(0).put(bytes).u32(own).finish();
};
const response = (session: number) => head(1, 3, session, 8).finish();
const end = (session: number, serial: number) =>
  head(1, 7, session, 24).u32(serial).u32(3600).u32(600).u32(7200).finish();
const notify = (session: number, serial: number) => head(1, 0, session, 12).u32(serial).finish();

/** One cache: what it was asked, and a way to answer. */
class Cache {
  readonly asked: string[] = [];
  isUp = true;
  #socket: Duplex | undefined;

  readonly open = async (): Promise<Duplex> => {
    if (!this.isUp) throw new Error('connection refused');
    const [ours, theirs] = makePipe();
    this.#socket = ours;
    ours.on('error', () => {});
    ours.on('data', (chunk: Buffer) => {
      const names = { 1: 'serial', 2: 'reset', 10: 'error' } as Record<number, string>;
      const serial = chunk[1] === 1 ? ` ${chunk.readUInt32BE(8)}` : '';
      const code = chunk[1] === 10 ? ` ${chunk.readUInt16BE(2)}` : '';
      this.asked.push(`v${chunk[0]} ${names[chunk[1] ?? 0]}${serial}${code}`);
    });
    return theirs;
  };

  async say(...pdus: readonly Uint8Array[]): Promise<void> {
    for (const pdu of pdus) this.#socket?.write(Buffer.from(pdu));
    await settle();
  }

  async fall(): Promise<void> {
    this.isUp = false;
    this.#socket?.destroy();
    await settle();
  }
}

async function open(maxAgeMs = 6 * 3_600_000) {
  const clock = new HandClock();
  const caches = [new Cache(), new Cache()] as const;
  const [first, second] = caches;
  const client = new RtrClient({
    caches: caches.map((_, i) => ({ address: `10.0.0.${i + 1}`, port: 323 })),
    networks: [prefix('198.51.100.0/22')],
    maxAgeMs,
    clock,
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    openSocket: ({ address }) => (address === '10.0.0.1' ? first : second).open(),
  });
  client.start();
  await settle();
  const validity = () => client.table?.validate(prefix('198.51.100.0/24'), own).validity;
  return { clock, first, second, client, validity };
}

t.test('a whole answer, then changes by serial; only what touches us is kept', async (t) => {
  const { first, client, validity } = await open();
  t.same(first.asked, ['v1 reset']);
  t.equal(client.isStale, true);
  await first.say(response(7), vrp('198.51.100.0/22', 22), vrp('203.0.113.0/24', 24));
  t.equal(client.table, undefined, 'half an answer is none');
  await first.say(end(7, 1));
  t.equal(validity(), 'invalid');
  t.match(client.status, { vrps: 2, kept: 1, serial: 1, cache: '10.0.0.1 port 323' });
  t.equal(client.isStale, false);
  t.equal(client.complaint, undefined);
  await first.say(notify(7, 2));
  t.same(first.asked.slice(1), ['v1 serial 1']);
  await first.say(notify(7, 3), response(7), vrp('198.51.100.0/22', 24), end(7, 2));
  t.equal(validity(), 'valid');
  t.same(first.asked.slice(2), ['v1 serial 2'], 'news that came meanwhile is asked for');
  await first.say(response(7), vrp('198.51.100.0/22', 24, false), end(7, 3));
  t.equal(validity(), 'invalid');
  client.stop();
});

t.test('a cache that cannot tell changes, or began anew, is asked for everything', async (t) => {
  const { first, client, clock, validity } = await open();
  await first.say(response(7), vrp('198.51.100.0/22', 24), end(7, 1));
  clock.advance(3_600_000);
  await settle();
  t.equal(first.asked.at(-1), 'v1 serial 1', 'at the refresh interval');
  await first.say(head(1, 8, 0, 8).finish());
  t.equal(first.asked.at(-1), 'v1 reset');
  t.equal(validity(), 'valid', 'the old set stays meanwhile');
  await first.say(response(8), end(8, 9));
  t.equal(validity(), 'not_found', 'the new one replaces it whole');
  await first.say(notify(9, 1));
  await first.say(response(9));
  t.equal(first.asked.at(-1), 'v1 reset', 'another session');
  client.stop();
});

t.test('when a cache is lost the next one answers, and the set stays until it has', async (t) => {
  const { first, second, client, clock, validity } = await open();
  await first.say(response(7), vrp('198.51.100.0/22', 24), end(7, 1));
  await first.fall();
  t.same(second.asked, ['v1 reset'], 'another cache counts on its own');
  t.equal(validity(), 'valid');
  await second.say(response(3), vrp('198.51.100.0/22', 22), end(3, 5));
  t.equal(validity(), 'invalid');
  first.isUp = true;
  clock.advance(3_600_000);
  await settle();
  t.equal(first.asked.at(-1), 'v1 reset', 'the preferred one is tried again at the refresh');
  client.stop();
});

t.test('all lost: the data grows stale, and the loss is said', async (t) => {
  const { first, second, client, clock, validity } = await open(600_000);
  await first.say(response(7), vrp('198.51.100.0/22', 24), end(7, 1));
  second.isUp = false;
  await first.fall();
  t.match(client.complaint, /no cache is connected/);
  t.equal(client.isStale, false);
  clock.advance(600_001);
  await settle();
  t.equal(client.isStale, true);
  t.equal(validity(), 'valid', 'what was known is there, and marked');
  first.isUp = true;
  clock.advance(60_000);
  await settle();
  t.equal(first.asked.at(-1), 'v1 serial 1', 'the same cache goes on where it was');
  await first.say(response(7), end(7, 2));
  t.equal(client.isStale, false);
  client.stop();
  clock.advance(100_000_000);
  await settle();
  t.equal(clock.pending, 0, 'no timer is left behind');
});

t.test('an old cache is spoken to in its version', async (t) => {
  const { first, client } = await open();
  await first.say(head(0, 10, 4, 16).u32(0).u32(0).finish());
  t.equal(first.asked.at(-1), 'v0 reset');
  client.stop();
});

t.test('what a cache must not say ends the session, with the RFC’s code', async (t) => {
  const twice = vrp('198.51.100.0/22', 24);
  const cases: ReadonlyArray<readonly [string, number, ...Uint8Array[]]> = [
    ['an answer announces twice', 7, response(7), twice, twice],
    ['a withdrawal of what is unknown', 6, response(7), vrp('198.51.100.0/22', 24, false)],
    ['a prefix outside an answer', 0, twice],
    ['an end of no answer', 0, end(7, 1)],
    ['another version', 8, head(0, 3, 7, 8).finish()],
    ['an impossible length', 0, head(1, 3, 7, 4).finish()],
    ['an impossible prefix', 0, head(1, 4, 0, 20).u8(1).u8(40).u8(40).u8(0).u64(0n).finish()],
  ];
  for (const [name, code, ...pdus] of cases) {
    const { first, second, client } = await open();
    await first.say(...pdus);
    t.equal(first.asked.at(-1), `v1 error ${code}`, name);
    t.same(second.asked, ['v1 reset'], 'and the next cache is asked');
    t.equal(client.table, undefined);
    client.stop();
  }
});
