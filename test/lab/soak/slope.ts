/** What one process had at one moment. */
export interface Size {
  readonly pid: number;
  /** Milliseconds. */
  readonly at: number;
  /** Bytes. */
  readonly rss: number;
  readonly fds: number;
}

/**
 * Growth per hour by least squares. Each process has a level of its own, since a unit that was killed begins anew, and
 * its first minute, in which code and caches are loaded, is left out.
 */
export function slopePerHour(
  sizes: readonly Size[],
  key: 'rss' | 'fds',
  warmUpMs = 60_000,
): number {
  let above = 0;
  let below = 0;
  for (const pid of new Set(sizes.map((size) => size.pid))) {
    const own = sizes.filter((size) => size.pid === pid);
    const from = (own[0]?.at ?? 0) + warmUpMs;
    const points = own.filter(({ at }) => at >= from);
    const mean = (pick: (size: Size) => number) =>
      points.reduce((sum, size) => sum + pick(size), 0) / points.length;
    const [x, y] = [mean(({ at }) => at), mean((size) => size[key])];
    for (const size of points) {
      above += (size.at - x) * (size[key] - y);
      below += (size.at - x) ** 2;
    }
  }
  return below === 0 ? 0 : (above / below) * 3_600_000;
}

/** The most that a process had more at its last look than at its first after the warm-up. */
export function growthMax(sizes: readonly Size[], key: 'rss' | 'fds', warmUpMs = 60_000): number {
  const growths = [...new Set(sizes.map(({ pid }) => pid))].map((pid) => {
    const own = sizes.filter((size) => size.pid === pid);
    const late = own.filter(({ at }) => at >= (own[0]?.at ?? 0) + warmUpMs);
    return (late.at(-1)?.[key] ?? 0) - (late[0]?.[key] ?? 0);
  });
  return Math.max(0, ...growths);
}
