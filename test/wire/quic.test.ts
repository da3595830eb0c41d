/** Round trips of QUIC by its spin bit, as a wire sees them: of the sessions that spin, apart from TCP's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Driver, EngineOptions, QuicCount } from '../../src/engine/index.ts';
import { Border, insideAddress, type Unit, unfit, until } from './border.ts';
import { writePcap } from './pcap.ts';
import { WireCommand } from './wire-command.ts';

t.setTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), 'headgate-quic-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** How long either end waits before it answers: the round trips are no shorter, whatever the machine does. */
const thinkMs = 3;
/** Turns of a session, some more than must be seen of one before it counts. */
const turns = 60;

/** Short headers (RFC 9000 section 17.3) of 41 bytes. The server sends the bit that it heard, or never sets it. */
const server = `
  const socket = require('dgram').createSocket('udp4');
  socket.on('message', (packet, from) => setTimeout(() => {
    const spins = packet[1] === 1;
    socket.send(Buffer.concat([Buffer.of(0x40 | (spins ? packet[0] & 0x20 : 0)), packet.subarray(1)]), from.port, from.address);
  }, ${thinkMs}));
  socket.bind(443, '${insideAddress}', () => console.log('listening'));`;
/** One session whose bit turns with every answer, one of which neither end sets it. What is lost is sent again. */
const client = `
  for (const spins of [1, 0]) {
    const socket = require('dgram').createSocket('udp4');
    let heard = 0, bit = 0, again;
    const send = () => {
      clearTimeout(again);
      if (heard === ${turns}) return socket.close();
      again = setTimeout(send, 1000);
      const packet = Buffer.alloc(41, spins);
      packet[0] = 0x40 | bit;
      socket.send(packet, 443, '${insideAddress}');
    };
    socket.on('message', (packet) => {
      heard++;
      if (spins) bit = ~packet[0] & 0x20;
      setTimeout(send, ${thinkMs});
    });
    send();
  }`;

async function converse(border: Border): Promise<void> {
  const listening = border.start('inside', process.execPath, '-e', server);
  await new Promise((resolve) => listening.stdout?.once('data', resolve));
  await border.runAside('outside', process.execPath, '-e', client);
}

const quicOf = async (unit: Unit): Promise<QuicCount | undefined> =>
  (await unit.snapshot()).wires[0]?.quic;

const isLong = process.env.HEADGATE_LONG === '1';
for (const driver of ['af_packet', 'tc', 'xdp'] as const) {
  t.test(
    `${driver}: what spins is timed, what does not is told apart`,
    { skip: unfit || (driver === 'xdp' && !isLong && 'the same text as tc: HEADGATE_LONG=1') },
    async (t) => {
      const { border, open } = opened(t, driver);
      const unit = await open({ followsSpin: true });
      await converse(border);
      const quic = await until(
        'both sessions are known, and one spins',
        () => quicOf(unit),
        (seen) => seen?.sessions === 2 && seen.spinning === 1 && seen.samples >= turns,
      );
      t.equal(quic?.packetsRefused, 0);
      // Timers may fire up to a millisecond early.
      const least = (thinkMs - 1) * 1000;
      t.ok((quic?.rttUsP5 ?? 0) >= least && (quic?.rttUsP25 ?? 0) < 1e6, JSON.stringify(quic));
      const tcp = (await unit.snapshot()).links.reduce(
        (samples, { rtt }) => samples + rtt.inside.samples + rtt.outside.samples,
        0,
      );
      t.equal(tcp, 0, "TCP's round trips have none of it");
    },
  );
}

t.test('mirror: the same of copies, both directions at one port', { skip: unfit }, async (t) => {
  const { border, open } = opened(t, 'mirror');
  const unit = await open({
    wires: [{ name: 'core', place: 'link', inside: 'in0', driver: 'mirror' }],
    followsSpin: true,
  });
  const path = join(folder, 'conversation.pcap');
  // A packet of either end in turn; the client's bit turns with every answer, and of the other session nobody's does.
  const frames = Array.from({ length: 2 * turns }, (_, i) =>
    [true, false].map((spins) =>
      quicFrame(i % 2 === 0, spins && Math.floor(i / 2) % 2 === 1, spins),
    ),
  ).flat();
  writePcap(path, frames);
  // Four packets a round trip, two of either session.
  const perSecond = 4000 / (2 * thinkMs);
  const rate = `--pps=${Math.round(perSecond)}`;
  // Turns of a burst, with which tcpreplay catches up where it was late, are told at once or not at all: then once more.
  const quic = await until(
    'both sessions are known, and one spins',
    async () => {
      await border.runAside('inside', 'tcpreplay', '-q', '-i', 'i0', rate, path);
      return quicOf(unit);
    },
    (seen) => seen?.sessions === 2 && seen.spinning === 1 && seen.samples >= turns,
  );
  // Of what came in bursts nothing more is asked than that there is a time.
  const p25 = quic?.rttUsP25 ?? 0;
  t.ok(p25 > 0 && p25 < 1e6, JSON.stringify(quic));
});

/** A short header between two hosts, as `client` and `server` above send it. */
function quicFrame(isClients: boolean, bit: boolean, spins: boolean): Buffer {
  const [from, to] = isClients ? ['0a4d0002', '0a4d0001'] : ['0a4d0001', '0a4d0002'];
  const own = spins ? 'c001' : 'c002';
  const ports = isClients ? `${own}01bb` : `01bb${own}`;
  const head = `02005e005302 02005e005301 0800 4500 0045 0000 0000 4011 0000 ${from} ${to} ${ports} 0031 0000`;
  const payload = Buffer.alloc(41, spins ? 1 : 0);
  payload[0] = 0x40 | (bit ? 0x20 : 0);
  return Buffer.concat([Buffer.from(head.replaceAll(' ', ''), 'hex'), payload]);
}

function opened(t: Test, driver: Driver) {
  const border = new Border('hgexq', { isQuiet: true });
  const command = new WireCommand(folder, driver);
  const isInstalled = driver === 'tc' || driver === 'xdp';
  t.teardown(() => {
    if (isInstalled) command.run(border, 'release');
    border.close();
  });
  border.setOffloads('off');
  if (driver === 'xdp') border.fitPeers();
  if (isInstalled) {
    const done = command.run(border, 'install');
    t.equal(done.code, 0, done.err);
  }
  const open = (options: Partial<EngineOptions>) =>
    border.openUnit(
      {
        wires: [{ name: 'core', place: 'link', inside: 'in0', outside: 'out0', driver }],
        ...options,
      },
      { inMountNamespace: isInstalled },
    );
  return { border, open };
}
