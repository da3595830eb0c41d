/**
 * A program in a namespace of the lab: for every line that it reads it writes to both buckets, reads what it wrote, and
 * says `yes` or `no`. What NATS's nodes say of themselves is not enough: they call themselves well seconds before they
 * answer, and take writes before they give anything back.
 */
import { createInterface } from 'node:readline';
import type { Bus } from '../../../src/cluster/bus.ts';
import { type NatsOptions, openNatsBus } from '../../../src/cluster/nats-bus.ts';

const patienceMs = 1000;
const key = 'lab-writer';

// A cast: what nats.ts gives.
const options = JSON.parse(process.argv[2] ?? '') as NatsOptions;
let opening: Promise<Bus> | undefined;

createInterface({ input: process.stdin })
  .on('line', () => void answer())
  .on('close', () => process.exit());

async function answer(): Promise<void> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, patienceMs, false));
  const isTaken = await Promise.race([write().catch(() => false), late]);
  process.stdout.write(isTaken ? 'yes\n' : 'no\n');
}

async function write(): Promise<boolean> {
  opening ??= openNatsBus(options).catch((error: unknown) => {
    opening = undefined;
    throw error;
  });
  const bus = await opening;
  const value = Buffer.from(new Date().toISOString());
  const found = await Promise.all(
    [bus.lease, bus.plans].map(async (bucket) => {
      await bucket.put(key, value);
      return bucket.get(key);
    }),
  );
  return found.every((entry) => entry && Buffer.compare(entry.value, value) === 0);
}
