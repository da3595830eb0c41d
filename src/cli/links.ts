/** `headgate links`: each link with its load and quality. */
import type { Command } from 'commander';
import type { LinkView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatRate, formatRtt, formatShare, formatTable } from './face/text.ts';

export function register(program: Command): void {
  askCommand(program, 'links', 'shows each link with its load and quality').action(
    async (options: AskOptions) => {
      print(options, await ask<readonly LinkView[]>(options, 'links'), renderLinks);
    },
  );
}

export function renderLinks(links: readonly LinkView[]): string {
  return formatTable(
    [
      { head: 'link', cell: (link) => link.name },
      { head: 'AS', cell: (link) => String(link.asn), align: 'right' },
      { head: 'state', cell: (link) => (link.is_up ? 'up' : 'DOWN') },
      { head: 'capacity', cell: (link) => formatRate(link.capacity_bitps), align: 'right' },
      { head: 'in bit/s', cell: (link) => formatRate(link.inbound_bitps), align: 'right' },
      { head: 'out bit/s', cell: (link) => formatRate(link.outbound_bitps), align: 'right' },
      { head: 'load', cell: (link) => formatShare(link.utilisation, 0), align: 'right' },
      {
        head: 'retransmitted',
        cell: (link) => formatShare(link.retransmission_ratio, 2),
        align: 'right',
      },
      { head: 'loss', cell: (link) => formatShare(link.loss_ratio, 2), align: 'right' },
      { head: 'round trip', cell: (link) => formatRtt(link.rtt_us), align: 'right' },
      { head: 'congested', cell: congested },
      { head: 'measured', cell: (link) => formatShare(link.coverage, 0), align: 'right' },
    ],
    links,
  );
}

/** Such as `in by load, probe loss`; empty where no direction is. */
function congested({ congestion = [] }: LinkView): string {
  return congestion
    .filter(({ is_congested }) => is_congested)
    .map(({ direction, reasons }) => {
      const kinds = reasons.map(({ kind }) => kind.replace('_', ' ')).join(', ');
      return `${direction === 'inbound' ? 'in' : 'out'} by ${kinds}`;
    })
    .join('; ');
}
