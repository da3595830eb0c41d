/** A network of many units: what each reports, the same for the same numbers. */
import { bitps, linkId, ms, type PrefixText, prefixText } from '../../../src/core/base/units.ts';
import type { Observation } from '../../../src/core/model/observation.ts';
import { reportOf } from '../../../src/core/model/report.ts';
import type { SharedReport } from '../../../src/daemon/units/joint.ts';

export interface Size {
  readonly units: number;
  /** Of each unit. */
  readonly links: number;
  readonly blocks: number;
}

/** Links by which a block comes in, anywhere. */
const waysPerBlock = 4;
/** Half of it is used on average, by 20 parts of blocks of all sizes: a few links in a thousand are over 85 %. */
export const linkCapacity = bitps(1e9);
const rateMax = 80e6;

export const blockName = (index: number): PrefixText =>
  prefixText(`10.${index >> 8}.${index & 255}.0/24`);
export const linkName = (unit: number, link: number) => linkId(`u${unit}-l${link}`);

/** Of one unit: the blocks that come in by its links, with noise that does not compress away. */
export function observationOf(unit: number, { units, links, blocks }: Size): Observation {
  const rates = new Float64Array(links);
  const carriedOn = Array.from({ length: links }, (_, link) => linkName(unit, link));
  const seen = Array.from({ length: blocks }, (_, block) => {
    const inbound = [];
    for (let way = 0; way < waysPerBlock; way++) {
      const place = hash(block * waysPerBlock + way) % (units * links);
      if (Math.floor(place / links) !== unit) continue;
      const link = place % links;
      const rate = Math.round(rateMax * (hash(place * 31 + block) / 2 ** 32) ** 2);
      rates[link] = (rates[link] ?? 0) + rate;
      inbound.push({ link: linkName(unit, link), rate: bitps(rate) });
    }
    return {
      block: blockName(block),
      inbound,
      outbound: inbound,
      ageMs: ms(12),
      coverage: 1,
      routing: { carriedOn },
    };
  });
  return {
    at: ms(1.7e12),
    intervalMs: ms(30_000),
    blocks: seen,
    links: carriedOn.map((link, i) => ({
      link,
      isUp: true,
      capacity: linkCapacity,
      inbound: { value: bitps(rates[i] ?? 0), ageMs: ms(12), coverage: 1, source: 'wire' },
      outbound: { value: bitps(rates[i] ?? 0), ageMs: ms(12), coverage: 1, source: 'wire' },
    })),
  };
}

export function sharedReportOf(unit: number, size: Size): SharedReport {
  return {
    settings: 'bench',
    blocks: 'bench',
    report: reportOf(observationOf(unit, size)),
    orders: { serial: 0, isWithdrawn: false, withheld: [] },
    summary: {
      wires: { forwarding: 1, all: 1 },
      routers: { established: 1, all: 1 },
      refused: 0,
      outbound: { portion: 0, others: 0 },
    },
  };
}

/** Thomas Wang's 32-bit mix. */
function hash(value: number): number {
  let mixed = Math.imul(value ^ 61 ^ (value >>> 16), 9);
  mixed = Math.imul(mixed ^ (mixed >>> 4), 0x27d4eb2d);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
