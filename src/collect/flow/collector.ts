import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { type LinkId, type Ms, ms } from '../../core/base/units.ts';
import type { Source } from '../../core/model/observation.ts';
import {
  defaultLimits,
  FlowDecoder,
  type FlowError,
  type FlowSink,
  type FlowTally,
  type InterfaceCounters,
} from '../../core/wire/flow/index.ts';
import {
  type AccountPolicy,
  type AccountSkip,
  FlowAccount,
  type RouteTable,
  type Volumes,
} from './account.ts';
import { type ExporterPolicy, ExporterView } from './exporter-view.ts';
import { readSocketDrops } from './socket-drops.ts';

export interface FlowCollectorOptions {
  readonly listen: ReadonlyArray<{ readonly address: string; readonly port: number }>;
  readonly exporters: readonly ExporterPolicy[];
  readonly account: AccountPolicy;
  readonly templateLifetimeMs?: number;
  /** Asked of the kernel, which grants at most net.core.rmem_max. */
  readonly receiveBufferBytes?: number;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly now?: () => number;
}

/** How one exporter fares. */
export interface ExporterState {
  readonly address: string;
  readonly source: Source;
  readonly tally: FlowTally;
  readonly refused: Readonly<Record<FlowError['code'], number>>;
  /** Milliseconds since its last datagram; undefined before the first. */
  readonly ageMs: Ms | undefined;
  /** Share of the exported units that arrived in this interval, 0 to 1. */
  readonly coverage: number;
}

/** What flow exports say of the time since the last call of `samples`. */
export interface FlowSamples extends Volumes {
  readonly at: Ms;
  readonly intervalMs: Ms;
  /** The worst of all exporters that sent: what is missing of one is missing of the sum. */
  readonly coverage: number;
  readonly exporters: readonly ExporterState[];
  readonly interfaces: ReadonlyArray<InterfaceCounters & { readonly exporter: string }>;
  readonly skipped: Readonly<Record<AccountSkip | 'unknown_exporter', number>>;
  /** Datagrams that the kernel dropped, since start. */
  readonly socketDrops: number;
}

export interface FlowCollector {
  start(): Promise<void>;
  stop(): Promise<void>;
  samples(): Promise<FlowSamples>;
  /** Destinations become the prefixes of this table from now on. */
  setRoutes(routes: RouteTable | undefined): void;
  /** The links' interface numbers at one exporter, as SNMP found them by name. */
  setInterfaces(exporter: string, ifIndexes: ReadonlyMap<LinkId, number>): void;
  /** The ports in use: what `listen` said, or what the kernel chose for port 0. */
  ports(): readonly number[];
  /** Takes one datagram as if it had arrived: replay and tests. */
  receive(payload: Uint8Array, address: string): void;
}

/** Several megabytes hold half a second of a fast exporter. */
const receiveBufferBytes = 8 << 20;

/** Listens for flow exports, decodes them and adds them up. Nothing happens before `start`. */
export function createFlowCollector(options: FlowCollectorOptions): FlowCollector {
  const now = options.now ?? Date.now;
  const { links } = options.account;
  const account = new FlowAccount(options.account);
  const exporters = new Map<string, Exporter>();
  for (const policy of options.exporters) {
    exporters.set(policy.address, makeExporter(policy, links, account, options, now));
  }
  let sockets: Socket[] = [];
  let unknownExporters = 0;
  let since = now();

  function receive(payload: Uint8Array, address: string): void {
    const exporter = exporters.get(address);
    if (exporter) exporter.receive(payload);
    else unknownExporters++;
  }

  return {
    async start() {
      since = now();
      sockets = await Promise.all(
        options.listen.map(({ address, port }) =>
          openSocket(address, port, options.receiveBufferBytes ?? receiveBufferBytes, receive),
        ),
      );
    },
    async stop() {
      const closing = sockets;
      sockets = [];
      await Promise.all(
        closing.map((socket) => new Promise<void>((closed) => socket.close(() => closed()))),
      );
    },
    async samples() {
      const drops = await Promise.all(
        [...new Set(sockets.map((socket) => socket.address().port))].map(readSocketDrops),
      );
      const at = now();
      const intervalMs = at - since;
      since = at;
      const states = [...exporters.values()].map((exporter) => exporter.drainState(at));
      return {
        at: ms(at),
        intervalMs: ms(intervalMs),
        ...account.drain(),
        coverage: Math.min(1, ...states.map((state) => state.coverage)),
        exporters: states,
        interfaces: [...exporters.values()].flatMap((exporter) => exporter.drainInterfaces()),
        skipped: { ...account.skipped, unknown_exporter: unknownExporters },
        socketDrops: drops.reduce((sum, count) => sum + count, 0),
      };
    },
    setRoutes: (routes) => account.setRoutes(routes),
    setInterfaces(exporter, ifIndexes) {
      exporters.get(exporter)?.view.setInterfaces(links, ifIndexes);
    },
    ports: () => sockets.map((socket) => socket.address().port),
    receive,
  };
}

