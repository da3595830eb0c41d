/** Sessions of which this unit sees one direction and another unit the other: told to the leader, and joined there. */
import type { Cluster } from '../../cluster/index.ts';
import { type HalfReport, reportHalves, segmentsOf } from '../../core/model/half-report.ts';
import {
  type ClockOffset,
  type HalfSegment,
  type Joined,
  joinHalves,
} from '../../core/model/halves.ts';

/** What the other units are asked, to know how far their clocks are from this one's. */
export interface ClockRequest {
  readonly clock: true;
}

/** What the wires saw since they were last asked; `lost` ever. */
export interface SeenHalves {
  readonly segments: readonly HalfSegment[];
  readonly lost: number;
}

/** Clocks drift apart by some tens of microseconds a second: an older answer says less than a slower one. */
const clockAgeUsMax = 60_000_000;
const patienceMs = 1000;

/** CLOCK_MONOTONIC in microseconds: what the wires time packets by. */
export const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n);

export class HalfSessions {
  readonly #cluster: Pick<Cluster, 'unit' | 'ask'>;
  readonly #count: (name: string, by: number) => void;
  readonly #nowUs: () => number;
  #serial = 0;
  #lost = 0;
  /** By unit its last two reports: cycles of two units do not begin together. */
  readonly #heard = new Map<string, readonly HalfReport[]>();
  readonly #clocks = new Map<string, ClockOffset & { readonly askedUs: number }>();

  constructor(
    cluster: Pick<Cluster, 'unit' | 'ask'>,
    count: (name: string, by: number) => void,
    nowUs: () => number = monotonicUs,
  ) {
    this.#cluster = cluster;
    this.#count = count;
    this.#nowUs = nowUs;
  }

  /** For the leader: at most `bytesMax` of it, before it is compressed. */
  report({ segments, lost }: SeenHalves, bytesMax: number): HalfReport {
    const { report, sent, dropped } = reportHalves(segments, ++this.#serial, bytesMax);
    this.#count('half_sessions_sent', sent);
    this.#count('half_sessions_over_bandwidth', dropped);
    this.#count('half_segments_ring_full', lost - this.#lost);
    this.#lost = lost;
    return report;
  }

  /** As the leader: what another unit reported, or this one. */
  hear(unit: string, report: HalfReport): void {
    const [last, ...before] = this.#heard.get(unit) ?? [];
    if (last?.serial === report.serial) return;
    this.#heard.set(unit, last ? [report, last] : [report, ...before]);
  }

  join(): Joined {
    const parts = [...this.#heard].flatMap(([unit, reports]) => {
      const clock = this.#clockOf(unit);
      return clock ? [{ unit, clock, segments: reports.flatMap(segmentsOf) }] : [];
    });
    return joinHalves(parts);
  }

  /** Asks every other unit that reports halves for its clock; the surest answer of the last minute counts. */
  async askClocks(): Promise<void> {
    const others = [...this.#heard.keys()].filter((unit) => unit !== this.#cluster.unit);
    await Promise.all(others.map((unit) => this.#askClock(unit)));
  }

  async #askClock(unit: string): Promise<void> {
    const request: ClockRequest = { clock: true };
    const askedUs = this.#nowUs();
    const answer = await this.#cluster.ask(unit, request, patienceMs);
    const nowUs = this.#nowUs();
    const told = answer.ok ? clockIn(answer.value) : undefined;
    if (told === undefined) {
      this.#count('half_clock_unanswered', 1);
      return;
    }
    // It was read at some moment in between (Cristian, Probabilistic clock synchronization, 1989).
    const errorUs = (nowUs - askedUs) / 2;
    const known = this.#clockOf(unit);
    if (known && known.errorUs <= errorUs) return;
    this.#clocks.set(unit, { aheadUs: told - (askedUs + nowUs) / 2, errorUs, askedUs });
  }

  #clockOf(unit: string): ClockOffset | undefined {
    if (unit === this.#cluster.unit) return { aheadUs: 0, errorUs: 0 };
    const known = this.#clocks.get(unit);
    return known && this.#nowUs() - known.askedUs < clockAgeUsMax ? known : undefined;
  }
}

/** Peers are authenticated: what is looked at is what an older version would answer. */
function clockIn(value: unknown): number | undefined {
  // A cast, made true by the check.
  const { value: told } = (value ?? {}) as { readonly value?: { readonly clock_us?: unknown } };
  return typeof told?.clock_us === 'number' ? told.clock_us : undefined;
}
