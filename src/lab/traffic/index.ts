/** Real TCP downloads from every source network to every block, paced, counted where they arrive. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HeadgateError } from '../../core/base/error.ts';
import { assert } from '../../core/base/result.ts';
import type { Lab } from '../lab.ts';
import { spawnInside } from '../namespaces.ts';
import type { Flow, Receipt } from './client.ts';
import type { Demand } from './demand.ts';

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
  const servers = topology.sources.map((source) =>
    start(lab.namespace(source.name), 'server.js', []),
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
  const client = start(lab.namespace('hosts'), 'client.js', [JSON.stringify(flows)]);
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

interface Program {
  readonly child: ChildProcess;
  readonly input: Writable;
  readonly output: Readable;
}

function start(namespace: string, file: string, args: readonly string[]): Program {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawnInside(namespace, [process.execPath, path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  assert(child.stdin !== null && child.stdout !== null, 'stdio is piped');
  // A program that ended early is seen by the goodput; writing to it is no failure of its own.
  child.stdin.on('error', () => {});
  return { child, input: child.stdin, output: child.stdout };
}

async function waitUntilReady(program: Program): Promise<void> {
  const ended = once(program.child, 'exit').then(() => {
    throw new HeadgateError('lab_traffic', 'a traffic server ended at its start');
  });
  await Promise.race([once(program.output, 'data'), ended]);
  ended.catch(() => {});
}

async function end(program: Program): Promise<void> {
  if (program.child.exitCode !== null || program.child.signalCode !== null) return;
  const exited = once(program.child, 'exit');
  program.child.kill('SIGKILL');
  await exited;
}