interface Exporter {
  readonly view: ExporterView;
  receive(payload: Uint8Array): void;
  drainState(nowMs: number): ExporterState;
  drainInterfaces(): ReadonlyArray<InterfaceCounters & { readonly exporter: string }>;
}

function makeExporter(
  policy: ExporterPolicy,
  links: readonly LinkId[],
  account: FlowAccount,
  options: FlowCollectorOptions,
  now: () => number,
): Exporter {
  const view = new ExporterView(policy, links);
  const decoder = new FlowDecoder({
    ...defaultLimits,
    templateLifetimeMs: options.templateLifetimeMs ?? defaultLimits.templateLifetimeMs,
  });
  const refused = { short_read: 0, unknown_version: 0, bad_count: 0, bad_address_type: 0 };
  // The newest counters of each interface; a hostile agent may number them as it likes.
  const interfaces = new Map<number, InterfaceCounters & { readonly exporter: string }>();
  const interfacesMax = 4096;
  let lastMs: number | undefined;
  let nowMs = 0;
  let source: Source = 'netflow';
  let drained = { received: 0, lost: 0 };
  const sink: FlowSink = {
    flow: (record) => account.add(record, view, nowMs),
    counters(counters) {
      if (interfaces.size >= interfacesMax && !interfaces.has(counters.ifIndex)) return;
      interfaces.set(counters.ifIndex, { ...counters, exporter: policy.address });
    },
  };
  return {
    view,
    receive(payload) {
      nowMs = now();
      source = payload[1] === 10 ? 'ipfix' : payload[1] === 0 ? 'sflow' : 'netflow';
      const result = decoder.decode(payload, nowMs, sink);
      if (result.ok) lastMs = nowMs;
      else refused[result.error.code]++;
    },
    drainState(at) {
      const { received, lost } = decoder.tally;
      const arrived = received - drained.received;
      // A late datagram may give back more than this interval lost.
      const missing = Math.max(0, lost - drained.lost);
      drained = { received, lost };
      return {
        address: policy.address,
        source,
        tally: decoder.tally,
        refused: { ...refused },
        ageMs: lastMs === undefined ? undefined : ms(at - lastMs),
        coverage: arrived + missing === 0 ? 1 : arrived / (arrived + missing),
      };
    },
    drainInterfaces() {
      const newest = [...interfaces.values()];
      interfaces.clear();
      return newest;
    },
  };
}

async function openSocket(
  address: string,
  port: number,
  bufferBytes: number,
  receive: (payload: Uint8Array, address: string) => void,
): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    recvBufferSize: bufferBytes,
  });
  socket.on('message', (payload: Buffer, remote: RemoteInfo) => {
    // A dual-stack socket sees IPv4 senders as mapped addresses.
    const sender = remote.address.startsWith('::ffff:') ? remote.address.slice(7) : remote.address;
    receive(payload, sender);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}
