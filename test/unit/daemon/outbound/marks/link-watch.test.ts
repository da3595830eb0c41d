/** Links that fail are told by three witnesses: routes (session-marks.test.ts), SNMP and BMP, each at once and alone. */
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { createSnmpPoller, type SnmpSession } from '../../../../../src/collect/snmp/index.ts';
import { interfaceOids, oids } from '../../../../../src/collect/snmp/reading.ts';
import { HeadgateError } from '../../../../../src/core/base/error.ts';
import { asn, type LinkId, ms } from '../../../../../src/core/base/units.ts';
import { buildOpen } from '../../../../../src/core/bgp/negotiate.ts';
import { encodeOpen } from '../../../../../src/core/wire/bgp/open.ts';
import { BmpStation } from '../../../../../src/speaker/index.ts';
import { asns, br1, east, marksStage, north, south } from '../../../../support/marks-stage.ts';

/** The unit may take a second; this is how often it looks. */
const lookMs = 100;

t.test('an interface that goes down by SNMP is left at once, and by nothing else', async (t) => {
  const router = makeAgent();
  const sources = {
    links: () => new Map(),
    isUp: (link: LinkId) =>
      router.poller.samples().links.find((polled) => polled.link === link)?.isUp,
  };
  const { clock, told, marks, changes, turn } = marksStage(undefined, { sources });
  for (let n = 0; n < 40; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
  turn();
  changes.length = 0;
  await router.poll();
  await router.poll();
  clock.advance(1000);
  t.same(changes, [], 'all are up');
  router.state.isSilent = true;
  await router.poll();
  clock.advance(1000);
  t.same(changes, [], 'a router that does not answer says nothing of its links');
  router.state.isSilent = false;
  router.setUp(south, false);
  clock.advance(1000);
  t.same(changes, [], 'nobody asked it yet');
  await router.poll();
  clock.advance(lookMs);
  t.same(changes, [{ down: [south] }]);
  t.same([...marks.down], [[south, 'interface down']]);
  clock.advance(5000);
  await router.poll();
  clock.advance(1000);
  t.equal(changes.length, 1, 'once');
  router.setUp(south, true);
  await router.poll();
  clock.advance(lookMs);
  t.same(changes.slice(1), [{ down: [] }], 'and taken up again');
});

t.test('a neighbour that goes down by BMP is left at once, and by nothing else', async (t) => {
  const bmp = await openBmp();
  t.teardown(() => bmp.station.stop());
  const {
    clock,
    told,
    marks,
    changes,
    turn: cycle,
  } = marksStage(undefined, {
    station: bmp.station,
  });
  for (let n = 0; n < 40; n++) told.tell(`203.0.${n}.0/24`, north, south, east);
  cycle();
  changes.length = 0;
  await bmp.tell(peerUp(north), peerUp(south));
  clock.advance(1000);
  t.same(changes, [], 'those that are up, and one that nothing is told of');
  await bmp.tell(peerDown(north));
  clock.advance(lookMs);
  t.same(changes, [{ down: [north] }]);
  t.same([...marks.down], [[north, 'no session with the provider']]);
  clock.advance(5000);
  t.equal(changes.length, 1, 'once');
  await bmp.tell(peerDown(south));
  clock.advance(lookMs);
  t.same(changes.slice(1), [{ down: [north, south] }]);
  await bmp.tell(peerUp(north));
  clock.advance(lookMs);
  t.same(changes.slice(2), [{ down: [south] }], 'and taken up again');
  bmp.cut();
  await turn();
  clock.advance(lookMs);
  t.same([...marks.down], [], 'a router that says nothing any more says nothing of its sessions');
});

/** A router's SNMP agent as a table of objects, an interface for each link; polled every 30 s of its own clock. */
function makeAgent() {
  const clock = { now: 1_000_000 };
  const state = { isSilent: false };
  const objects = new Map<string, Uint8Array | number | bigint>();
  const links = [...asns.keys()];
  const encoder = new TextEncoder();
  const setUp = (link: LinkId, isUp: boolean) => {
    const values = [encoder.encode(link), isUp ? 1 : 2, 100, 0, 0n, 0n, 0n, 0n, 0, 0, 0, 0, 0, 0];
    for (const [i, oid] of interfaceOids(1 + links.indexOf(link)).entries())
      objects.set(oid, values[i] ?? 0);
  };
  for (const link of links) setUp(link, true);
  const answer = () => {
    if (state.isSilent) throw new HeadgateError('snmp_timeout', 'silent', { retryable: true });
    objects.set(oids.sysUpTime, Math.floor(clock.now / 10));
  };
  const session: SnmpSession = {
    async get(wanted) {
      answer();
      return wanted.map((oid) => objects.get(oid));
    },
    async walk(oid) {
      answer();
      const below = [...objects].filter(([key]) => key.startsWith(`${oid}.`));
      return new Map(below.map(([key, value]) => [key.slice(oid.length + 1), value]));
    },
    close: () => undefined,
  };
  const settings = {
    version: '2c',
    community: 'public',
    port: 161,
    interval: ms(30_000),
    timeout: ms(1000),
  } as const;
  const polled = links.map((link) => ({ link, interface: link as string }));
  const poller = createSnmpPoller({
    routers: [{ router: br1, address: '192.0.2.1', settings, links: polled }],
    open: () => session,
    now: () => clock.now,
  });
  const poll = async () => {
    clock.now += 30_000;
    await poller.poll();
  };
  return { poller, poll, setUp, state };
}

/** A station with one router connected; what `tell` wrote it has read. */
async function openBmp() {
  const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const socket = new PassThrough();
  const station = new BmpStation({
    listen: { address: '192.0.2.9', port: 0 },
    routers: [{ name: br1, address: '192.0.2.1' }],
    localAsn: 64512,
    log: quiet,
    openListener: async ({ accept }) => {
      accept(socket, '192.0.2.1', '192.0.2.9');
      return { close: async () => undefined };
    },
  });
  await station.start();
  const tell = async (...messages: readonly Uint8Array[]) => {
    socket.write(Buffer.concat(messages));
    await turn();
  };
  return { station, tell, cut: () => socket.destroy() };
}

/** RFC 7854: common header, per-peer header (before policy), body. */
function bmpMessage(type: number, link: LinkId, body: Uint8Array): Uint8Array {
  const message = Buffer.alloc(48 + body.length);
  message.writeUInt8(3, 0);
  message.writeUInt32BE(message.length, 1);
  message.writeUInt8(type, 5);
  const peer = asns.get(link) ?? 0;
  message.set([192, 0, 2, peer % 100], 6 + 22);
  message.writeUInt32BE(peer, 6 + 26);
  message.set(body, 48);
  return message;
}

function peerUp(link: LinkId): Uint8Array {
  const open = encodeOpen(
    buildOpen(
      {
        localAsn: asn(asns.get(link) ?? 0),
        peerAsn: asn(64512),
        routerId: '10.0.0.7',
        holdTimeS: 90,
        isPassive: false,
        families: [4],
        addPath: false,
        gracefulRestartS: 0,
        staleMaxS: 0,
      },
      false,
    ),
  );
  // Local address and ports, of no account here; the message that was sent, and the one that was received.
  return bmpMessage(3, link, Buffer.concat([new Uint8Array(20), open, open]));
}

/** Reason 4: the remote end closed without a message. */
const peerDown = (link: LinkId): Uint8Array => bmpMessage(2, link, Uint8Array.of(4));
