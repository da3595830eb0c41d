/** Every wire fixture, both ways; then truncated at every length and with every bit flipped. */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { formatPrefix } from '../../../../../src/core/base/prefix.ts';
import type { AttributeContext } from '../../../../../src/core/wire/bgp/attributes.ts';
import { messageType } from '../../../../../src/core/wire/bgp/codes.ts';
import type { BgpError } from '../../../../../src/core/wire/bgp/error.ts';
import { reactions } from '../../../../../src/core/wire/bgp/error.ts';
import { MessageSplitter } from '../../../../../src/core/wire/bgp/framing.ts';
import { decodeMessage, encodeAnyMessage } from '../../../../../src/core/wire/bgp/message.ts';
import { readWireFixtures, type WireFixture } from '../../../../support/wire-fixture.ts';

const fixtures = readWireFixtures('bgp');

const contextOf = (fixture: WireFixture): AttributeContext => ({
  as4: true,
  isInternal: false,
  addPath: { 4: false, 6: false },
  acceptAsSets: false,
  ...fixture.context,
});

/** Prefixes as text and octets as hexadecimal: what a person can compare. */
function toJson(value: unknown): unknown {
  const text = JSON.stringify(value, (key, item) => {
    if (key === 'prefix') return formatPrefix(item);
    if (item instanceof Uint8Array) return Buffer.from(item).toString('hex');
    return item;
  });
  return JSON.parse(text);
}

function decode(bytes: Uint8Array, context: AttributeContext) {
  const splitter = new MessageSplitter();
  splitter.push(bytes);
  const frame = splitter.next();
  if (!frame?.ok) return frame;
  return decodeMessage(frame.value, context);
}

const describe = ({ code, offset, reaction, attribute, notification }: BgpError) => ({
  code,
  offset,
  reaction,
  ...(attribute === undefined ? {} : { attribute }),
  notification: `${notification.code}/${notification.subcode}`,
});

/** What the JSON part of a fixture holds: the message, or the error that resets the session. */
function summarize(bytes: Uint8Array, context: AttributeContext): unknown {
  const decoded = decode(bytes, context);
  if (!decoded) return { incomplete: true };
  if (!decoded.ok) return { error: describe(decoded.error) };
  const message = decoded.value;
  if (message.kind !== 'update') return toJson(message);
  const { update, reaction, errors } = message.decoded;
  return {
    kind: 'update',
    ...(reaction ? { reaction, errors: errors.map(describe) } : {}),
    update: toJson(update),
  };
}

t.test('each message is read as its fixture says', async (t) => {
  for (const fixture of fixtures) {
    t.same(
      summarize(fixture.bytes, contextOf(fixture)),
      fixture.json,
      `${fixture.name}: ${fixture.note}`,
    );
  }
});

t.test('the reaction to each flaw is the one that its RFC names', async (t) => {
  const words: ReadonlyArray<readonly [RegExp, string]> = [
    [/treat as withdraw/, 'treat_as_withdraw'],
    [/discarded/, 'discard_attribute'],
    [/./, 'reset_session'],
  ];
  for (const fixture of fixtures.filter(({ name }) => name.startsWith('bad-'))) {
    const decoded = decode(fixture.bytes, contextOf(fixture));
    const said = words.find(([word]) => word.test(fixture.note))?.[1];
    const found = !decoded?.ok
      ? decoded?.error.reaction
      : decoded.value.kind === 'update' && decoded.value.decoded.reaction;
    t.equal(found, said, `${fixture.name}: ${fixture.origin}`);
  }
});

t.test('what is flawless is written as it was read', async (t) => {
  for (const fixture of fixtures) {
    const context = contextOf(fixture);
    const decoded = decode(fixture.bytes, context);
    if (!decoded?.ok) continue;
    const isClean = decoded.value.kind !== 'update' || decoded.value.decoded.errors.length === 0;
    if (!isClean) continue;
    const again = encodeAnyMessage(decoded.value, context);
    t.same(summarize(again, context), fixture.json, fixture.name);
  }
});

t.test('cut off at any length it is incomplete, or an error with its place', async (t) => {
  for (const fixture of fixtures) {
    const context = contextOf(fixture);
    for (let length = 0; length < fixture.bytes.length; length++) {
      const cut = fixture.bytes.slice(0, length);
      const waiting = decode(cut, context);
      if (waiting !== undefined)
        t.notOk(waiting.ok, `${fixture.name} cut to ${length} waits for the rest`);
      // The same with a header that claims nothing is missing.
      if (length < 19) continue;
      cut[16] = length >> 8;
      cut[17] = length;
      expectSound(t, decode(cut, context), length, `${fixture.name} shortened to ${length}`);
    }
  }
});

t.test('with any bit flipped it is a value, or an error with its place', async (t) => {
  for (const fixture of fixtures) {
    const context = contextOf(fixture);
    for (let bit = 0; bit < fixture.bytes.length * 8; bit++) {
      const flipped = fixture.bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      expectSound(t, decode(flipped, context), flipped.length, `${fixture.name}, bit ${bit}`);
    }
  }
});

function expectSound(
  t: { fail: (message: string) => unknown },
  decoded: ReturnType<typeof decode>,
  length: number,
  what: string,
): void {
  if (!decoded) return;
  const errors = decoded.ok
    ? decoded.value.kind === 'update'
      ? decoded.value.decoded.errors
      : []
    : [decoded.error];
  for (const { offset, reaction, notification } of errors) {
    if (offset < 0 || offset > length) t.fail(`${what}: error at ${offset} of ${length}`);
    if (!reactions.includes(reaction)) t.fail(`${what}: reaction ${reaction}`);
    if (notification.code < 1 || notification.code > 7)
      t.fail(`${what}: code ${notification.code}`);
  }
  if (!decoded.ok && decoded.error.reaction !== 'reset_session')
    t.fail(`${what}: a mild fatal error`);
}

t.test('the checks above can fail', async (t) => {
  const [fixture] = fixtures.filter(({ name }) => name === 'update-ipv4');
  if (!fixture) throw new Error('update-ipv4 is a fixture');
  const changed = fixture.bytes.slice();
  changed[changed.length - 1] = 0;
  t.notSame(summarize(changed, contextOf(fixture)), fixture.json);
  t.equal(fixture.bytes[18], messageType.update);
});

// Rewrites the JSON parts from what the decoder says now: read the difference before you keep it.
if (process.env.HEADGATE_REWRITE_FIXTURES === '1') {
  for (const fixture of fixtures) {
    const file = `test/fixtures/bgp/${fixture.name}.txt`;
    const head = readFileSync(file, 'utf8').split('--- json\n')[0] ?? '';
    const json = JSON.stringify(summarize(fixture.bytes, contextOf(fixture)), null, 1);
    writeFileSync(file, `${head}--- json\n${json}\n`);
  }
}
