/** RTR PDUs (RFC 8210 section 5), laid out by hand; then cut short and flipped: an error value, never a throw. */
import fc from 'fast-check';
import t from 'tap';
import { formatPrefix } from '../../../../../src/core/base/prefix.ts';
import { Splitter } from '../../../../../src/core/base/splitter.ts';
import {
  decodeRtrPdu,
  encodeResetQuery,
  encodeRtrErrorReport,
  encodeSerialQuery,
  rtrFraming,
} from '../../../../../src/core/wire/rtr/pdu.ts';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const pdus: ReadonlyArray<readonly [string, string, object]> = [
  [
    'Serial Notify',
    '01 00 0007 0000000c 0000002a',
    { kind: 'serial_notify', session: 7, serial: 42 },
  ],
  ['Cache Response', '01 03 0007 00000008', { kind: 'cache_response', session: 7 }],
  [
    'IPv4 Prefix',
    '01 04 0000 00000014 01 16 18 00 c6336400 0000fc00',
    { kind: 'prefix', isAnnounced: true, maxLength: 24, asn: 64512 },
  ],
  [
    'IPv6 Prefix, withdrawn',
    '01 06 0000 00000020 00 20 30 00 20010db8 00000000 00000000 00000000 0000fc00',
    { kind: 'prefix', isAnnounced: false, maxLength: 48, asn: 64512 },
  ],
  [
    'End of Data',
    '01 07 0007 00000018 0000002a 00000e10 00000258 00001c20',
    { kind: 'end_of_data', serial: 42, intervals: { refreshS: 3600, retryS: 600, expireS: 7200 } },
  ],
  ['End of Data, version 0', '00 07 0007 0000000c 0000002a', { kind: 'end_of_data', serial: 42 }],
  ['Cache Reset', '01 08 0000 00000008', { kind: 'cache_reset' }],
  ['Router Key', '01 09 0100 0000000c 01020304', { kind: 'ignored', type: 9 }],
  [
    'Error Report',
    '01 0a 0002 00000013 00000000 00000003 6e6f6e',
    { kind: 'error_report', code: 2, text: 'non' },
  ],
];

t.test('each PDU says what it holds', async (t) => {
  for (const [name, hex, value] of pdus) {
    const decoded = decodeRtrPdu(bytes(hex));
    t.match(decoded, { ok: true, value }, name);
    if (decoded.ok && decoded.value.kind === 'prefix')
      t.match(formatPrefix(decoded.value.prefix), /^(198\.51\.100\.0\/22|2001:db8::\/32)$/);
  }
});

t.test('lengths that contradict are errors with their place', async (t) => {
  t.match(decodeRtrPdu(bytes('01 03 0007 0000000c 00000000')), { error: { code: 'length' } });
  const prefix = (length: string, max: string) =>
    decodeRtrPdu(bytes(`01 04 0000 00000014 01 ${length} ${max} 00 c6336400 0000fc00`));
  t.match(prefix('21', '21'), { error: { code: 'prefix_length', offset: 9 } });
  t.match(prefix('16', '15'), { error: { code: 'max_length', offset: 10 } });
  t.match(prefix('16', '21'), { error: { code: 'max_length', offset: 10 } });
});

t.test('what we send', async (t) => {
  t.same(encodeResetQuery(1), bytes('01 02 0000 00000008'));
  t.same(encodeSerialQuery(1, 7, 42), bytes('01 01 0007 0000000c 0000002a'));
  t.same(
    encodeRtrErrorReport(1, 3, bytes('01 03 0007 00000008'), 'no'),
    bytes('01 0a 0003 0000001a 00000008 0103000700000008 00000002 6e6f'),
  );
});

t.test('a stream in any pieces gives the same PDUs; a length that cannot be ends it', async (t) => {
  const stream = Uint8Array.from(pdus.flatMap(([, hex]) => [...bytes(hex)]));
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 8 }), (cuts) => {
      const splitter = new Splitter(rtrFraming);
      const kinds: string[] = [];
      let from = 0;
      for (const to of [...cuts, stream.length].sort((a, b) => a - b)) {
        splitter.push(stream.subarray(from, to));
        from = to;
        for (let next = splitter.next(); next?.ok; next = splitter.next()) {
          const pdu = decodeRtrPdu(next.value);
          kinds.push(pdu.ok ? pdu.value.kind : pdu.error.code);
        }
      }
      return kinds.length === pdus.length;
    }),
  );
  const splitter = new Splitter(rtrFraming);
  splitter.push(bytes('01 08 0000 00000007'));
  t.match(splitter.next(), { error: { code: 'frame_length', offset: 0, length: 7 } });
  splitter.push(bytes('01 08 0000 00000008'));
  t.match(splitter.next(), { ok: false }, 'for ever');
});

t.test('cut at every length and with flipped bits it gives a value or an error', async (t) => {
  const all = pdus.map(([, hex]) => bytes(hex));
  for (const whole of all)
    for (let length = 0; length < whole.length; length++) decodeRtrPdu(whole.subarray(0, length));
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.nat(), fc.nat(255), (whole, at, value) => {
      const changed = whole.slice();
      changed[at % changed.length] = value;
      decodeRtrPdu(changed);
    }),
  );
  t.pass();
});
