/** `headgate destinations`: where outbound traffic leaves, and which destinations take a detour, since when and why. */
import type { Command } from 'commander';
import type { DestinationsView, MarksView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatDuration, formatRate, formatShare, formatTable } from './face/text.ts';

interface DestinationsOptions extends AskOptions {
  readonly detours?: boolean;
}

/** Of thousands, what fills a screen; `--json` has all. */
const rowsMax = 40;

export function register(program: Command): void {
  askCommand(
    program,
    'destinations',
    'shows by which link each destination leaves, and the detours',
  )
    .option('--detours', 'only those that leave by another link than plain BGP chose')
    .action(async (options: DestinationsOptions) => {
      const view = await ask<DestinationsView>(options, 'destinations');
      if (options.detours === true) print(options, view.detours, renderDetours);
      else print(options, view, renderDestinations);
    });
}

export function renderDestinations(view: DestinationsView): string {
  const links = view.routers.flatMap(({ router, links }) =>
    links.map((link) => ({ router, ...link })),
  );
  const loads = formatTable(
    [
      { head: 'router', cell: (link) => link.router },
      { head: 'link', cell: (link) => link.link },
      { head: 'capacity', cell: (link) => formatRate(link.capacity_bitps), align: 'right' },
      { head: 'without us', cell: (link) => loadOf(link, link.without_bitps), align: 'right' },
      { head: 'planned', cell: (link) => loadOf(link, link.planned_bitps), align: 'right' },
    ],
    links,
  );
  const shown = view.destinations.slice(0, rowsMax);
  const rows = formatTable(
    [
      { head: 'destination', cell: (d) => d.prefix },
      { head: 'bit/s', cell: (d) => formatRate(d.bitps), align: 'right' },
      { head: 'leaves by', cell: (d) => d.link ?? sharesOf(view.marks, d.class) ?? '-' },
      { head: 'BGP prefers', cell: (d) => d.preferred ?? '-' },
      { head: 'could leave by', cell: (d) => d.routes.map(({ link }) => link).join(', ') },
    ],
    shown,
  );
  const left = view.destinations.length - shown.length;
  const notes = [
    ...view.routers.flatMap(({ router, reason }) =>
      reason === undefined ? [] : [`${router}: only advised, ${reason}`],
    ),
    ...view.routers.flatMap(({ unplaced }) => unplaced.map(({ text }) => text)),
    ...(left > 0 ? [`${left} lighter destinations (--json shows them)`] : []),
  ];
  const tables = [...(links.length > 0 ? [loads] : []), ...spreadTables(view.marks), rows];
  return [tables.join('\n\n'), ...notes].join('\n');
}

/** How sessions are spread: the links, and the weights of each class with what the next bit would cost. */
function spreadTables(marks: MarksView | undefined): readonly string[] {
  if (!marks) return [];
  const links = formatTable(
    [
      { head: `link of ${marks.router}`, cell: (link) => link.link },
      { head: 'capacity', cell: (link) => formatRate(link.capacity_bitps), align: 'right' },
      { head: 'planned', cell: (link) => loadOf(link, link.planned_bitps), align: 'right' },
      { head: 'sessions begun', cell: (link) => String(link.sessions), align: 'right' },
      { head: 'state', cell: (link) => (link.is_down ? `down: ${link.reason ?? ''}` : 'up') },
    ],
    marks.links,
  );
  const rows = marks.classes.flatMap((each) => each.links.map((link) => ({ ...each, ...link })));
  const weights = formatTable(
    [
      { head: 'destinations by', cell: (row) => nameOf(row.class, marks.otherwise) },
      { head: 'bit/s', cell: (row) => formatRate(row.bitps), align: 'right' },
      { head: 'link', cell: (row) => row.link },
      { head: 'new sessions', cell: (row) => formatShare(row.share, 0), align: 'right' },
      { head: 'best', cell: (row) => formatShare(row.wanted, 0), align: 'right' },
      { head: 'the next bit costs', cell: (row) => renderCosts(row.terms) },
      { head: 'why', cell: (row) => row.reason },
    ],
    rows,
  );
  const state = marks.is_on
    ? `${marks.exceptions} of at most ${marks.exceptions_max} sessions are written down as elsewhere than their weights say; ${marks.remarked} were marked anew`
    : `${marks.router} chooses for all sessions: these weights are not in force`;
  return [links, `${weights}\n${state}`];
}

/** What the next bit costs, by term of the objective; what is next to nothing is left out. */
export const renderCosts = (terms: Readonly<Record<string, number>>): string =>
  Object.entries(terms)
    .filter(([, value]) => value >= 0.005)
    .map(([name, value]) => `${name} ${value.toFixed(2)}`)
    .join(', ');

const nameOf = (name: string, otherwise: string): string =>
  name === otherwise ? `${name} (and all others)` : name;

function sharesOf(marks: MarksView | undefined, name: string | undefined): string | undefined {
  const found = marks?.classes.find((each) => each.class === name);
  return found?.links
    .filter(({ share }) => share > 0)
    .map(({ link, share }) => `${link} ${formatShare(share, 0)}`)
    .join(', ');
}

export function renderDetours(detours: DestinationsView['detours']): string {
  if (detours.length === 0) return 'no detours: everything leaves as plain BGP chose';
  return formatTable(
    [
      { head: 'destination', cell: (d) => d.prefix },
      { head: 'bit/s', cell: (d) => formatRate(d.bitps), align: 'right' },
      { head: 'from', cell: (d) => d.from },
      { head: 'to', cell: (d) => d.to },
      { head: 'age', cell: (d) => formatDuration(d.age_ms), align: 'right' },
      {
        head: 'state',
        cell: (d) => (d.state_reason === '' ? d.state : `${d.state}: ${d.state_reason}`),
      },
      { head: 'why', cell: (d) => d.reason },
    ],
    detours,
  );
}

const loadOf = ({ capacity_bitps }: { readonly capacity_bitps: number }, bitps: number): string =>
  `${formatRate(bitps)} (${formatShare(capacity_bitps === 0 ? undefined : bitps / capacity_bitps, 0)})`;
