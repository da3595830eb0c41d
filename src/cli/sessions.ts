/** `headgate sessions`: TCP by link, as the session table saw it. */
import type { Command } from 'commander';
import type { SessionsView, TcpView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatRtt, formatShare, formatTable } from './face/text.ts';

export function register(program: Command): void {
  askCommand(
    program,
    'sessions',
    'shows TCP by link: retransmissions by side, round-trip times',
  ).action(async (options: AskOptions) => {
    print(options, await ask<SessionsView>(options, 'sessions'), renderSessions);
  });
}

export function renderSessions({ live, capacity, links }: SessionsView): string {
  const table = formatTable(
    [
      { head: 'link', cell: (link) => link.link ?? 'unknown' },
      { head: 'in segments', cell: (link) => String(link.inbound.data_segments), align: 'right' },
      { head: 'lost before', cell: (link) => lost(link.inbound, 'lost_before'), align: 'right' },
      { head: 'lost beyond', cell: (link) => lost(link.inbound, 'lost_beyond'), align: 'right' },
      { head: 'out segments', cell: (link) => String(link.outbound.data_segments), align: 'right' },
      { head: 'lost before', cell: (link) => lost(link.outbound, 'lost_before'), align: 'right' },
      { head: 'lost beyond', cell: (link) => lost(link.outbound, 'lost_beyond'), align: 'right' },
      {
        head: 'rtt inside',
        cell: (link) => formatRtt(link.rtt_us.inside.p50 ?? undefined),
        align: 'right',
      },
      {
        head: 'rtt outside',
        cell: (link) => formatRtt(link.rtt_us.outside.p50 ?? undefined),
        align: 'right',
      },
    ],
    links,
  );
  return `${live} sessions in the table of ${capacity}\n${table}`;
}

function lost(tcp: TcpView, side: 'lost_before' | 'lost_beyond'): string {
  return tcp.data_segments === 0 ? '-' : formatShare(tcp[side] / tcp.data_segments, 2);
}
