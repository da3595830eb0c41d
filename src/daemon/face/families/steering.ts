/** Metrics of what was decided and announced: BGP, moves, the plan, and whether all is well. */
import type { Reading, Sample } from '../../../metrics/index.ts';
import { one, type Scrape } from './scrape.ts';

const phases = ['idle', 'connect', 'active', 'open_sent', 'open_confirm', 'established'];

export const steeringReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_bgp_session_state',
    type: 'gauge',
    labels: ['router'],
    help: 'State of the BGP session: 1 idle, 2 connect, 3 active, 4 open sent, 5 open confirm, 6 established',
    read: ({ sessions }) =>
      sessions.map((session) => ({
        labels: { router: session.router },
        value: phases.indexOf(session.phase) + 1,
      })),
  },
  {
    name: 'headgate_bgp_paths_received',
    type: 'gauge',
    labels: ['router'],
    help: 'Paths that a router told us',
    read: ({ sessions }) =>
      sessions.map((s) => ({ labels: { router: s.router }, value: s.pathsReceived })),
  },
  {
    name: 'headgate_bgp_prefixes_announced',
    type: 'gauge',
    labels: ['router'],
    help: 'Prefixes that a router hears from us',
    read: ({ sessions }) =>
      sessions.map((s) => ({ labels: { router: s.router }, value: s.prefixesAnnounced })),
  },
  {
    name: 'headgate_bgp_egress_session_state',
    type: 'gauge',
    labels: ['router'],
    help: 'State of the session that tells a router of detours, numbered as headgate_bgp_session_state',
    read: ({ sessions }) =>
      sessions.flatMap(({ router, egress }) =>
        egress ? [{ labels: { router }, value: phases.indexOf(egress.phase) + 1 }] : [],
      ),
  },
  {
    name: 'headgate_bgp_detours',
    type: 'gauge',
    labels: ['router'],
    help: 'Detours of outbound traffic that a router hears from us',
    read: ({ sessions }) =>
      sessions.flatMap(({ router, egress }) =>
        egress ? [{ labels: { router }, value: egress.detours }] : [],
      ),
  },
  {
    name: 'headgate_bgp_events_total',
    type: 'counter',
    labels: ['router', 'event'],
    help: 'Messages, errors, refusals of a BGP session, by name',
    read: ({ sessions }) =>
      sessions.flatMap((s) =>
        Object.entries(s.counters).map(([event, value]) => ({
          labels: { router: s.router, event },
          value,
        })),
      ),
  },
  {
    name: 'headgate_moves_total',
    type: 'counter',
    labels: ['result', 'rail'],
    help: 'Moves decided: done, proposed, or stopped by a rail',
    read: ({ moves }) =>
      [...moves].map(([key, value]) => {
        const [result = '', rail = ''] = key.split(' ');
        return { labels: { result, rail }, value };
      }),
  },
  {
    name: 'headgate_plan_generation',
    type: 'gauge',
    labels: [],
    help: 'Decisions that changed something',
    read: ({ loop }) => one(loop.state.plan.generation),
  },
  {
    name: 'headgate_blocks_steered',
    type: 'gauge',
    labels: ['link'],
    help: 'Blocks that the plan prefers on a link',
    read: readSteered,
  },
  {
    name: 'headgate_frozen',
    type: 'gauge',
    labels: [],
    help: '1 while nothing is moved because the measurements are not to be trusted',
    read: ({ loop }) => one(loop.state.frozen ? 1 : 0),
  },
  {
    name: 'headgate_withdrawn',
    type: 'gauge',
    labels: [],
    help: '1 after headgate withdraw --all until headgate resume',
    read: ({ loop }) => one(loop.isWithdrawn ? 1 : 0),
  },
  {
    name: 'headgate_mode',
    type: 'gauge',
    labels: ['mode'],
    help: '1 for the mode in force',
    read: ({ loop }) =>
      (['observe', 'advise', 'control'] as const).map((mode) => ({
        labels: { mode },
        value: loop.mode === mode ? 1 : 0,
      })),
  },
  {
    name: 'headgate_conditions',
    type: 'gauge',
    labels: [],
    help: 'Complaints that headgate status lists; 0 when all is well',
    read: ({ conditions }) => one(conditions),
  },
];

function readSteered({ loop }: Scrape): readonly Sample[] {
  const counts = new Map<string, number>();
  for (const { link } of loop.state.plan.blocks) {
    if (link !== undefined) counts.set(link, (counts.get(link) ?? 0) + 1);
  }
  return [...counts].map(([link, value]) => ({ labels: { link }, value }));
}
