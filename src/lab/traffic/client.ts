/**
 * A program: the downloading hosts of all blocks. Its argument is a JSON array of flows; each line on stdin is a JSON
 * array with the wanted rate of every flow in bit/s; each line on stdout is a `Receipt`. A broken connection is
 * opened again.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Flow {
  readonly block: string;
  readonly source: string;
  /** Our host's address, and the sending host's. */
  readonly local: string;
  readonly remote: string;
  readonly port: number;
}

/** What had arrived at a time: application bytes by flow, cumulative. */
export interface Receipt {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly bytes: readonly number[];
  readonly reconnects: number;
}

const reportMs = 250;
const reconnectMs = 300;

// Written by startTraffic of this folder.
const flows = JSON.parse(process.argv[2] ?? '[]') as readonly Flow[];
const bytes = flows.map(() => 0);
const rates = flows.map(() => 0);
const sockets: Array<Socket | undefined> = flows.map(() => undefined);
let reconnects = -flows.length;

function open(index: number): void {
  const flow = flows[index];
  if (!flow) return;
  reconnects++;
  const socket = connect({ host: flow.remote, port: flow.port, localAddress: flow.local });
  sockets[index] = socket;
  socket.on('connect', () => socket.write(`${rates[index]}\n`));
  socket.on('data', (chunk) => {
    bytes[index] = (bytes[index] ?? 0) + chunk.length;
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => setTimeout(() => open(index), reconnectMs));
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const wanted = JSON.parse(line) as readonly number[];
    for (const [index, rate] of wanted.entries()) {
      if (rates[index] === rate) continue;
      rates[index] = rate;
      const socket = sockets[index];
      if (socket && !socket.connecting) socket.write(`${rate}\n`);
    }
  })
  .on('close', () => process.exit(0));

// The reader went: so does this.
process.stdout.on('error', () => process.exit(0));
for (const index of flows.keys()) open(index);
setInterval(() => {
  const receipt: Receipt = { at: Date.now(), bytes, reconnects };
  process.stdout.write(`${JSON.stringify(receipt)}\n`);
}, reportMs);
