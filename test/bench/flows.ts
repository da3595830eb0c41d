/**
 * `scripts/bench flows`: NetFlow v9 records per second of processor time, against nfcapd and pmacct's nfacctd.
 * One sender replays the same datagrams to each, never faster than the receiver's socket empties: nothing is lost,
 * so that the figure is what a core can take. headgate attributes every record to block, link and foreign prefix;
 * nfacctd adds all up by protocol, its cheapest aggregation; nfcapd writes them to a file.
 */
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Contender, contenders, type Running, socketState, start } from './flows/contender.ts';
import { dataDatagrams, recordsPerDatagram, stamp, templateDatagram } from './flows/exports.ts';
import { atLeast, atMost, readOptions, report, row } from './report.ts';

const options = readOptions(process.argv);
const repeats = options.isQuick ? 3 : 5;
const datagramsPerRun = options.isQuick ? 25_000 : 200_000;
/** Half of what the kernel grants a socket that asks for nothing. */
const queuedMax = 100_000;

const template = templateDatagram();
const data = dataDatagrams(1024);
const rates = new Map<string, number[]>();
const notes: string[] = [];
let ownLoss = 0;

for (let repeat = 0; repeat < repeats; repeat++) {
  for (const contender of contenders) {
    if (!isInstalled(contender.program)) {
      if (repeat === 0) notes.push(`${contender.name}: not installed, skipped`);
      continue;
    }
    const recordsPerCpuS = await measure(
      contender,
      20_000 + repeat * 10 + contenders.indexOf(contender),
    );
    rates.set(contender.name, [...(rates.get(contender.name) ?? []), recordsPerCpuS]);
  }
}

const median = (name: string) => row(name, rates.get(name) ?? [], '').value;
const [own, cheapest] = [median('headgate'), median('nfacctd, aggregate: proto')];
report(
  'flows',
  [...rates].map(([name, values]) => row(name, values, 'records/CPU-s')),
  [
    ...(Number.isFinite(cheapest)
      ? [
          atLeast(
            'no slower than nfacctd in its cheapest aggregation',
            own,
            cheapest,
            'records/CPU-s',
          ),
        ]
      : []),
    atMost('records lost without a count', ownLoss, 0, 'records'),
  ],
  options,
  notes,
);

/** Records that one second of processor time takes. */
async function measure(contender: Contender, port: number): Promise<number> {
  const folder = mkdtempSync(`${tmpdir()}/hgcb-`);
  const socket = createSocket('udp4');
  const running = start(contender, port, folder);
  try {
    await until(`${contender.name} to listen`, () => socketState(port) !== undefined);
    let sequence = await send(socket, port, [template], 1, 0);
    sequence = await send(socket, port, data, 2000, sequence);
    await idle(running, port);
    const before = running.cpuS();
    await send(socket, port, data, datagramsPerRun, sequence);
    await idle(running, port);
    const cpuS = running.cpuS() - before;
    const drops = socketState(port)?.drops ?? 0;
    if (drops > 0) notes.push(`${contender.name}: the kernel dropped ${drops} datagrams`);
    const output = await running.end();
    if (contender.name === 'headgate') checkOwn(output);
    return (datagramsPerRun * recordsPerDatagram) / cpuS;
  } finally {
    socket.close();
    running.child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What headgate counted, plus what it says it missed, must be what was sent. */
function checkOwn(output: string): void {
  // Our own collector's tally.
  const tally = JSON.parse(output) as { records: number; lost: number; socketDrops: number };
  const sent = (datagramsPerRun + 2000) * recordsPerDatagram;
  const counted = tally.records + (tally.lost + tally.socketDrops) * recordsPerDatagram;
  ownLoss = Math.max(ownLoss, sent - counted);
  if (tally.lost > 0)
    notes.push(`headgate: ${tally.lost} datagrams missing, by their sequence numbers`);
}

/** Sends `count` datagrams in turn, waiting whenever the receiver has enough to do; gives the next sequence number. */
async function send(
  socket: Socket,
  port: number,
  datagrams: readonly Uint8Array[],
  count: number,
  sequence: number,
): Promise<number> {
  const burst = 32;
  for (let sent = 0; sent < count; ) {
    while ((socketState(port)?.queued ?? 0) > queuedMax) await pause(0);
    const batch: Promise<void>[] = [];
    for (; batch.length < burst && sent < count; sent++) {
      const datagram = datagrams[sent % datagrams.length];
      if (!datagram) break;
      stamp(datagram, (sequence + sent) >>> 0, Date.now());
      batch.push(new Promise((done) => socket.send(datagram, port, '127.0.0.1', () => done())));
    }
    await Promise.all(batch);
  }
  return sequence + count;
}

/** Until the socket is empty and the program has stopped computing. */
async function idle(running: Running, port: number): Promise<void> {
  await until('the queue to empty', () => socketState(port)?.queued === 0);
  let last = -1;
  await until('the program to rest', async () => {
    await pause(250);
    const cpuS = running.cpuS();
    const isIdle = cpuS - last < 0.02;
    last = cpuS;
    return isIdle;
  });
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await pause(10);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function isInstalled(program: string): boolean {
  if (program === 'node') return true;
  return ['/usr/bin', '/usr/sbin'].some((folder) => existsSync(`${folder}/${program}`));
}
