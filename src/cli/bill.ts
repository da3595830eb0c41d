/** `headgate bill`: month to date and forecast of every link that has a price. */
import type { Command } from 'commander';
import type { BillView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatRate, formatTable, formatTime } from './face/text.ts';

export function register(program: Command): void {
  askCommand(
    program,
    'bill',
    'shows what each link costs this month so far, and what it will',
  ).action(async (options: AskOptions) => {
    print(options, await ask<BillView>(options, 'bill'), renderBill);
  });
}

export function renderBill(view: BillView): string {
  if (view.links.length === 0) return 'no link has a price in the settings';
  const table = formatTable(
    [
      { head: 'link', cell: (line) => line.link },
      { head: 'month from', cell: (line) => formatTime(line.from) },
      { head: 'to date', cell: (line) => `${line.amount} ${line.currency}`, align: 'right' },
      { head: 'charged bit/s', cell: (line) => formatRate(line.charged_bitps), align: 'right' },
      {
        head: 'free left',
        cell: (line) => `${line.free_samples_left} of ${line.free_samples}`,
        align: 'right',
      },
      { head: 'forecast', cell: (line) => `${line.forecast} ${line.currency}`, align: 'right' },
      { head: 'samples', cell: (line) => String(line.samples), align: 'right' },
      { head: 'missing', cell: (line) => String(line.missing), align: 'right' },
    ],
    view.links,
  );
  const total = `together ${view.to_date} ${view.currency} to date, ${view.forecast} ${view.currency} forecast`;
  const without = view.unconverted.join(', ');
  return without === ''
    ? `${table}\n${total}`
    : `${table}\n${total}, without the links in ${without}: settings have no rate in currencies.rates`;
}
