/** UDP from our hosts to every destination at set rates, counted where it is sent and where it arrives. */
import { createInterface } from 'node:readline';
import { end, start, waitUntilReady } from '../traffic/program.ts';
import type { ContentLab } from './lab.ts';
import { destinationHosts } from './topology.ts';

export interface Outflow {
  /** IP bit/s for each host. */
  setDemand(rates: readonly number[]): void;
  /** Datagrams so far, as the two programs told last. */
  sent(): number;
  received(): number;
  stop(): Promise<void>;
}

/** `hosts`: who is sent to. */
export async function startOutflow(
  lab: ContentLab,
  hosts: readonly string[] = destinationHosts,
): Promise<Outflow> {
  const file = (name: string) => new URL(name, import.meta.url);
  const sink = start(lab.namespace('net'), file('sink.js'), [String(hosts.length)]);
  await waitUntilReady(sink);
  const sender = start(lab.namespace('hosts'), file('sender.js'), [JSON.stringify(hosts)]);
  const counts = { sent: 0, received: 0 };
  // The programs' own format: an array of counts.
  const sum = (line: string) => (JSON.parse(line) as readonly number[]).reduce((a, b) => a + b, 0);
  createInterface({ input: sender.output }).on('line', (line) => {
    counts.sent = sum(line);
  });
  createInterface({ input: sink.output }).on('line', (line) => {
    counts.received = sum(line);
  });
  return {
    setDemand: (rates) => sender.input.write(`${JSON.stringify(rates)}\n`),
    sent: () => counts.sent,
    received: () => counts.received,
    async stop() {
      await Promise.all([sender, sink].map(end));
    },
  };
}
