/** What the control socket tells of outbound steering. */
import type {
  Answer,
  ControlError,
  DestinationExplainView,
  DestinationsView,
  DetourView,
} from '../../control/index.ts';
import { formatPrefix, parsePrefix } from '../../core/base/prefix.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import type { Clock } from '../clock.ts';
import type { Destinations, RouterEgress } from './destinations.ts';
import { explainDestination, type SpreadViews } from './marks/mark-views.ts';
import type { Outbound } from './outbound.ts';
import type { SessionRoutes } from './session-routes.ts';

export function destinationAnswers(
  outbound: Outbound | undefined,
  { wall }: Pick<Clock, 'wall'>,
): ReadonlyMap<string, Answer> {
  return new Map<string, Answer>([
    [
      'destinations',
      () =>
        outbound
          ? ok(
              destinationsView(outbound.destinations, wall(), outbound.sessions, outbound.spread()),
            )
          : err({
              code: 'refused',
              message: 'outbound traffic is not steered; add outbound: {} to the settings',
            }),
    ],
    ['explain_destination', ({ prefix }) => explained(outbound, prefix)],
  ]);
}

function explained(
  outbound: Outbound | undefined,
  text: unknown,
): Result<DestinationExplainView, ControlError> {
  const parsed = typeof text === 'string' ? parsePrefix(text) : undefined;
  if (!parsed?.ok)
    return err({
      code: 'bad_argument',
      message: `"${String(text)}" is no prefix; expected one such as 203.0.113.0/24`,
    });
  const prefix = formatPrefix(parsed.value);
  if (!outbound?.marks)
    return err({
      code: 'not_found',
      message: `${prefix} is none of our blocks (headgate blocks lists them), and sessions are not shared by marks`,
    });
  const view = explainDestination(outbound.marks, prefix);
  return view
    ? ok(view)
    : err({
        code: 'refused',
        message: `nothing was decided of ${prefix} yet; ask again after a cycle`,
      });
}

/** What became of a detour, whoever carries it. */
interface ToldDetour {
  readonly detour: { readonly prefix: string };
  readonly state: 'sent' | 'waiting' | 'refused';
  readonly reason: string;
}

export function destinationsView(
  destinations: Pick<Destinations, 'routers' | 'source' | 'useless' | 'told'>,
  at: number,
  sessions?: Pick<SessionRoutes, 'routers' | 'told'>,
  spread?: SpreadViews,
): DestinationsView {
  const { source, useless } = destinations;
  const decided: ReadonlyArray<readonly [RouterEgress<string>, readonly ToldDetour[]]> = [
    ...destinations.routers.map((entry) => [entry, destinations.told(entry)] as const),
    ...(sessions?.routers ?? []).map((entry) => [entry, sessions?.told(entry) ?? []] as const),
  ];
  return {
    at,
    ...(source === undefined ? {} : { source }),
    routers: decided.map(([{ router, adviseOnly, plan }]) => ({
      router,
      action: adviseOnly === undefined ? 'control' : 'advise',
      ...(adviseOnly === undefined ? {} : { reason: adviseOnly }),
      links: plan.projection.map(({ link, capacity, plain, planned }) => ({
        link,
        capacity_bitps: Math.round(capacity),
        without_bitps: Math.round(plain),
        planned_bitps: Math.round(planned),
      })),
      unplaced: plan.unplaced.map(({ link, excess, text }) => ({
        link,
        excess_bitps: Math.round(excess),
        text,
      })),
    })),
    destinations: [
      ...decided.flatMap(([entry]) => destinationRows(entry)),
      ...(spread?.destinations ?? []),
    ].sort((a, b) => b.bitps - a.bitps),
    ...(spread?.marks ? { marks: spread.marks } : {}),
    detours: decided
      .flatMap(([entry, told]) => detourRows(entry, told, at))
      .sort((a, b) => a.since - b.since || (a.prefix < b.prefix ? -1 : 1)),
    useless_paths: Object.fromEntries(useless),
  };
}

function destinationRows({ router, destinations, plan }: RouterEgress<string>) {
  const detours = new Map(plan.overrides.map((o) => [o.destination, o]));
  return destinations.map(({ destination, rate, routes }) => {
    const detour = detours.get(destination);
    const preferred = detour?.from ?? routes[0]?.link ?? null;
    return {
      prefix: destination,
      router,
      bitps: Math.round(rate),
      preferred,
      link: detour?.link ?? preferred,
      routes: routes.map(({ link, nextHop }) => ({ link, next_hop: nextHop })),
    };
  });
}

function detourRows(
  { router, destinations, plan }: RouterEgress<string>,
  told: readonly ToldDetour[],
  at: number,
): DetourView[] {
  const rates = new Map(destinations.map(({ destination, rate }) => [destination, rate]));
  const states = new Map(told.map((entry) => [entry.detour.prefix, entry]));
  return plan.overrides.map((override) => {
    const state = states.get(override.destination);
    return {
      prefix: override.destination,
      router,
      from: override.from,
      to: override.link,
      next_hop: override.nextHop,
      bitps: Math.round(rates.get(override.destination) ?? 0),
      since: override.since,
      age_ms: at - override.since,
      because: override.because,
      reason: override.text,
      state: state?.state ?? 'advised',
      state_reason: state?.reason ?? '',
    };
  });
}
