/** What the main job says of itself at its end: DESIGN.md section 9, "The main job's summary". Pure. */
import type { MeterSample, Reading } from '../../lab/index.ts';

/** What the unit said at one time, by its control socket. */
export interface UnitView {
  readonly at: number;
  readonly links: ReadonlyArray<{
    readonly name: string;
    /** Layer 2, counted since the unit's start, and when on a clock of its own. */
    readonly inboundBytes: number;
    readonly countedMs: number;
    readonly inboundBitps: number | undefined;
    /** Retransmitted / data segments, 0 to 1. */
    readonly retransmissionRatio: number | undefined;
    readonly rttUs: number | undefined;
  }>;
  readonly blocks: ReadonlyArray<{
    readonly prefix: string;
    readonly link: string | undefined;
    readonly inboundBitps: number;
  }>;
  /** Every move since the unit's start, oldest first. */
  readonly moves: readonly UnitMove[];
}

export interface UnitMove {
  readonly at: number;
  readonly block: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly reason: string;
}

export interface Side {
  readonly goodput_mbps: number;
  readonly links: ReadonlyArray<{
    readonly name: string;
    readonly capacity_mbps: number;
    readonly measured_mbps: number | null;
    readonly interface_mbps: number;
    readonly retransmission_rate: number | null;
  }>;
}

export interface Summary {
  readonly before: Side;
  readonly after: Side;
  readonly moves: ReadonlyArray<{
    readonly at_s: number;
    readonly block: string;
    readonly from: string | null;
    readonly to: string | null;
    readonly reason: string;
  }>;
  /** From the first overloaded second to the first of two without overload; null when that never came. */
  readonly relief_s: number | null;
}

export interface Run {
  readonly startedAt: number;
  readonly samples: readonly MeterSample[];
  readonly views: readonly UnitView[];
  readonly capacities: Readonly<Record<string, number>>;
  /** What the receivers want, application bit/s. */
  readonly demandBitps: number;
  readonly between: (from: MeterSample, to: MeterSample) => Reading;
}

/** A link is overloaded above this share of its capacity. */
export const overload = 0.95;
/** What queues and retransmissions may hold back of the demand when there is no overload. */
const contentment = 0.95;
const windowMs = 2000;
const afterMs = 10_000;

export function summarise(run: Run): Summary {
  const overloadedAt = firstTime(run, (reading) => isOverloaded(reading));
  const moves = run.views.at(-1)?.moves ?? [];
  // A move made while the load still rose is not the answer to the overload.
  const firstMoveAt = moves.find((move) => move.at >= (overloadedAt ?? 0))?.at;
  const end = run.samples.at(-1)?.at ?? run.startedAt;
  const beforeStart = overloadedAt === undefined ? run.startedAt : overloadedAt - windowMs;
  const reliefAt = firstTime(
    run,
    (reading) => !isOverloaded(reading) && reading.goodputBitps > run.demandBitps * contentment,
    firstMoveAt ?? Number.POSITIVE_INFINITY,
  );
  return {
    before: sideOf(run, beforeStart, firstMoveAt ?? end),
    after: sideOf(run, Math.max(end - afterMs, firstMoveAt ?? 0), end),
    moves: moves.map((move) => ({
      at_s: round((move.at - run.startedAt) / 1000, 1),
      block: move.block,
      from: move.from ?? null,
      to: move.to ?? null,
      reason: move.reason,
    })),
    relief_s:
      overloadedAt !== undefined && reliefAt !== undefined
        ? round((reliefAt - overloadedAt) / 1000, 1)
        : null,
  };
}

const isOverloaded = (reading: Reading): boolean =>
  reading.links.some((link) => link.load > overload);

/** The first sample, not before `from`, whose two seconds before it satisfy the condition. */
function firstTime(
  run: Run,
  condition: (reading: Reading) => boolean,
  from = run.startedAt,
): number | undefined {
  for (const sample of run.samples) {
    if (sample.at < from + windowMs) continue;
    const start = run.samples.find((other) => other.at >= sample.at - windowMs);
    if (start && start !== sample && condition(run.between(start, sample))) return sample.at;
  }
  return undefined;
}

function sideOf(run: Run, from: number, to: number): Side {
  const inWindow = run.samples.filter((sample) => sample.at >= from && sample.at <= to);
  // A window shorter than two samples takes its neighbours.
  const first = inWindow.at(0) ?? run.samples.at(0);
  const last = inWindow.length > 1 ? inWindow.at(-1) : run.samples.find((s) => s.at > to);
  const reading = first && last && last.at > first.at ? run.between(first, last) : undefined;
  const views = run.views.filter((view) => view.at >= from && view.at <= to);
  return {
    goodput_mbps: mbps(reading?.goodputBitps ?? 0),
    links: Object.entries(run.capacities).map(([name, capacity]) => {
      const seen = views.flatMap(({ links }) => links.filter((link) => link.name === name));
      const [earliest, latest] = [seen.at(0), seen.at(-1)];
      const measured =
        earliest && latest && latest.countedMs > earliest.countedMs
          ? ((latest.inboundBytes - earliest.inboundBytes) * 8000) /
            (latest.countedMs - earliest.countedMs)
          : undefined;
      const ratio = mean(seen.map((link) => link.retransmissionRatio));
      return {
        name,
        capacity_mbps: mbps(capacity),
        measured_mbps: measured === undefined ? null : mbps(measured),
        interface_mbps: mbps(reading?.links.find((link) => link.name === name)?.bitps ?? 0),
        retransmission_rate: ratio === undefined ? null : round(ratio, 5),
      };
    }),
  };
}

function mean(values: ReadonlyArray<number | undefined>): number | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return undefined;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

const mbps = (bitps: number): number => round(bitps / 1e6, 2);

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
