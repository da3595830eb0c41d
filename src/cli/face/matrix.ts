/** `headgate simulate --matrix`: real traffic matrices played through the ways of filling links that are billed by a percentile. */
import { readFileSync } from 'node:fs';
import { HeadgateError } from '../../core/base/error.ts';
import { bound, type PricedLink } from '../../core/decide/billing/bound.ts';
import { cheapestOrder, fillInOrder } from '../../core/decide/billing/guard.ts';
import { allot, beginPacing, endSample, repace } from '../../core/decide/billing/pacing.ts';
import { freeSamples, kthLargest } from '../../core/decide/billing/percentile.ts';
import { demandSeries, parseMatrixCsv, parseSndlib } from '../../core/simulate/matrix.ts';
import { UseError } from './exit.ts';
import { formatTable } from './text.ts';

export interface MatrixView {
  /** Samples that were scored: the second half; the first is the history that pacing plans with. */
  readonly samples: number;
  readonly peak: number;
  /** Price × charged volume of each way, in the unit of the file; and how much of `optimum` it is above. */
  readonly ways: ReadonlyArray<{
    readonly way: string;
    readonly cost: number;
    readonly above: number;
  }>;
}

const percentile = 95;
/** Samples between two looks at the commits: an hour of five minutes. */
const samplesPerRepace = 12;

/** One file per interval, in the order given: SNDlib XML or CSV. `prices` are those of links that each carry `wide` peaks. */
export function playMatrices(
  files: readonly string[],
  prices: readonly number[],
  wide: number,
): MatrixView {
  const series = demandSeries(files.map(readMatrix));
  const half = series.length >> 1;
  if (half < 2) throw new UseError('--matrix takes at least four files: half of them is history');
  const history = series.slice(0, half);
  const scored = series.slice(half, 2 * half);
  const peak = Math.max(...series);
  const links = prices.map((price): PricedLink => ({ price, capacity: wide * peak }));
  const free = freeSamples(half, percentile);
  const optimum =
    bound(
      scored,
      links,
      links.map(() => free),
    )?.cost ?? Number.NaN;
  const costs = [
    ['optimum, known afterwards', optimum],
    [
      'equal split',
      costOf(scored, links, free, (demand) => links.map(() => demand / links.length)),
    ],
    ['cheapest first', costOf(scored, links, free, fillCheapest(links))],
    ['pacing', costOf(scored, links, free, ...pace(history, links, free))],
  ] as const;
  return {
    samples: half,
    peak,
    ways: costs.map(([way, cost]) => ({ way, cost, above: cost / optimum - 1 })),
  };
}

type Fill = (demand: number, sample: number) => readonly number[];
type End = (volumes: readonly number[]) => void;

function costOf(
  scored: Float64Array,
  links: readonly PricedLink[],
  free: number,
  fill: Fill,
  end: End = () => undefined,
): number {
  const carried = links.map(() => new Float64Array(scored.length));
  for (const [t, demand] of scored.entries()) {
    const volumes = fill(demand, t);
    for (const [k, volume] of volumes.entries()) carried[k]?.fill(volume, t, t + 1);
    end(volumes);
  }
  return links.reduce(
    (sum, { price }, k) => sum + price * kthLargest(carried[k] ?? new Float64Array(), free),
    0,
  );
}

function fillCheapest(links: readonly PricedLink[]): Fill {
  const order = cheapestOrder(links);
  const limits = links.map(({ capacity }) => capacity);
  return (demand) => fillInOrder(order, limits, demand);
}

function pace(
  history: Float64Array,
  links: readonly PricedLink[],
  free: number,
): readonly [Fill, End] {
  let pacing = beginPacing(history, links, free);
  return [
    (demand, t) => {
      if (t > 0 && t % samplesPerRepace === 0) pacing = repace(pacing, history);
      return allot(pacing, demand, 0).shares.map((share) => share * demand);
    },
    (volumes) => {
      pacing = endSample(pacing, volumes);
    },
  ];
}

function readMatrix(file: string) {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HeadgateError('matrix_unreadable', `cannot read ${file}`, { cause });
  }
  const parsed = file.endsWith('.csv') ? parseMatrixCsv(text) : parseSndlib(text);
  if (parsed.ok) return parsed.value;
  throw new UseError(
    `${file}:${parsed.error.line}: ${parsed.error.code.replace('_', ' ')}; expected SNDlib XML, or CSV with a row per source`,
  );
}

export function renderMatrix({ samples, peak, ways }: MatrixView): string {
  const table = formatTable(
    [
      { head: 'way of filling the links', cell: (row) => row.way },
      { head: 'cost', cell: (row) => row.cost.toFixed(2), align: 'right' },
      {
        head: 'above the optimum',
        // Plus nothing: a rounding error below none is none.
        cell: (row) => `${(Math.round(row.above * 1000) / 10 + 0).toFixed(1)} %`,
        align: 'right',
      },
    ],
    ways,
  );
  return `${samples} samples after as many of history, peak ${peak.toFixed(2)}\n${table}`;
}
