import { err, ok, type Result } from '../base/result.ts';

/** Volume from one node to another, in the unit of the file (SNDlib's dynamic sets: Mbit/s). */
export interface MatrixDemand {
  readonly source: string;
  readonly target: string;
  readonly volume: number;
}

/** A traffic matrix of one interval, in the order of its file. */
export type TrafficMatrix = readonly MatrixDemand[];

export interface MatrixError {
  readonly code: 'no_demands' | 'missing_part' | 'bad_volume' | 'ragged_row' | 'repeated_name';
  /** 1 is the first; for XML the line on which the demand begins. */
  readonly line: number;
}

/**
 * Reads the demands of an SNDlib network or matrix in XML: of each `demand` its `source`, `target` and `demandValue`.
 * Everything else of the file is passed over.
 */
export function parseSndlib(text: string): Result<TrafficMatrix, MatrixError> {
  const demands: MatrixDemand[] = [];
  // A comment may hold what looks like a demand; its line breaks stay, so that lines are counted right.
  const visible = text.replace(/<!--[\s\S]*?(?:-->|$)/g, (comment) =>
    comment.replace(/[^\n]/g, ''),
  );
  const opening = /<demand(?:\s[^>]*)?>/g;
  let line = 1;
  let counted = 0;
  for (let found = opening.exec(visible); found; found = opening.exec(visible)) {
    for (; counted < found.index; counted++) if (visible[counted] === '\n') line++;
    const end = visible.indexOf('</demand>', opening.lastIndex);
    if (end < 0) return err({ code: 'missing_part', line });
    const body = visible.slice(opening.lastIndex, end);
    const source = textOf(body, 'source');
    const target = textOf(body, 'target');
    const value = textOf(body, 'demandValue');
    if (!source || !target || !value) return err({ code: 'missing_part', line });
    const volume = parseVolume(value);
    if (volume === undefined) return err({ code: 'bad_volume', line });
    demands.push({ source, target, volume });
    opening.lastIndex = end;
  }
  return demands.length > 0 ? ok(demands) : err({ code: 'no_demands', line });
}

/**
 * Reads a matrix as comma-separated values: the first row names the targets (its first cell is not looked at), each
 * further row names a source and gives a volume per target. An empty cell is no demand; `#` begins a comment line.
 */
export function parseMatrixCsv(text: string): Result<TrafficMatrix, MatrixError> {
  const demands: MatrixDemand[] = [];
  const sources = new Set<string>();
  let targets: readonly string[] | undefined;
  let line = 0;
  for (const row of text.split(/\r?\n/)) {
    line++;
    if (row.trim() === '' || row.startsWith('#')) continue;
    const [source = '', ...cells] = row.split(',').map(plainCell);
    if (!targets) {
      if (new Set(cells).size !== cells.length) return err({ code: 'repeated_name', line });
      targets = cells;
      continue;
    }
    if (cells.length !== targets.length) return err({ code: 'ragged_row', line });
    if (source === '') return err({ code: 'missing_part', line });
    if (sources.has(source)) return err({ code: 'repeated_name', line });
    sources.add(source);
    for (const [i, cell] of cells.entries()) {
      if (cell === '') continue;
      const volume = parseVolume(cell);
      if (volume === undefined) return err({ code: 'bad_volume', line });
      demands.push({ source, target: targets[i] ?? '', volume });
    }
  }
  return demands.length > 0 ? ok(demands) : err({ code: 'no_demands', line });
}

/** What all of a network, or one node of it, sends or receives in each interval: a series as `generateDemand` gives. */
export function demandSeries(
  matrices: readonly TrafficMatrix[],
  node?: { readonly name: string; readonly direction: 'source' | 'target' },
): Float64Array {
  return Float64Array.from(matrices, (matrix) =>
    matrix.reduce(
      (sum, demand) => (!node || demand[node.direction] === node.name ? sum + demand.volume : sum),
      0,
    ),
  );
}

function textOf(body: string, tag: string): string | undefined {
  const found = new RegExp(`<${tag}(?:\\s[^>]*)?>\\s*([^<]*?)\\s*</${tag}>`).exec(body);
  return found?.[1];
}

function parseVolume(text: string): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

const plainCell = (cell: string): string => cell.trim().replace(/^"(.*)"$/, '$1');
