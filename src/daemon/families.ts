/** Every metric of the unit: what it is called and how it is read. src/metrics/README.md lists the same. */
import type { EngineSnapshot, TcpCount } from '../engine/index.ts';
import type { HistogramSample, Reading, Sample } from '../metrics/index.ts';
import type { SessionStatus } from '../speaker/index.ts';
import type { Loop } from './loop.ts';
import type { SourceLoss } from './sources.ts';

/** What the metrics are read from at a scrape. */
export interface Scrape {
  readonly snapshot: EngineSnapshot | undefined;
  readonly sessions: readonly SessionStatus[];
  readonly loop: Loop;
  /** Group of each block that has one, for networks of more blocks than are shown singly. */
  readonly groups: ReadonlyMap<string, string>;
  /** Conditions that `headgate status` complains of. */
  readonly conditions: number;
  /** By result and rail, since the start. */
  readonly moves: ReadonlyMap<string, number>;
  readonly cycleSeconds: { readonly sum: number; readonly count: number; readonly last: number };
  /** What went wrong in a cycle and was skipped, by component. */
  readonly failures: ReadonlyMap<string, number>;
  /** Requests on the control socket, by command and result. */
  readonly requests: ReadonlyMap<string, number>;
  /** What the sources beside the wire did not measure. */
  readonly sourceLosses: readonly SourceLoss[];
  /** Queries to the name server by outcome, and its losses by reason. */
  readonly names: Readonly<Record<string, number>>;
  /** Lines that the recorder could not write. */
  readonly recordLost: number;
  readonly history: { readonly bytes: number; readonly lost: ReadonlyMap<string, number> };
}

/** Above this many blocks the block metrics are summed by group (DESIGN.md section 9). */
export const blocksSingly = 1000;

const directions = ['inbound', 'outbound'] as const;
const unknown = 'unknown';
const phases = ['idle', 'connect', 'active', 'open_sent', 'open_confirm', 'established'];

