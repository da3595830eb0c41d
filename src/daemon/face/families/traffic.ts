/** Metrics of what packets show: links, blocks, TCP, round-trip times, wires. */
import type { EngineSnapshot, TcpCount } from '../../../engine/index.ts';
import type { HistogramSample, Reading, Sample } from '../../../metrics/index.ts';
import { one, type Scrape } from './scrape.ts';

/** Above this many blocks the block metrics are summed by group (DESIGN.md section 9). */
const blocksSingly = 1000;

const directions = ['inbound', 'outbound'] as const;
const unknown = 'unknown';

export const trafficReadings: ReadonlyArray<Reading<Scrape>> = [
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
    name: 'headgate_block_rtt_seconds',
    type: 'gauge',
    labels: ['block', 'percentile'],
    help: 'Passive round-trip times between the unit and the Internet over the averaging time, to half an octave; none above 1000 blocks',
    read: readBlockRtts,
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
    name: 'headgate_tcp_needless_segments_total',
    type: 'counter',
    labels: ['link', 'direction'],
    help: 'Of the retransmitted TCP segments with side beyond, those whose receiver said later (DSACK) that it had them already',
    read: ({ snapshot }) => perTcp(snapshot, (tcp, labels) => [{ labels, value: tcp.needless }]),
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
    name: 'headgate_wire_worker_packets_total',
    type: 'counter',
    labels: ['wire', 'worker', 'direction'],
    help: 'Frames that each worker of a wire has sent on, where several share it',
    read: readWorkers,
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
    name: 'headgate_wire_coverage_ratio',
    type: 'gauge',
    labels: ['wire'],
    help: 'Share of the packets worth measuring that were measured; below 1 whole sessions were left out',
    read: ({ snapshot }) =>
      (snapshot?.wires ?? []).map(({ wire, coverage }) => ({ labels: { wire }, value: coverage })),
  },
  {
    name: 'headgate_wire_unmarked_packets_total',
    type: 'counter',
    labels: ['wire'],
    help: 'Packets that should have been marked and that the machine would not change',
    read: ({ snapshot }) =>
      (snapshot?.wires ?? []).map(({ wire, unmarked }) => ({ labels: { wire }, value: unmarked })),
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
];

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

/** Where several share a wire: whether it is spread evenly. */
function readWorkers({ snapshot }: Scrape): readonly Sample[] {
  return (snapshot?.wires ?? [])
    .filter(({ workers }) => workers.length > 1)
    .flatMap(({ wire, workers }) =>
      workers.flatMap((counts, worker) =>
        directions.map((direction) => ({
          labels: { wire, worker: String(worker), direction },
          value: counts[direction].packets,
        })),
      ),
    );
}

function readBlocks({ snapshot, groups }: Scrape): readonly Sample[] {
  const counts = snapshot?.blocks ?? [];
  const isSingly = blocksOf(snapshot).size <= blocksSingly;
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

/** Quantiles of blocks do not add up to those of their group: above so many blocks there are none. */
function readBlockRtts({ snapshot, blockRtts }: Scrape): readonly Sample[] {
  const blocks = blocksOf(snapshot);
  if (blocks.size > blocksSingly) return [];
  return [...blocks].flatMap((block) => {
    const { p50Us, p95Us } = blockRtts?.of(block) ?? {};
    return [
      { percentile: '50', us: p50Us },
      { percentile: '95', us: p95Us },
    ].flatMap(({ percentile, us }) =>
      us === undefined ? [] : [{ labels: { block, percentile }, value: us / 1e6 }],
    );
  });
}

const blocksOf = (snapshot: EngineSnapshot | undefined) =>
  new Set(snapshot?.blocks.map(({ block }) => block));

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
