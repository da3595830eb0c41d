/** Random and mutated bytes through everything that reads BGP: values or errors, never a throw, and no disagreement. */
import fc from 'fast-check';
import t from 'tap';
import { AdjRibIn } from '../../src/core/bgp/rib/adj-rib-in.ts';
import { UpdateIntake } from '../../src/core/bgp/rib/intake.ts';
import { parseVrpFile } from '../../src/core/bgp/rpki.ts';
import type { AttributeContext } from '../../src/core/wire/bgp/attributes.ts';
import { messageType } from '../../src/core/wire/bgp/codes.ts';
import { MessageSplitter } from '../../src/core/wire/bgp/framing.ts';
import { decodeMessage } from '../../src/core/wire/bgp/message.ts';
import { decodeMrtRecord, readMrtFrames } from '../../src/core/wire/mrt/decode.ts';
import { readWireFixtures } from '../support/wire-fixture.ts';

const runs = process.env.HEADGATE_LONG === '1' ? 200_000 : 4_000;
const fixtures = readWireFixtures('bgp').map(({ bytes }) => bytes);

const anyContext: fc.Arbitrary<AttributeContext> = fc.record({
  as4: fc.boolean(),
  isInternal: fc.boolean(),
  addPath: fc.record({ 4: fc.boolean(), 6: fc.boolean() }),
  acceptAsSets: fc.boolean(),
});

/** A fixture with some octets replaced, some taken out and some put in; its header then made to fit. */
const anyMessage = fc
  .tuple(
    fc.constantFrom(...fixtures),
    fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 6 }),
    fc.array(fc.tuple(fc.nat(300), fc.nat(8)), { maxLength: 2 }),
    fc.uint8Array({ maxLength: 12 }),
  )
  .map(([fixture, changes, cuts, tail]) => {
    let octets = [...fixture];
    for (const [at, value] of changes) if (at > 18 && at < octets.length) octets[at] = value;
    for (const [at, count] of cuts) if (at > 18) octets.splice(at, count);
    octets = [...octets, ...tail];
    octets[16] = octets.length >> 8;
    octets[17] = octets.length & 255;
    return Uint8Array.from(octets);
  });

t.test('mutated messages: decoded, or an error whose place is inside', async () => {
  fc.assert(
    fc.property(anyMessage, anyContext, (bytes, context) => {
      const splitter = new MessageSplitter();
      splitter.push(bytes);
      const frame = splitter.next();
      if (!frame) return true;
      const message = frame.ok ? decodeMessage(frame.value, context) : frame;
      if (message.ok) return true;
      const { offset, reaction } = message.error;
      return reaction === 'reset_session' && offset >= 0 && offset <= bytes.length;
    }),
    { numRuns: runs },
  );
});

t.test('the quick way into the table and the decoder agree on what is fatal', async () => {
  fc.assert(
    fc.property(anyMessage, anyContext, (bytes, context) => {
      if (bytes[18] !== messageType.update || bytes.length < 23) return true;
      const rib = new AdjRibIn();
      const intake = new UpdateIntake(rib, rib.addPeer(), context);
      const taken = intake.take(bytes);
      const decoded = decodeMessage({ type: messageType.update, bytes }, context);
      if (taken.ok !== decoded.ok) return false;
      if (!taken.ok || !decoded.ok || decoded.value.kind !== 'update') return true;
      const { update, reaction, errors } = decoded.value.decoded;
      // What the quick way passes as sound without decoding must decode without a flaw.
      if (taken.value.errors.length !== errors.length) return false;
      const announced = update.announced.length + (update.mpReach?.nlri.length ?? 0);
      const kept = reaction === 'treat_as_withdraw' ? 0 : announced;
      return taken.value.announced === kept && rib.pathsOf(0) <= kept;
    }),
    { numRuns: runs },
  );
});

t.test('a stream cut at any places gives the same messages', async () => {
  const stream = Uint8Array.from(
    fixtures.filter((bytes) => bytes[18] !== 0).flatMap((bytes) => [...bytes]),
  );
  const read = (chunks: readonly Uint8Array[]) => {
    const splitter = new MessageSplitter();
    const found: string[] = [];
    for (const chunk of chunks) {
      splitter.push(chunk);
      for (let next = splitter.next(); next; next = splitter.next()) {
        found.push(next.ok ? Buffer.from(next.value.bytes).toString('hex') : next.error.code);
        if (!next.ok) break;
      }
    }
    return found.join(' ');
  };
  const whole = read([stream]);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const chunks = places.slice(1).map((end, i) => stream.slice(places[i], end));
      return read(chunks) === whole;
    }),
    { numRuns: Math.min(runs, 2_000) },
  );
});

t.test('random bytes as dumps and texts as VRP files', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const frame of readMrtFrames(bytes)) if (frame.ok) decodeMrtRecord(frame.value);
      for (const [type, subtypes] of [
        [13, [1, 2, 4, 6, 8]],
        [16, [0, 1, 4, 5, 9]],
      ] as const) {
        for (const subtype of subtypes)
          decodeMrtRecord({
            timestampS: 0,
            microseconds: 0,
            type,
            subtype,
            body: bytes,
            offset: 0,
          });
      }
      return true;
    }),
    { numRuns: runs },
  );
  fc.assert(
    fc.property(fc.string(), (text) => parseVrpFile(text) !== undefined),
    { numRuns: runs },
  );
});
