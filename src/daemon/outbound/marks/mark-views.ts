/** What is shown of sessions that are spread by marks. */
import type {
  DestinationExplainView,
  DestinationsView,
  MarksView,
} from '../../../control/index.ts';
import type { PrefixText } from '../../../core/base/units.ts';
import { weightParts } from '../../../core/decide/weights/index.ts';
import type { MarkCounts } from '../../../engine/index.ts';
import type { MeasuredRates } from '../destination-rates.ts';
import type { SessionMarks } from './session-marks.ts';

export interface SpreadViews {
  readonly marks: MarksView | undefined;
  readonly destinations: DestinationsView['destinations'];
}

/** Undefined before the first decision. */
export function marksView(
  marks: SessionMarks,
  counts: MarkCounts | undefined,
): MarksView | undefined {
  const { plan, routes, down } = marks;
  if (!plan || !routes) return undefined;
  const prefixes = new Map(routes.classes.map((each) => [each.name, each.prefixes]));
  const sessions = new Map(counts?.sessions.map((each) => [each.link, each.sessions]));
  const inForce = new Map(marks.memory.classes.map((each) => [each.name, each]));
  return {
    router: marks.router,
    is_on: marks.isOn,
    otherwise: routes.otherwise.name,
    classes: plan.classes.map(({ name, rate, weights, wanted, since, terms, text }) => ({
      class: name,
      prefixes: prefixes.get(name) ?? 0,
      bitps: Math.round(rate),
      since: inForce.get(name)?.since ?? since,
      reason: text,
      links: Object.entries(weights).map(([link, parts]) => ({
        link,
        share: parts / weightParts,
        wanted: (wanted[link] ?? 0) / weightParts,
        terms: { ...terms[link] },
      })),
    })),
    links: plan.links.map(({ link, capacity, planned }) => {
      const reason = down.get(link);
      return {
        link,
        capacity_bitps: Math.round(capacity),
        planned_bitps: Math.round(planned),
        is_down: reason !== undefined,
        ...(reason === undefined ? {} : { reason }),
        sessions: sessions.get(link) ?? 0,
      };
    }),
    remarked: counts?.remarked ?? 0,
    kept: counts?.kept ?? 0,
    exceptions: counts?.exceptions ?? 0,
    exceptions_max: counts?.exceptionsMax ?? 0,
    exceptions_lost: counts?.exceptionsLost ?? 0,
  };
}

/** Of any prefix, told or not: that of the longest told one that covers it. Undefined before its class was decided. */
export function explainDestination(
  marks: SessionMarks,
  prefix: PrefixText,
): DestinationExplainView | undefined {
  const name = marks.classOf(prefix);
  const own = marksView(marks, undefined)?.classes.find((each) => each.class === name);
  if (!own) return undefined;
  const down = [...marks.down].map(([link, reason]) => ({ link, reason }));
  return { ...own, prefix, router: marks.router, is_on: marks.isOn, down };
}

/** Destinations of a router whose sessions are spread: by several links at once. */
export function spreadRows(
  marks: SessionMarks,
  measured: MeasuredRates | undefined,
): DestinationsView['destinations'] {
  const rates: ReadonlyMap<PrefixText, number> = measured?.rates ?? new Map();
  return [...rates].map(([prefix, rate]) => ({
    prefix,
    router: marks.router,
    bitps: Math.round(rate),
    preferred: null,
    link: null,
    routes: [],
    class: marks.classOf(prefix),
  }));
}

/** What is not as it should be. */
export function marksComplaints(
  marks: SessionMarks,
  counts: MarkCounts | undefined,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [link, reason] of marks.down)
    found.set(`outbound marks ${link}`, `outbound: no session is marked for ${link}: ${reason}`);
  const { routes } = marks;
  if (routes && routes.reduced > 0)
    found.set(
      'outbound marks reduced',
      `outbound: ${routes.reduced} destinations leave by a part of their links: their sets of links are too many`,
    );
  if (counts && counts.exceptions >= counts.exceptionsMax)
    found.set(
      'outbound marks exceptions',
      `outbound: ${counts.exceptions} sessions are written down as elsewhere than their weights say, and there is room for no more`,
    );
  return found;
}