export const readings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_link_bytes_total',
    type: 'counter',
    labels: ['link', 'direction'],
    help: 'Layer-2 bytes seen on a wire, by the link they used',
    read: ({ snapshot }) => perLink(snapshot, (count) => count.l2Bytes),
  },
  {
    name: 'headgate_link_ip_bytes_total',
    type: 'counter',
    labels: ['link', 'direction'],
    help: 'IP bytes seen on a wire, by the link they used',
    read: ({ snapshot }) => perLink(snapshot, (count) => count.ipBytes),
  },
  {
    name: 'headgate_link_packets_total',
    type: 'counter',
    labels: ['link', 'direction'],
    help: 'Packets seen on a wire, by the link they used; a super-packet counts as its segments',
    read: ({ snapshot }) => perLink(snapshot, (count) => count.packets),
  },
  {
    name: 'headgate_block_bytes_total',
    type: 'counter',
    labels: ['block', 'link', 'direction'],
    help: 'Layer-2 bytes of a block of ours by link; above 1000 blocks by group',
    read: readBlocks,
  },
  {
    name: 'headgate_link_load_ratio',
    type: 'gauge',
    labels: ['link', 'direction'],
    help: 'Rate over capacity, averaged as the decision sees it',
    read: ({ loop }) =>
      (loop.last?.observation.links ?? []).flatMap((link) =>
        directions.flatMap((direction): Sample[] => {
          const sampled = link[direction];
          return sampled
            ? [{ labels: { link: link.link, direction }, value: sampled.value / link.capacity }]
            : [];
        }),
      ),
  },
  {
    name: 'headgate_link_congestion_ratio',
    type: 'gauge',
    labels: ['link', 'direction'],
    help: 'Congestion from all signs together: 0 free, 1 certainly congested',
    read: ({ loop }) =>
      (loop.last?.observation.links ?? []).flatMap(({ link, congestion = [] }) =>
        congestion.map(({ direction, value }) => ({ labels: { link, direction }, value })),
      ),
  },
  {
    name: 'headgate_link_disagreement_ratio',
    type: 'gauge',
    labels: ['link', 'direction', 'one', 'other'],
    help: 'Share of the larger rate that cannot be true of two sources that measure the same link',
    read: ({ loop }) =>
      (loop.last?.observation.links ?? []).flatMap(({ link, comparisons = [] }) =>
        comparisons.map(({ direction, rates: [{ source: one }, { source: other }], ratio }) => ({
          labels: { link, direction, one, other },
          value: ratio,
        })),
      ),
  },
  {
    name: 'headgate_link_capacity_bytes_per_second',
    type: 'gauge',
    labels: ['link'],
    help: 'Live capacity of a link, bytes of layer 2',
    read: ({ loop }) =>
      (loop.last?.observation.links ?? []).map((link) => ({
        labels: { link: link.link },
        value: link.capacity / 8,
      })),
  },
  {
    name: 'headgate_link_up',
    type: 'gauge',
    labels: ['link'],
    help: '1 while a link can carry traffic',
    read: ({ loop }) =>
      (loop.last?.observation.links ?? []).map((link) => ({
        labels: { link: link.link },
        value: link.isUp ? 1 : 0,
      })),
  },
  {
    name: 'headgate_tcp_data_segments_total',
    type: 'counter',
    labels: ['link', 'direction'],
    help: 'TCP segments with data, passively seen',
    read: ({ snapshot }) =>
      perTcp(snapshot, (tcp, labels) => [{ labels, value: tcp.dataSegments }]),
  },
  {
    name: 'headgate_tcp_retransmitted_segments_total',
    type: 'counter',
    labels: ['link', 'side', 'direction'],
    help: 'Retransmitted TCP segments, passively seen, by where the loss was: before the unit, beyond it, or spurious',
    read: ({ snapshot }) =>
      perTcp(snapshot, (tcp, labels) => [
        { labels: { ...labels, side: 'before' }, value: tcp.lostBefore },
        { labels: { ...labels, side: 'beyond' }, value: tcp.lostBeyond },
        { labels: { ...labels, side: 'spurious' }, value: tcp.spurious },
      ]),
  },
  {
    name: 'headgate_tcp_reordered_segments_total',
    type: 'counter',
    labels: ['link', 'direction'],
    help: 'TCP segments that came out of order and were no retransmission',
    read: ({ snapshot }) => perTcp(snapshot, (tcp, labels) => [{ labels, value: tcp.reordered }]),
  },
  {
    name: 'headgate_rtt_seconds',
    type: 'histogram',
    labels: ['link', 'side'],
    help: 'Passive round-trip times from the unit to one side and back',
    read: readRtt,
  },
  {
    name: 'headgate_sessions',
    type: 'gauge',
    labels: [],
    help: 'TCP sessions in the table now',
    read: ({ snapshot }) => one(snapshot?.sessions.live),
  },
  {
    name: 'headgate_session_slots',
    type: 'gauge',
    labels: [],
    help: 'Size of the session table',
    read: ({ snapshot }) => one(snapshot?.sessions.capacity),
  },
  {
    name: 'headgate_wire_packets_total',
    type: 'counter',
    labels: ['wire', 'direction', 'path'],
    help: 'Frames that passed a wire, through the unit or past it while it was away',
    read: ({ snapshot }) => perPath(snapshot, 'packets'),
  },
  {
    name: 'headgate_wire_bytes_total',
    type: 'counter',
    labels: ['wire', 'direction', 'path'],
    help: 'Bytes of the frames that passed a wire',
    read: ({ snapshot }) => perPath(snapshot, 'bytes'),
  },
  {
    name: 'headgate_wire_lost_packets_total',
    type: 'counter',
    labels: ['wire', 'reason'],
    help: 'Frames that came in and that the machine refused to send on',
    read: ({ snapshot }) =>
      (snapshot?.wires ?? []).flatMap((wire) =>
        Object.entries(wire.lost).map(([reason, value]) => ({
          labels: { wire: wire.wire, reason },
          value,
        })),
      ),
  },
  {
    name: 'headgate_wire_forwarding',
    type: 'gauge',
    labels: ['wire', 'driver'],
    help: '1 while packets pass the unit, 0 while the kernel forwards them past it or a port is down',
    read: ({ snapshot }) =>
      (snapshot?.wires ?? []).map((wire) => ({
        labels: { wire: wire.wire, driver: wire.driver },
        value: wire.state === 'forwarding' ? 1 : 0,
      })),
  },
  {
    name: 'headgate_unparsed_packets_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Packets that could not be parsed and were forwarded unchanged',
    read: ({ snapshot }) => byReason(snapshot?.unparsed),
  },
  {
    name: 'headgate_unmeasured_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Measurements (never packets) that were given up',
    read: ({ snapshot }) => byReason(snapshot?.unmeasured),
  },
  {
    name: 'headgate_bgp_session_state',
    type: 'gauge',
    labels: ['router'],
    help: 'State of the BGP session: 1 idle, 2 connect, 3 active, 4 open sent, 5 open confirm, 6 established',
    read: ({ sessions }) =>
      sessions.map((session) => ({
        labels: { router: session.router },
        value: phases.indexOf(session.phase) + 1,
      })),
  },
  {
    name: 'headgate_bgp_paths_received',
    type: 'gauge',
    labels: ['router'],
    help: 'Paths that a router told us',
    read: ({ sessions }) =>
      sessions.map((s) => ({ labels: { router: s.router }, value: s.pathsReceived })),
  },
  {
    name: 'headgate_bgp_prefixes_announced',
    type: 'gauge',
    labels: ['router'],
    help: 'Prefixes that a router hears from us',
    read: ({ sessions }) =>
      sessions.map((s) => ({ labels: { router: s.router }, value: s.prefixesAnnounced })),
  },
  {
    name: 'headgate_bgp_events_total',
    type: 'counter',
    labels: ['router', 'event'],
    help: 'Messages, errors, refusals of a BGP session, by name',
    read: ({ sessions }) =>
      sessions.flatMap((s) =>
        Object.entries(s.counters).map(([event, value]) => ({
          labels: { router: s.router, event },
          value,
        })),
      ),
  },
  {
    name: 'headgate_moves_total',
    type: 'counter',
    labels: ['result', 'rail'],
    help: 'Moves decided: done, proposed, or stopped by a rail',
    read: ({ moves }) =>
      [...moves].map(([key, value]) => {
        const [result = '', rail = ''] = key.split(' ');
        return { labels: { result, rail }, value };
      }),
  },
  {
    name: 'headgate_plan_generation',
    type: 'gauge',
    labels: [],
    help: 'Decisions that changed something',
    read: ({ loop }) => one(loop.state.plan.generation),
  },
  {
    name: 'headgate_blocks_steered',
    type: 'gauge',
    labels: ['link'],
    help: 'Blocks that the plan prefers on a link',
    read: readSteered,
  },
  {
    name: 'headgate_frozen',
    type: 'gauge',
    labels: [],
    help: '1 while nothing is moved because the measurements are not to be trusted',
    read: ({ loop }) => one(loop.state.frozen ? 1 : 0),
  },
  {
    name: 'headgate_withdrawn',
    type: 'gauge',
    labels: [],
    help: '1 after headgate withdraw --all until headgate resume',
    read: ({ loop }) => one(loop.isWithdrawn ? 1 : 0),
  },
  {
    name: 'headgate_mode',
    type: 'gauge',
    labels: ['mode'],
    help: '1 for the mode in force',
    read: ({ loop }) =>
      (['observe', 'advise', 'control'] as const).map((mode) => ({
        labels: { mode },
        value: loop.mode === mode ? 1 : 0,
      })),
  },
  {
    name: 'headgate_conditions',
    type: 'gauge',
    labels: [],
    help: 'Complaints that headgate status lists; 0 when all is well',
    read: ({ conditions }) => one(conditions),
  },
  {
    name: 'headgate_cycles_total',
    type: 'counter',
    labels: [],
    help: 'Turns of measure, decide, act, verify',
    read: ({ cycleSeconds }) => one(cycleSeconds.count),
  },
  {
    name: 'headgate_cycle_seconds_total',
    type: 'counter',
    labels: [],
    help: 'Time spent in those turns',
    read: ({ cycleSeconds }) => one(cycleSeconds.sum),
  },
  {
    name: 'headgate_failures_total',
    type: 'counter',
    labels: ['component'],
    help: 'Calls of a component that failed and were skipped',
    read: ({ failures }) =>
      [...failures].map(([component, value]) => ({ labels: { component }, value })),
  },
  {
    name: 'headgate_control_requests_total',
    type: 'counter',
    labels: ['command', 'result'],
    help: 'Requests on the control socket',
    read: ({ requests }) =>
      [...requests].map(([key, value]) => {
        const [command = '', result = 'refused'] = key.split(':');
        return { labels: { command, result }, value };
      }),
  },
  {
    name: 'headgate_history_bytes',
    type: 'gauge',
    labels: [],
    help: 'Size of the history file',
    read: ({ history }) => one(history.bytes),
  },
  {
    name: 'headgate_source_lost_total',
    type: 'counter',
    labels: ['source', 'reason'],
    help: 'Polls, records and probes that gave no measurement',
    read: ({ sourceLosses }) =>
      sourceLosses.map(({ source, reason, count }) => ({
        labels: { source, reason },
        value: count,
      })),
  },
  {
    name: 'headgate_dns_events_total',
    type: 'counter',
    labels: ['event'],
    help: 'Queries to the name server by outcome, and its losses by reason',
    read: ({ names }) =>
      Object.entries(names).map(([event, value]) => ({ labels: { event }, value })),
  },
  {
    name: 'headgate_record_lost_total',
    type: 'counter',
    labels: [],
    help: 'Cycles that the recorder could not write',
    read: ({ recordLost }) => one(recordLost),
  },
  {
    name: 'headgate_history_lost_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Records that history did not keep',
    read: ({ history }) =>
      [...history.lost].map(([reason, value]) => ({ labels: { reason }, value })),
  },
];

