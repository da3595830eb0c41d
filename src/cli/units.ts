/** `headgate units`: each of several units, whether it is heard, and what it has. */
import type { Command } from 'commander';
import type { UnitView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatDuration, formatTable } from './face/text.ts';

export function register(program: Command): void {
  askCommand(program, 'units', 'shows each of several units, and whether it is heard').action(
    async (options: AskOptions) => {
      print(options, await ask<readonly UnitView[]>(options, 'units'), renderUnits);
    },
  );
}

export function renderUnits(units: readonly UnitView[]): string {
  return formatTable(
    [
      { head: 'unit', cell: (unit) => unit.name },
      {
        head: 'state',
        cell: (unit) => (unit.state === 'live' ? 'live' : unit.state.toUpperCase()),
      },
      { head: 'leads', cell: (unit) => (unit.is_leader ? 'yes' : '') },
      {
        head: 'reported',
        cell: ({ report_age_ms: age }) => (age === undefined ? '' : `${formatDuration(age)} ago`),
        align: 'right',
      },
      {
        head: 'wires',
        cell: ({ wires }) => (wires ? `${wires.forwarding} of ${wires.all}` : ''),
        align: 'right',
      },
      {
        head: 'routers',
        cell: ({ routers }) => (routers ? `${routers.established} of ${routers.all}` : ''),
        align: 'right',
      },
      { head: 'refuses', cell: (unit) => String(unit.refused_blocks ?? ''), align: 'right' },
      { head: 'settings', cell: ({ has_same_settings: same }) => (same === false ? 'OTHER' : '') },
      { head: 'portion', cell: ({ portion }) => portion?.join(', ') ?? '' },
    ],
    units,
  );
}
