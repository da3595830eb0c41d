import type { LinkId } from '../../core/base/units.ts';
import type { EngineSnapshot } from '../../engine/index.ts';
import type { Shift, Usage } from '../../history/index.ts';

/** Every provider's billed sample: 5 minutes, on 5-minute boundaries of the wall clock. */
export const sampleMs = 300_000;

/**
 * Cuts the engine's cumulative counters into billed samples. A stretch that crosses a boundary is divided by
 * time; a snapshot is also taken at each boundary, so that such a stretch is short.
 */
export class UsageMeter {
  #last: { readonly snapshot: EngineSnapshot; readonly at: number } | undefined;

  /** What was counted since the last call, by sample. `at` is the wall clock at the snapshot. */
  advance(snapshot: EngineSnapshot, at: number): readonly Usage[] {
    const last = this.#last;
    this.#last = { snapshot, at };
    // The first snapshot says nothing of when its bytes came; a clock set back leaves a gap, never a double count.
    if (!last || at <= last.at || snapshot.monotonicMs < last.snapshot.monotonicMs) return [];
    const before = new Map(last.snapshot.links.map((count) => [count.link, count]));
    return snapshot.links.flatMap(({ link, inbound, outbound }) => {
      if (link === undefined) return [];
      const earlier = before.get(link);
      const grown = (now: number, then = 0) => (now >= then ? now - then : now);
      return divide(last.at, at, {
        link,
        inboundL2: grown(inbound.l2Bytes, earlier?.inbound.l2Bytes),
        outboundL2: grown(outbound.l2Bytes, earlier?.outbound.l2Bytes),
        inboundIp: grown(inbound.ipBytes, earlier?.inbound.ipBytes),
        outboundIp: grown(outbound.ipBytes, earlier?.outbound.ipBytes),
      });
    });
  }
}

/**
 * Adds up what each link would have carried more or less without steering, by billed sample. The rates of one cycle
 * stand for the time since the cycle before, but for no more than `gapMsMax`: of a longer silence nothing is known.
 */
export class ShiftMeter {
  readonly #gapMsMax: number;
  #last: number | undefined;

  constructor(gapMsMax: number) {
    this.#gapMsMax = gapMsMax;
  }

  /** `rates`: bit/s by link, at wall clock `at`. */
  advance(rates: ReadonlyMap<LinkId, number>, at: number): readonly Shift[] {
    const last = this.#last;
    this.#last = at;
    if (last === undefined || at <= last) return [];
    const from = Math.max(last, at - this.#gapMsMax);
    const shifts: Shift[] = [];
    for (const [link, rate] of rates) {
      for (let start = from; start < at; ) {
        const sample = start - (start % sampleMs);
        const end = Math.min(at, sample + sampleMs);
        shifts.push({ at: sample, link, inboundL2: Math.round((rate * (end - start)) / 8000) });
        start = end;
      }
    }
    return shifts;
  }
}

type Bytes = Omit<Usage, 'at' | 'coveredMs'>;

/** Shares bytes out over the samples between two times; whole bytes, none lost. */
function divide(from: number, to: number, bytes: Bytes): readonly Usage[] {
  const parts: Usage[] = [];
  const keys = ['inboundL2', 'outboundL2', 'inboundIp', 'outboundIp'] as const;
  const given = { inboundL2: 0, outboundL2: 0, inboundIp: 0, outboundIp: 0 };
  for (let start = from; start < to; ) {
    const at = start - (start % sampleMs);
    const end = Math.min(to, at + sampleMs);
    const part = { ...given };
    for (const key of keys) {
      const due = Math.round((bytes[key] * (end - from)) / (to - from));
      part[key] = due - given[key];
      given[key] = due;
    }
    parts.push({ at, link: bytes.link, ...part, coveredMs: Math.round(end - start) });
    start = end;
  }
  return parts;
}