const one = (value: number | undefined): readonly Sample[] =>
  value === undefined ? [] : [{ labels: {}, value }];

const byReason = (counts: Readonly<Record<string, number>> | undefined): readonly Sample[] =>
  Object.entries(counts ?? {}).map(([reason, value]) => ({ labels: { reason }, value }));

type LinkCounts = EngineSnapshot['links'][number];

function perLink(
  snapshot: EngineSnapshot | undefined,
  value: (count: LinkCounts['inbound']) => number,
): readonly Sample[] {
  return (snapshot?.links ?? []).flatMap((count) =>
    directions.map((direction) => ({
      labels: { link: count.link ?? unknown, direction },
      value: value(count[direction]),
    })),
  );
}

function perTcp(
  snapshot: EngineSnapshot | undefined,
  samples: (tcp: TcpCount, labels: Readonly<Record<string, string>>) => readonly Sample[],
): readonly Sample[] {
  return (snapshot?.links ?? []).flatMap((count) =>
    directions.flatMap((direction) =>
      samples(count.tcp[direction], { link: count.link ?? unknown, direction }),
    ),
  );
}

function perPath(
  snapshot: EngineSnapshot | undefined,
  what: 'packets' | 'bytes',
): readonly Sample[] {
  return (snapshot?.wires ?? []).flatMap((wire) =>
    (['unit', 'bypass'] as const).flatMap((path) =>
      directions.map((direction) => ({
        labels: { wire: wire.wire, direction, path },
        value: wire[path][direction][what],
      })),
    ),
  );
}

