/** The main job's live picture as text. Pure. */
import Table from 'cli-table3';
import type { Reading } from '../../lab/index.ts';
import { overload, type UnitView } from './summary.ts';

export interface Picture {
  readonly title: string;
  readonly seconds: number;
  readonly demandBitps: number;
  readonly capacities: Readonly<Record<string, number>>;
  readonly reading: Reading | undefined;
  readonly view: UnitView | undefined;
  readonly startedAt: number;
  readonly isColoured: boolean;
}

const movesShown = 8;

export function renderPicture(picture: Picture): string {
  const { reading, demandBitps, seconds } = picture;
  const goodput = reading ? mbps(reading.goodputBitps) : '-';
  return [
    picture.title,
    `${Math.floor(seconds)} s   receivers get ${goodput} of ${mbps(demandBitps)} Mbit/s`,
    linkTable(picture),
    blockTable(picture),
    moveLines(picture),
    'Interrupt (Ctrl-C) to end; everything is taken down.',
    '',
  ].join('\n');
}

function linkTable({ reading, view, capacities, isColoured }: Picture): string {
  const table = plainTable(
    ['link', 'capacity', 'interface', 'headgate', 'load', 'retransmitted', 'round trip'],
    isColoured,
  );
  for (const [name, capacity] of Object.entries(capacities)) {
    const seen = reading?.links.find((link) => link.name === name);
    const measured = view?.links.find((link) => link.name === name);
    const load = seen ? `${bar(seen.load)} ${(seen.load * 100).toFixed(0).padStart(3)} %` : '-';
    table.push([
      name,
      `${mbps(capacity)} M`,
      seen ? `${mbps(seen.bitps)} M` : '-',
      measured?.inboundBitps === undefined ? '-' : `${mbps(measured.inboundBitps)} M`,
      isColoured && seen && seen.load > overload ? `\u001b[31m${load}\u001b[0m` : load,
      measured?.retransmissionRatio === undefined
        ? '-'
        : `${(measured.retransmissionRatio * 100).toFixed(2)} %`,
      measured?.rttUs === undefined ? '-' : `${(measured.rttUs / 1000).toFixed(1)} ms`,
    ]);
  }
  return table.toString();
}

function blockTable({ view, isColoured }: Picture): string {
  const table = plainTable(['block', 'steered to', 'inbound'], isColoured);
  for (const block of view?.blocks ?? []) {
    table.push([block.prefix, block.link ?? '(unbiased)', `${mbps(block.inboundBitps)} M`]);
  }
  return table.toString();
}

function moveLines({ view, startedAt }: Picture): string {
  const moves = view?.moves ?? [];
  if (moves.length === 0) return 'No block was moved yet.';
  const shown = moves.slice(-movesShown).map((move) => {
    const at = `${Math.round((move.at - startedAt) / 1000)} s`.padStart(6);
    return `${at}  ${move.block}  ${move.from ?? 'unbiased'} → ${move.to ?? 'unbiased'}: ${move.reason}`;
  });
  return [`Moves: ${moves.length}`, ...shown].join('\n');
}

function plainTable(head: string[], isColoured: boolean): InstanceType<typeof Table> {
  return new Table({
    head,
    // No line between rows: all blocks fit on one screen.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: isColoured ? { head: ['bold'], border: ['gray'] } : { head: [], border: [] },
  });
}

function bar(load: number): string {
  const full = Math.min(10, Math.round(load * 10));
  return `${'█'.repeat(full)}${'·'.repeat(10 - full)}`;
}

const mbps = (bitps: number): string => (bitps / 1e6).toFixed(1);
