import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { membershipOf, standingOf } from '../../../src/cluster/membership.ts';
import {
  decodeMessage,
  encodeMessage,
  PartJoiner,
  splitBytes,
} from '../../../src/cluster/messages.ts';

t.test('a message of another protocol version is refused and named', async (t) => {
  const bytes = gzipSync(JSON.stringify({ version: 9, unit: 'west', body: {} }));
  t.same(decodeMessage(bytes), {
    ok: false,
    error: { code: 'unknown_version', version: 9, unit: 'west' },
  });
});

t.test('any bytes give a message or an error', async () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => !decodeMessage(bytes).ok));
  fc.assert(
    fc.property(fc.jsonValue(), (body) => {
      const message = decodeMessage(encodeMessage('west', body));
      return message.ok && JSON.stringify(message.value.body) === JSON.stringify(body);
    }),
  );
});

t.test('a value comes together from its parts in any order, once', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      fc.infiniteStream(fc.nat()),
      (bytes, size, order) => {
        const parts = splitBytes(bytes, size).map((part, index, all) => ({
          sender: 'a',
          serial: 1,
          index,
          count: all.length,
          bytes: part,
        }));
        parts.sort(() => ((order.next().value ?? 0) % 3) - 1);
        const joiner = new PartJoiner();
        const whole = [...parts, ...parts.slice(0, -1)]
          .map((part) => joiner.add(part))
          .filter((value) => value !== undefined);
        return Buffer.concat(whole.slice(0, 1)).equals(Buffer.from(bytes));
      },
    ),
  );
});

t.test('parts that cannot be are counted and cost nothing', async (t) => {
  const joiner = new PartJoiner();
  const bytes = new Uint8Array(1);
  for (const part of [
    { index: 0, count: 1e9 },
    { index: 5, count: 2 },
    { index: -1, count: 1 },
  ]) {
    t.equal(joiner.add({ sender: 'x', serial: 1, bytes, ...part }), undefined);
  }
  t.equal(joiner.refused, 3);
  joiner.add({ sender: 'a', serial: 1, index: 0, count: 2, bytes });
  t.ok(
    joiner.add({ sender: 'a', serial: 2, index: 0, count: 1, bytes }),
    'a newer value replaces an unfinished one',
  );
  t.equal(joiner.abandoned, 1);
});

t.test('a silent unit keeps its blocks until it has let go of them', async (t) => {
  const times = { silentMs: 100, holdMs: 1000 };
  const nobody = new Set<string>();
  const heard = new Map([
    ['east', 0],
    ['west', 1900],
  ]);
  t.same(membershipOf(heard, nobody, 50, times).live, ['east', 'west']);
  t.same(membershipOf(heard, nobody, 1150, times).frozen, ['east']);
  t.same(membershipOf(heard, nobody, 1950, times), { live: ['west'], frozen: [], gone: ['east'] });
  t.same(membershipOf(heard, new Set(['west']), 1950, times).gone, ['east', 'west'], 'a goodbye');
  for (let silence = 0; silence < 3000; silence += 10) {
    const isReleased = standingOf(0, silence, times) === 'released';
    // The unit was last led up to one silent time later than it was last heard.
    const isGone =
      membershipOf(new Map([['east', 0]]), nobody, silence + times.silentMs, times).gone.length > 0;
    if (isGone && !isReleased) t.fail(`given away at ${silence} ms before it was let go`);
  }
});
