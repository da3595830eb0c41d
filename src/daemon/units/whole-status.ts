/** The status of several units as one, as a person asks for it at any of them. Pure. */
import type { StatusView } from '../../control/index.ts';
import { nothingMoved } from '../face/views.ts';

export interface ToldStatus {
  readonly unit: string;
  /** Undefined where a unit that is heard did not answer. */
  readonly view: StatusView | undefined;
}

/**
 * What every unit complains of is said once; what some do with their names. The plan and what this unit knows of the
 * others are its own word; what waits for approval is the leader's.
 */
export function wholeStatus(own: StatusView, others: readonly ToldStatus[]): StatusView {
  const { cluster } = own;
  if (!cluster) return own;
  const told = [
    { unit: cluster.unit, view: own },
    ...others.flatMap(({ unit, view }) => (view ? [{ unit, view }] : [])),
  ];
  const leader = told.find(({ unit }) => unit === cluster.leader)?.view ?? own;
  const reasons = [
    ...reasonsOf(told, leader),
    ...others.flatMap(({ unit, view }) =>
      view ? [] : [{ what: `unit ${unit} does not answer: its state is not shown`, since: own.at }],
    ),
  ];
  return {
    ...own,
    state: reasons.length === 0 ? 'ok' : 'attention',
    reasons,
    cycles: leader.cycles,
    is_withdrawn: told.every(({ view }) => view.is_withdrawn),
    wires: told.flatMap(({ unit, view }) => view.wires.map((wire) => ({ ...wire, unit }))),
    routers: told.flatMap(({ unit, view }) => view.routers.map((router) => ({ ...router, unit }))),
    ...(leader.proposal ? { proposal: leader.proposal } : {}),
  };
}

interface Reason {
  readonly what: string;
  readonly since: number;
}

function reasonsOf(
  told: ReadonlyArray<{ readonly unit: string; readonly view: StatusView }>,
  leader: StatusView,
): readonly Reason[] {
  const found = new Map<string, { units: string[]; since: number }>();
  for (const { unit, view } of told)
    for (const { what, since } of view.reasons) {
      // The others have it from the leader, and older.
      if (view !== leader && what.startsWith(nothingMoved)) continue;
      const known = found.get(what);
      if (known) {
        known.units.push(unit);
        known.since = Math.min(known.since, since);
      } else found.set(what, { units: [unit], since });
    }
  const isOfAll = (what: string, units: readonly string[]) =>
    units.length === told.length || what.startsWith(nothingMoved);
  return [...found]
    .map(([what, { units, since }]) => ({
      what: isOfAll(what, units) ? what : `${units.join(' and ')}: ${what}`,
      since,
    }))
    .sort((a, b) => a.since - b.since);
}
