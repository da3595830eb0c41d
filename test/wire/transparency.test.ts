/** What goes in on one side comes out on the other, byte for byte. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { capturesFolder, skipWithoutCaptures } from '../support/captures.ts';
import { Border, unfit } from './border.ts';
import { framesOfEveryKind, manyFrames } from './frames.ts';
import { readPcap } from './pcap.ts';
import { through } from './through.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-wire-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

t.setTimeout(240_000);

t.test('frames of every kind pass unchanged, both ways', { skip: unfit }, async (t) => {
  const border = new Border('hgwt', { hasAddresses: false });
  t.teardown(() => border.close());
  await border.openUnit();
  const before = border.interfaceBytes('outside', 'o0');
  for (const from of ['inside', 'outside'] as const) {
    const seen = await through(
      border,
      folder,
      from,
      framesOfEveryKind.map(({ bytes }) => bytes),
      200,
    );
    t.equal(seen.length, framesOfEveryKind.length, `as many come out as go in from ${from}`);
    for (const [i, { kind, bytes }] of framesOfEveryKind.entries())
      t.equal(seen[i]?.toString('hex'), bytes.toString('hex'), `${kind}, from ${from}`);
  }
  // No reflection: nothing of what was sent came back to its own side.
  const after = border.interfaceBytes('outside', 'o0');
  t.equal(
    after.rxPackets - before.rxPackets,
    framesOfEveryKind.length,
    'each side receives exactly what the other sent',
  );
});

t.test('a long run keeps its order and loses nothing', { skip: unfit }, async (t) => {
  const border = new Border('hgwt', { hasAddresses: false });
  t.teardown(() => border.close());
  const unit = await border.openUnit();
  // Less than a ring at a time, so that a stalled machine loses nothing; more than two rings in all.
  const rounds = 3;
  const frames = manyFrames(3_500);
  for (let round = 1; round <= rounds; round++) {
    const seen = await through(border, folder, 'outside', frames, 20_000);
    t.equal(seen.length, frames.length, 'all arrive');
    t.equal(
      frames.findIndex((frame, i) => !seen[i]?.equals(frame)),
      -1,
      'in their order, byte for byte',
    );
  }
  const { wires } = await unit.snapshot();
  t.match(
    wires,
    [{ unit: { inbound: { frames: rounds * frames.length }, outbound: { frames: 0 } } }],
    'and are counted',
  );
  t.same(
    Object.values(wires[0]?.lost ?? { missing: 1 }).filter((n) => n !== 0),
    [],
    'without a loss',
  );
});

t.test('jumbo frames pass a jumbo wire', { skip: unfit }, async (t) => {
  const border = new Border('hgwt', { hasAddresses: false, mtu: 9000 });
  t.teardown(() => border.close());
  await border.openUnit();
  const frames = [60, 1514, 1518, 4000, 9000, 9014].map((length) => {
    const bytes = Buffer.alloc(length, length & 255);
    bytes.write('02005e005302' + '02005e005301' + '88b5', 'hex');
    return bytes;
  });
  const seen = await through(border, folder, 'inside', frames, 100);
  t.same(
    seen.map((frame) => frame.length),
    frames.map((frame) => frame.length),
  );
  t.ok(
    seen.every((frame, i) => frames[i]?.equals(frame)),
    'byte for byte',
  );
});

t.test('captured frames pass unchanged', { skip: unfit || skipWithoutCaptures }, async (t) => {
  const border = new Border('hgwt', { hasAddresses: false });
  t.teardown(() => border.close());
  await border.openUnit();
  const names = readdirSync(capturesFolder).filter((name) => name.endsWith('.pcap'));
  let compared = 0;
  for (const name of names) {
    let frames: Buffer[];
    try {
      frames = readPcap(join(capturesFolder, name));
    } catch {
      continue; // another byte order: replay reads those
    }
    // What an interface with this MTU can receive at all, and a bounded number.
    const fitting = frames
      .filter((frame) => frame.length >= 15 && frame.length <= 1514)
      .slice(0, 300);
    if (fitting.length === 0) continue;
    const seen = await through(
      border,
      folder,
      compared % 2 === 0 ? 'inside' : 'outside',
      fitting,
      3_000,
    );
    t.equal(seen.length, fitting.length, `${name}: all arrive`);
    t.equal(
      fitting.findIndex((frame, i) => !seen[i]?.equals(frame)),
      -1,
      `${name}: byte for byte`,
    );
    compared++;
    // All of them take a minute.
    if (compared >= (process.env.HEADGATE_LONG === '1' ? 1000 : 8)) break;
  }
});