function readBlocks({ snapshot, groups }: Scrape): readonly Sample[] {
  const counts = snapshot?.blocks ?? [];
  const isSingly = new Set(counts.map((count) => count.block)).size <= blocksSingly;
  const sums = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const { block: prefix, link = unknown, direction, l2Bytes } of counts) {
    const block = isSingly ? prefix : (groups.get(prefix) ?? 'no group');
    const key = `${block} ${link} ${direction}`;
    const sum = sums.get(key) ?? { labels: { block, link, direction }, value: 0 };
    sum.value += l2Bytes;
    sums.set(key, sum);
  }
  return [...sums.values()];
}

function readRtt({ snapshot }: Scrape): readonly HistogramSample[] {
  return (snapshot?.links ?? []).flatMap(({ link = unknown, rtt }) =>
    (['inside', 'outside'] as const).map((side) => {
      let count = 0;
      let sum = 0;
      let below = 0;
      const buckets = rtt[side].buckets.map((bucket) => {
        count += bucket.count;
        // The engine keeps no sum: the middle of each bucket stands for its samples.
        sum += (bucket.count * (below + bucket.boundUs)) / 2e6;
        below = bucket.boundUs;
        return { bound: bucket.boundUs / 1e6, count };
      });
      return { labels: { link, side }, buckets, count, sum };
    }),
  );
}

function readSteered({ loop }: Scrape): readonly Sample[] {
  const counts = new Map<string, number>();
  for (const { link } of loop.state.plan.blocks) {
    if (link !== undefined) counts.set(link, (counts.get(link) ?? 0) + 1);
  }
  return [...counts].map(([link, value]) => ({ labels: { link }, value }));
}
