/**
 * Copies that come wrapped, as a router or switch sends them over a network: ERSPAN and VXLAN. And those of whole sessions,
 * whose round trips are known.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import type { EngineTables } from '../../../src/engine/index.ts';
import { session } from '../../support/known-sessions.ts';
import { Border, unfit, until } from '../../wire/border.ts';
import { framesOfEveryKind } from '../../wire/frames.ts';
import { writePcap } from '../../wire/pcap.ts';

const folder = mkdtempSync(join(tmpdir(), 'hgo-mirror-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(120_000);

/** The station that frames of `framesOfEveryKind` are sent to, and the one that sends them. */
const router = '02:00:5e:00:53:02';
const tables: EngineTables = {
  blocks: [prefixText('10.77.0.1/32')],
  links: [
    { link: linkId('north'), attribute: { wire: 'core', mac: router } },
    { link: linkId('south'), attribute: { wire: 'core', vlan: 0x234 } },
  ],
};

t.test('wrapped copies are counted as what they hold', { skip: unfit }, async (t) => {
  const border = new Border('hgom', { isQuiet: true });
  t.teardown(() => border.close());
  border.run('unit', 'ip', 'address', 'add', '10.77.0.9/24', 'dev', 'in0');
  const unit = await border.openUnit({
    wires: [{ name: 'core', place: 'inside', inside: 'in0', driver: 'mirror' }],
    tables,
  });
  const small = framesOfEveryKind.find(({ kind }) => kind === 'IPv4 with trailing bytes')?.bytes;
  if (!small) throw new Error('a frame of that kind');
  // From our block to outside by north's station; and the same by another, with a tag in the wrapping.
  const toNorth = Buffer.from(small);
  const toSouth = Buffer.from(small);
  toSouth[5] = 0x77;
  const erspan = (vlan: string) => `47 10 00 88 be 00 00 00 01 1${vlan} 00 00 00 00`;
  const frames = [
    wrapped(erspan('0 00 00 05'), toNorth),
    wrapped(erspan('2 34 10 05'), toSouth),
    wrapped('17 c0 00 12 b5 LL LL 00 00 08 00 00 00 00 00 2a 00', toNorth),
    // No copy: the port's own conversation.
    wrapped('17 c0 00 00 35 LL LL 00 00', Buffer.alloc(12)),
  ];
  writePcap(join(folder, 'wrapped.pcap'), frames);
  await border.runAside(
    'inside',
    ...['tcpreplay', '-q', '-i', 'i0', '--pps=200', join(folder, 'wrapped.pcap')],
  );
  const { blocks, wires } = await until(
    'all are seen',
    () => unit.snapshot(),
    ({ wires }) => (wires[0]?.discarded ?? 0) >= 1 && (wires[0]?.unit.inbound.frames ?? 0) >= 4,
  );
  t.same(
    blocks.map(({ link, direction, packets, l2Bytes }) => ({ link, direction, packets, l2Bytes })),
    [
      { link: 'north', direction: 'outbound', packets: 2, l2Bytes: 2 * small.length },
      // With the tag that the switch took off.
      { link: 'south', direction: 'outbound', packets: 1, l2Bytes: small.length + 4 },
    ],
  );
  t.ok((wires[0]?.discarded ?? 0) >= 1, 'what wraps nothing is counted apart');
  border.run('inside', 'ping', '-c', '1', '-W', '5', '10.77.0.9');
});

t.test('round trips of a block, as the copies of its sessions come', { skip: unfit }, async (t) => {
  const border = new Border('hgbrtt', { isQuiet: true });
  t.teardown(() => border.close());
  const unit = await border.openUnit({
    wires: [{ name: 'core', place: 'inside', inside: 'in0', driver: 'mirror' }],
    tables,
  });
  const [sessions, exchanges, delayUs] = [4, 8, 30_000];
  const sent = Array.from({ length: sessions }, (_, i) =>
    session('0a4d0001', 20_000 + i, i * 5_000, new Array(exchanges).fill(delayUs)),
  ).flat();
  sent.sort((a, b) => a.atUs - b.atUs);
  const path = join(folder, 'sessions.pcap');
  writePcap(
    path,
    sent.map(({ frame }) => frame),
    (i) => sent[i]?.atUs ?? 0,
  );
  await border.runAside('inside', 'tcpreplay', '-q', '-i', 'i0', path);
  const own = prefixText('10.77.0.1/32');
  const [rtt] = await until(
    'all are seen',
    () => unit.blockRtts([own]),
    ([block]) => block?.samples === sessions * exchanges,
  );
  // Of 30 ms, which lie between 24,576 and 32,768; a busy machine sends the copies late.
  t.ok((rtt?.p50Us ?? 0) >= 16_384 && (rtt?.p50Us ?? 0) < 5e5, JSON.stringify(rtt));
});

/** `head`: IP protocol in decimal, then octets in hex with LL LL where the UDP length stands. */
function wrapped(head: string, frame: Buffer): Buffer {
  const [protocol = '', ...octets] = head.split(' ');
  const text = octets.join('').replace('LLLL', hex(8 + (octets.length - 8) + frame.length));
  const payload = Buffer.concat([Buffer.from(text, 'hex'), frame]);
  const ip = `4500 ${hex(20 + payload.length)} 0000 0000 40 ${Number(protocol).toString(16).padStart(2, '0')} 0000 0a4d0001 0a4d0009`;
  const ethernet = `020000000009 020000000001 0800`;
  return Buffer.concat([Buffer.from(`${ethernet}${ip}`.replaceAll(' ', ''), 'hex'), payload]);
}

const hex = (value: number): string => value.toString(16).padStart(4, '0');
