import Table from 'cli-table3';
import { formatRtt } from '../face/text.ts';
import type { ReplayReport } from './report.ts';

/** The same for people. */
export function renderReport(report: ReplayReport): string {
  const { tcp, unparsed, rtt_us: rtt } = report;
  if (report.packets === undefined || !tcp || !unparsed || !rtt)
    return `${report.file}: not read\n`;
  const summary = new Table({ head: [report.file, ''], style: { head: [], border: [] } });
  const integer = new Intl.NumberFormat('en-US');
  const number = (value: number | undefined) => integer.format(value ?? 0);
  summary.push(
    ['packets', `${number(report.packets)} (${number(report.frame_bytes)} bytes)`],
    [
      'IPv4, IPv6, other',
      `${number(report.ipv4_packets)}, ${number(report.ipv6_packets)}, ${number(report.other_packets)}`,
    ],
    ['TCP sessions', number(tcp.sessions)],
    ['data segments', number(tcp.data_segments)],
    [
      'retransmitted',
      `${number(tcp.retransmitted_segments)} (lost beyond ${number(tcp.lost_beyond)}, lost before ${number(tcp.lost_before)}, needless ${number(tcp.spurious)})`,
    ],
    [
      'reordered, duplicate, keep-alive',
      `${number(tcp.reordered)}, ${number(tcp.duplicates)}, ${number(tcp.keep_alives)}`,
    ],
    [
      'round trip p50, p95, p99',
      rtt.samples === 0
        ? 'no samples'
        : `${[rtt.p50, rtt.p95, rtt.p99].map((us) => `${(us / 1000).toFixed(2)} ms`).join(', ')} (${number(rtt.samples)} samples)`,
    ],
    ['speed', `${number(report.packets_per_s)} packets/s`],
  );
  for (const [reason, packets] of Object.entries(unparsed))
    summary.push([`unparsed: ${reason}`, number(packets)]);
  const parts = [summary.toString()];
  if (report.blocks && report.blocks.length > 0) {
    const blocks = new Table({
      head: ['block', 'direction', 'link', 'packets', 'IP bytes', 'layer-2 bytes'],
      style: { head: [], border: [] },
    });
    for (const row of report.blocks) {
      blocks.push([
        row.prefix,
        row.direction,
        row.link ?? '-',
        number(row.packets),
        number(row.ip_bytes),
        number(row.l2_bytes),
      ]);
    }
    parts.push(blocks.toString());
  }
  if (report.block_rtt_us && report.block_rtt_us.length > 0) {
    const rtts = new Table({
      head: ['block', 'round trip to the Internet p50', 'p95', 'samples'],
      style: { head: [], border: [] },
    });
    for (const { prefix, p50, p95, samples } of report.block_rtt_us)
      rtts.push([
        prefix,
        formatRtt(p50 ?? undefined),
        formatRtt(p95 ?? undefined),
        number(samples),
      ]);
    parts.push(rtts.toString());
  }
  if (report.resolvers && report.resolvers.length > 0) {
    const top = report.resolvers.slice(0, 10);
    const resolvers = new Table({ head: ['resolver', 'queries'], style: { head: [], border: [] } });
    for (const row of top) resolvers.push([row.address, number(row.queries)]);
    parts.push(resolvers.toString());
  }
  return `${parts.join('\n')}\n`;
}
