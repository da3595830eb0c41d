import { clientScript } from './client-script.ts';
import type { Report, ReportAssets } from './types.ts';

export type * from './types.ts';

/**
 * One self-contained HTML page: no address is fetched, dark and light follow the reader's system.
 * With `refreshS` it loads itself anew so often.
 */
export function renderReport(report: Report, assets: ReportAssets, refreshS?: number): string {
  const period = `${timeText(report.from)} to ${timeText(report.to)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refreshS === undefined ? '' : `<meta http-equiv="refresh" content="${refreshS}">\n`}<title>headgate ${escapeHtml(report.unit)}: ${period}</title>
<link rel="icon" href="data:,">
<style>${assets.chartStyle}</style>
<style>${style}</style>
</head>
<body>
<h1>headgate ${escapeHtml(report.unit)}</h1>
<p>${period}: ${count(report.moves.length, 'move')} on ${count(report.links.length, 'link')}</p>
${report.links.map((link) => `<section id="link-${escapeHtml(link.link)}" class="charts"></section>`).join('\n')}
${table(
  'Bill to date',
  ['link', 'so far', 'forecast'],
  report.bills.map((bill) => [bill.link, bill.soFar, bill.forecast]),
)}
${table(
  'Moves',
  ['time', 'block', 'from', 'to', 'outcome', 'reason'],
  report.moves.map((m) => [timeText(m.at), m.block, m.from, m.to, m.outcome, m.reason]),
)}
${table(
  'What rails stopped',
  ['rail', 'refused', 'postponed'],
  report.rails.map((rail) => [rail.rail, String(rail.refused), String(rail.postponed)]),
)}
<script type="application/json" id="report">${JSON.stringify(report).replaceAll('<', '\\u003c')}</script>
<script>${assets.chartScript}</script>
<script>${clientScript}</script>
</body>
</html>
`;
}

function table(
  title: string,
  heads: readonly string[],
  rows: ReadonlyArray<readonly string[]>,
): string {
  if (rows.length === 0) return `<h2>${title}</h2>\n<p>none</p>`;
  const cells = (tag: string, values: readonly string[]) =>
    values.map((v) => `<${tag}>${escapeHtml(v)}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n');
  return `<h2>${title}</h2>\n<table>\n<thead><tr>${cells('th', heads)}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table>`;
}

/** RFC 3339 in UTC, to the second: reports from several time zones compare. */
function timeText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}

const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const style = `
:root { color-scheme: light dark; --text: #1c1c1e; --page: #fff; --grid: #e3e3e8; --in: #0a64c8; --out: #7a7a85;
  --limit: #c0392b; --arrive: #1e8a4c; --leave: #c87f0a; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8ea; --page: #17181b; --grid: #33353a; --in: #5aa9ff; --out: #9a9aa6; --limit: #ff6b5e;
    --arrive: #4fd18a; --leave: #ffb84d; }
}
body { margin: 2rem auto; max-width: 1100px; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--page); }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
.charts { margin-top: 1.5rem; overflow-x: auto; }
.charts .uplot { margin-top: 1.25rem; }
.near { margin: 0; min-height: 1.5em; text-align: center; color: var(--leave); }
`;
