/** Where two sources measure the rate of one link: by how much they contradict each other. Pure. */
import type { Bitps } from '../../core/base/units.ts';
import type { Direction } from '../../core/model/link.ts';
import type { Comparison, Source } from '../../core/model/observation.ts';

/** What one source says of one link and direction, over the averaging time. */
export interface Statement {
  readonly source: Source;
  readonly rate: Bitps;
  /** Half the width of its 95 % interval relative to the rate: what sampling leaves open. 0 where all is counted. */
  readonly errorRatio: number;
  /** False where the source sees only a part of the link: it may say less than another, never more. */
  readonly isWhole: boolean;
}

/** Every pair of statements, in the order given. */
export function compare(direction: Direction, statements: readonly Statement[]): Comparison[] {
  return statements.flatMap((one, i) =>
    statements.slice(i + 1).map((other) => ({
      direction,
      rates: [
        { source: one.source, rate: one.rate },
        { source: other.source, rate: other.rate },
      ] as const,
      ratio: contradiction(one, other),
    })),
  );
}

/** Share of the larger rate that cannot be true of both, 0 to 1. */
function contradiction(one: Statement, other: Statement): number {
  const [more, less] = one.rate >= other.rate ? [one, other] : [other, one];
  if (more.rate === 0 || !less.isWhole) return 0;
  const open = more.rate * more.errorRatio + less.rate * less.errorRatio;
  return Math.min(1, Math.max(0, more.rate - less.rate - open) / more.rate);
}
