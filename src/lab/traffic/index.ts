/** Real TCP downloads from every source network to every block, paced, counted where they arrive. */
import { createInterface } from 'node:readline';
import { assert } from '../../core/base/result.ts';
import type { Lab } from '../lab.ts';
import type { Flow, Receipt } from './client.ts';
import type { Demand } from './demand.ts';
import { end, start, waitUntilReady } from './program.ts';

export interface Traffic {
  setDemand(demand: Demand): void;
  /** The newest count of the receivers. */
  receipt(): Receipt;
  /** Application bit/s over all receivers, or those of one block, between two receipts. */
  goodputBitps(from: Receipt, to: Receipt, block?: string): number;
  /** Ends all programs; nothing is on the way afterwards but what queues hold. */
  stop(): Promise<void>;
}

/** Starts senders and receivers; resolves when the senders listen. Nothing is asked for before `setDemand`. */
export async function startTraffic(lab: Lab): Promise<Traffic> {
  const { topology } = lab;
  const file = (name: string) => new URL(name, import.meta.url);
  const servers = topology.sources.map((source) =>
    start(lab.namespace(source.name), file('server.js'), []),
  );
  await Promise.all(servers.map(waitUntilReady));
  const flows = topology.blocks.flatMap((block) =>
    topology.sources.map(
      (source): Flow => ({
        block: block.prefix,
        source: source.name,
        local: block.host,
        remote: source.hosts[block.prefix.includes(':') ? 1 : 0],
        port: 8080,
      }),
    ),
  );
  const client = start(lab.namespace('hosts'), file('client.js'), [JSON.stringify(flows)]);
  let newest: Receipt = { at: Date.now(), bytes: flows.map(() => 0), reconnects: 0 };
  // The client's own format, see client.ts.
  createInterface({ input: client.output }).on('line', (line) => {
    newest = JSON.parse(line) as Receipt;
  });
  return {
    setDemand(demand) {
      const rates = flows.map((flow) => {
        const source = topology.sources.findIndex(({ name }) => name === flow.source);
        return demand[flow.block]?.[source] ?? 0;
      });
      client.input.write(`${JSON.stringify(rates)}\n`);
    },
    receipt: () => newest,
    goodputBitps(from, to, block) {
      assert(to.at > from.at, 'goodput is between an earlier and a later receipt');
      const bytes = flows.reduce((sum, flow, i) => {
        if (block !== undefined && flow.block !== block) return sum;
        return sum + (to.bytes[i] ?? 0) - (from.bytes[i] ?? 0);
      }, 0);
      return (bytes * 8000) / (to.at - from.at);
    },
    async stop() {
      await Promise.all([client, ...servers].map(end));
    },
  };
}
