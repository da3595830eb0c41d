/** What a session hears goes to disk as MRT records, is read back by our decoder, and never grows beyond its limit. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { asn, routerId } from '../../../../src/core/base/units.ts';
import { encodeEndOfRib } from '../../../../src/core/wire/bgp/update.ts';
import { decodeMrtRecord, readMrtFrames } from '../../../../src/core/wire/mrt/decode.ts';
import { MrtDump } from '../../../../src/daemon/routes/mrt-dump.ts';
import { createSpeaker } from '../../../../src/speaker/index.ts';
import { HandClock, localAsn, ScriptedRouter, settle } from '../../speaker/scripted-router.ts';

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hgmrt-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const recordsIn = (path: string) =>
  [...readMrtFrames(new Uint8Array(readFileSync(path)))].map((frame) => {
    if (!frame.ok) throw new Error(frame.error.code);
    const record = decodeMrtRecord(frame.value);
    if (!record.ok) throw new Error(record.error.code);
    return record.value;
  });

t.test('a session is dumped from its OPEN to its end', async (t) => {
  const path = join(folderOf(t), 'heard.mrt');
  const dump = new MrtDump({ path, bytesMax: 1e6, wall: () => 1_700_000_000_250 });
  const router = new ScriptedRouter('10.0.0.1');
  const speaker = createSpeaker({
    routers: [
      { name: routerId('br1'), address: '10.0.0.1', asn: localAsn, localAddress: '10.0.0.9' },
    ],
    localAsn,
    routerId: '10.0.0.9',
    networks: [],
    clock: new HandClock(),
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    dump: { message: (heard) => dump.addMessage(heard), state: (heard) => dump.addState(heard) },
    openSocket: router.openSocket,
  });
  await speaker.start();
  await settle();
  router.send(encodeEndOfRib(4));
  await settle();
  await speaker.stop();
  dump.close();
  dump.close();
  const records = recordsIn(path);
  const states = records.flatMap((record) => (record.kind === 'state' ? [record.to] : []));
  t.same(states, [2, 4, 5, 6, 1], 'connect, open sent, open confirm, established, idle');
  const messages = records.filter((record) => record.kind === 'message');
  t.equal(messages.length, 3, 'OPEN, KEEPALIVE, UPDATE');
  t.match(messages.at(-1), {
    peer: { peerAsn: asn(64512), peerAddress: '10.0.0.1', localAddress: '10.0.0.9' },
  });
  t.equal(dump.lost, 0);
});

t.test('a file that is full is put aside', async (t) => {
  const path = join(folderOf(t), 'heard.mrt');
  const dump = new MrtDump({ path, bytesMax: 200, wall: () => 0 });
  const ends = { peerAsn: 1, localAsn: 2, peerAddress: '10.0.0.1', localAddress: '10.0.0.9' };
  const heard = { ends, bytes: encodeEndOfRib(4), hasPathIds: false };
  for (let i = 0; i < 5; i++) dump.addMessage(heard);
  dump.close();
  t.ok(existsSync(`${path}.1`));
  t.ok(readFileSync(`${path}.1`).length <= 200);
  t.ok(readFileSync(path).length <= 200);
  t.ok(recordsIn(path).length > 0);
});

t.test(
  'a folder that is not there loses the dump, counted and said, and nothing else',
  async (t) => {
    const dump = new MrtDump({
      path: join(folderOf(t), 'no/heard.mrt'),
      bytesMax: 300,
      wall: () => 0,
    });
    dump.close();
    t.match(dump.failure, /ENOENT/);
    dump.addState({
      ends: { peerAsn: 1, localAsn: 2, peerAddress: '10.0.0.1', localAddress: '10.0.0.9' },
      from: 1,
      to: 2,
    });
    t.equal(dump.lost, 2, 'the file that was not opened, and the record');
  },
);
