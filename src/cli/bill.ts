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
      {
        head: 'without headgate',
        cell: (line) =>
          line.without_headgate === undefined ? '-' : `${line.without_headgate} ${line.currency}`,
        align: 'right',
      },
      { head: 'samples', cell: (line) => String(line.samples), align: 'right' },
      { head: 'missing', cell: (line) => String(line.missing), align: 'right' },
    ],
    view.links,
  );
  const without = view.unconverted.join(', ');
  const total = `together ${view.to_date} ${view.currency} to date, ${view.forecast} ${view.currency} forecast`;
  return [
    table,
    without === ''
      ? total
      : `${total}, without the links in ${without}: settings have no rate in currencies.rates`,
    ...statementOf(view),
  ].join('\n');
}

/** What steering saved, with all that it takes to check it. */
function statementOf(view: BillView): readonly string[] {
  const { saved, without_headgate, currency, links } = view;
  if (saved === undefined || without_headgate === undefined) return [];
  const isDearer = saved.startsWith('-');
  const samples = links.reduce((sum, line) => sum + line.samples, 0);
  const missing = links.reduce((sum, line) => sum + line.missing, 0);
  const left = view.not_compared.join(', ');
  return [
    '',
    `statement of ${formatTime(view.at)}: ${isDearer ? 'steering cost' : 'steering saved'} ${saved.replace('-', '')} ${currency} in the months to date`,
    `  without headgate: ${without_headgate} ${currency}, every steered block spread as it came in while it was not steered`,
    `  from ${samples} samples of 5 minutes, ${missing} are missing and count for neither side${left === '' ? '' : `; not compared: ${left}`}`,
    '  demand on a link that was full is only known as far as the link carried it',
  ];
}
