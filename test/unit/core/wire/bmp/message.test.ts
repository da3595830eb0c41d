/** BMP messages (RFC 7854 section 4), laid out by hand; then cut short and flipped: an error value, never a throw. */
import fc from 'fast-check';
import t from 'tap';
import { asn } from '../../../../../src/core/base/units.ts';
import { buildOpen } from '../../../../../src/core/bgp/negotiate.ts';
import { encodeOpen } from '../../../../../src/core/wire/bgp/open.ts';
import { encodeEndOfRib } from '../../../../../src/core/wire/bgp/update.ts';
import { decodeBmpMessage } from '../../../../../src/core/wire/bmp/message.ts';

const bytes = (hex: string) => [...Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')];
const message = (type: number, ...body: ReadonlyArray<readonly number[]>) => {
  const all = body.flat();
  const length = all.length + 6;
  return Uint8Array.from([3, ...bytes(length.toString(16).padStart(8, '0')), type, ...all]);
};
/** Peer 192.0.2.7 of AS 65001, identifier 10.0.0.7, at 2 s and 3 ms. */
const peer = (type: string, flags: string) =>
  bytes(`${type} ${flags} 0000000000000000 ${'00'.repeat(12)} c0000207
    0000fde9 0a000007 00000002 00000bb8`);
const open = [
  ...encodeOpen(
    buildOpen(
      {
        localAsn: asn(65001),
        peerAsn: asn(64512),
        routerId: '10.0.0.7',
        holdTimeS: 90,
        isPassive: false,
        families: [4],
        addPath: true,
        gracefulRestartS: 0,
        staleMaxS: 0,
      },
      false,
    ),
  ),
];
const update = [...encodeEndOfRib(4)];

const messages: ReadonlyArray<readonly [string, Uint8Array, object]> = [
  [
    'Route Monitoring, before policy',
    message(0, peer('00', '00'), update),
    {
      kind: 'route_monitoring',
      peer: { table: 'in_pre', address: '192.0.2.7', asn: 65001, as4: true, atMs: 2003 },
    },
  ],
  [
    'after policy, two-octet AS numbers',
    message(0, peer('00', '60'), update),
    { peer: { table: 'in_post', as4: false } },
  ],
  [
    'Adj-RIB-Out after policy',
    message(0, peer('00', '50'), update),
    { peer: { table: 'out_post' } },
  ],
  ['Loc-RIB', message(0, peer('03', '00'), update), { peer: { table: 'local', address: '' } }],
  [
    'Statistics',
    message(
      1,
      peer('00', '00'),
      bytes(
        '00000003 0000 0004 0000002a 0007 0008 0000000000000007 0009 000b 0001 01 0000000000000005',
      ),
    ),
    {
      kind: 'statistics',
      counts: [
        { name: 'rejected_by_policy', value: 42 },
        { name: 'routes_in', value: 7 },
        { name: 'routes_in_by_family_1_1', value: 5 },
      ],
    },
  ],
  ['Peer Down', message(2, peer('00', '00'), [4]), { kind: 'peer_down', reason: /lost/ }],
  [
    'Peer Up',
    message(3, peer('00', '00'), bytes(`${'00'.repeat(12)} c0000201 00b3 c000`), open, open),
    {
      kind: 'peer_up',
      localAddress: '192.0.2.1',
      sent: { asn: 65001 },
      received: { holdTimeS: 90 },
    },
  ],
  [
    'Initiation',
    message(4, bytes('0001 0003 6c6162 0002 0003 627231')),
    { kind: 'initiation', systemName: 'br1', description: 'lab' },
  ],
  ['Termination', message(5, bytes('0000 0003 627965')), { kind: 'termination', reason: 'bye' }],
  ['Route Mirroring', message(6, peer('00', '00'), [1, 2]), { kind: 'ignored', type: 6 }],
];

t.test('each message says what it holds', async (t) => {
  for (const [name, whole, value] of messages)
    t.match(decodeBmpMessage(whole), { ok: true, value }, name);
});

t.test('what is not BMP version 3 is an error with its place', async (t) => {
  const [, first = new Uint8Array(0)] = messages[0] ?? [];
  const other = first.slice();
  other[0] = 2;
  t.match(decodeBmpMessage(other), { error: { code: 'version', offset: 0 } });
  t.match(decodeBmpMessage(first.subarray(0, 20)), { error: { code: 'short' } });
  t.match(decodeBmpMessage(message(0, peer('07', '00'), update)), { error: { code: 'table' } });
});

t.test('cut at every length and with flipped bits it gives a value or an error', async (t) => {
  const all = messages.map(([, whole]) => whole);
  for (const whole of all)
    for (let length = 0; length < whole.length; length++)
      decodeBmpMessage(whole.subarray(0, length));
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.nat(), fc.nat(255), (whole, at, value) => {
      const changed = whole.slice();
      changed[at % changed.length] = value;
      decodeBmpMessage(changed);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
