/** `headgate report`: one HTML page of loads, moves, bills and what rails stopped; needs no network to be read. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Report, renderReport } from '../core/report/render.ts';
import { gatherReport, reportAssets } from '../daemon/money/report.ts';
import { type AskOptions, ask, askCommand } from './face/ask.ts';
import { timeOf } from './face/time.ts';

interface ReportOptions extends AskOptions {
  readonly from?: string;
  readonly to?: string;
  readonly output: string;
  readonly title: string;
}

export function register(program: Command): void {
  askCommand(
    program,
    'report',
    'writes one HTML page of loads, moves, bills and what rails stopped',
  )
    .option('--from <time>', 'such as 2026-03-01T22:00:00Z; the last day unless set')
    .option('--to <time>', 'such as 2026-03-02T22:00:00Z; now unless set')
    .option('-o, --output <file>', 'where the page goes', 'headgate-report.html')
    .option('--title <text>', 'name of the unit or network', 'unit')
    .action(async (options: ReportOptions) => {
      const report = await gather(options);
      if (options.json) {
        process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
        return;
      }
      const page = renderReport(report, reportAssets());
      writeFileSync(options.output, page);
      process.stdout.write(
        `${options.output}: ${report.links.length} links, ${report.moves.length} moves\n`,
      );
    });
}

const dayMs = 86_400_000;

function gather(options: ReportOptions): Promise<Report> {
  const to = options.to === undefined ? Date.now() : timeOf(options.to);
  const from = options.from === undefined ? to - dayMs : timeOf(options.from);
  const asked = { title: options.title, from, to };
  return gatherReport((command, args) => ask(options, command, args), asked);
}
