/** The output that all benches share (DESIGN.md section 9). */
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

export interface Row {
  readonly name: string;
  /** Median of the repeats. */
  readonly value: number;
  readonly unit: string;
  readonly min?: number;
  readonly max?: number;
}

export interface Goal {
  readonly name: string;
  readonly value: number;
  /** What had to be reached. */
  readonly bound: number;
  readonly unit: string;
  readonly reached: boolean;
}

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly isJson: boolean;
}

/** `--quick` ends within 50 seconds; `--json` prints one value and nothing else. */
export function readOptions(argv: readonly string[]): BenchOptions {
  return { isQuick: argv.includes('--quick'), isJson: argv.includes('--json') };
}

export function atLeast(name: string, value: number, bound: number, unit: string): Goal {
  return { name, value, bound, unit, reached: value >= bound };
}

export function atMost(name: string, value: number, bound: number, unit: string): Goal {
  return { name, value, bound, unit, reached: value <= bound };
}

/** A row from repeats: median, least and largest. */
export function row(name: string, values: readonly number[], unit: string): Row {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number): number => sorted[i] ?? Number.NaN;
  return { name, value: at(sorted.length >> 1), unit, min: at(0), max: at(sorted.length - 1) };
}

/** Prints the report; notes (skipped peers, what was left out) go below the table, or to stderr with `--json`. */
export function report(
  bench: string,
  rows: readonly Row[],
  goals: readonly Goal[],
  { isJson, isQuick }: BenchOptions,
  notes: readonly string[] = [],
): void {
  const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  const commit = currentCommit();
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ bench, commit, machine, rows, goals })}\n`);
    for (const note of notes) process.stderr.write(`${note}\n`);
    return;
  }
  const lines = [
    `machine  ${machine}`,
    `commit   ${commit}`,
    `command  scripts/bench ${bench}${isQuick ? ' --quick' : ''}`,
    '',
    ...table([
      ['what', 'median', 'unit', 'min', 'max'],
      ...rows.map((r) => [r.name, figure(r.value), r.unit, figure(r.min), figure(r.max)]),
    ]),
    '',
    ...table([
      ['goal', 'reached', 'figure', 'bound', 'unit'],
      ...goals.map((g) => [
        g.name,
        g.reached ? 'yes' : 'NO',
        figure(g.value),
        figure(g.bound),
        g.unit,
      ]),
    ]),
    ...notes.map((note) => `note: ${note}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function currentCommit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'not a checkout';
  }
}

function figure(value: number | undefined): string {
  if (value === undefined) return '';
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(4)));
}

function table(cells: ReadonlyArray<readonly string[]>): string[] {
  const widths = (cells[0] ?? []).map((_, c) =>
    Math.max(...cells.map((line) => (line[c] ?? '').length)),
  );
  return cells.map((line) =>
    line
      .map((cell, c) => cell.padEnd(widths[c] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
