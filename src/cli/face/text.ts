/** How figures and tables look on a terminal, the same in every command. Pure. */
import Table from 'cli-table3';

/** 12_345_678 → `12.3 M`; bit/s, at most three digits and a unit. */
export function formatRate(bitps: number | undefined): string {
  return bitps === undefined ? '-' : scaled(bitps, ['', ' k', ' M', ' G', ' T']);
}

export function formatBytes(bytes: number): string {
  return scaled(bytes, [' B', ' kB', ' MB', ' GB', ' TB', ' PB']);
}

function scaled(value: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  const digits = rest >= 100 || unit === 0 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)}${units[unit] ?? ''}`;
}

/** 0.0123 → `1.2 %`. */
export function formatShare(value: number | undefined, digits = 1): string {
  return value === undefined ? '-' : `${(value * 100).toFixed(digits)} %`;
}

/** Microseconds as milliseconds. */
export function formatRtt(us: number | undefined): string {
  return us === undefined ? '-' : `${(us / 1000).toFixed(us < 10_000 ? 2 : 0)} ms`;
}

/** The two largest units of a duration: `3 d 4 h`, `12 s`. */
export function formatDuration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const;
  const first = units.findIndex(([, size]) => ms >= size);
  if (first < 0) return `${Math.round(ms)} ms`;
  const [unit, size] = units[first] ?? ['s', 1000];
  const next = units[first + 1];
  const rest = next ? Math.floor((ms % size) / next[1]) : 0;
  return `${Math.floor(ms / size)} ${unit}${next && rest > 0 ? ` ${rest} ${next[0]}` : ''}`;
}

/** Local wall time, to the second: what a person compares with their watch. */
export function formatTime(at: number): string {
  if (at === 0) return 'never';
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  );
}

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

/** A plain table without lines between, which also reads well in a log or a mail. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const none = '';
  const table = new Table({
    head: columns.map((column) => column.head),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2, compact: true },
    chars: {
      top: none,
      'top-mid': none,
      'top-left': none,
      'top-right': none,
      bottom: none,
      'bottom-mid': none,
      'bottom-left': none,
      'bottom-right': none,
      left: none,
      'left-mid': none,
      mid: none,
      'mid-mid': none,
      right: none,
      'right-mid': none,
      middle: none,
    },
  });
  for (const row of rows) table.push(columns.map((column) => column.cell(row)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
