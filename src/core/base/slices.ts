/**
 * Work that can be paused, so that long sums do not keep an event loop from its timers and sockets: a generator that
 * yields wherever others may have a turn. Whoever runs it looks at the clock; the work itself knows none, and what it
 * gives does not depend on where it was paused, since its inputs are values that nobody changes.
 */
export type Sliced<T> = Generator<void, T, void>;

/** Entries between two pauses: some tens of microseconds of most work, so that looking at the clock costs nothing. */
const stride = 64;

/** Does all of it at once. */
export function whole<T>(work: Sliced<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

export function* eachSliced<T>(
  list: Iterable<T>,
  visit: (entry: T, index: number) => void,
): Sliced<void> {
  let index = 0;
  for (const entry of list) {
    visit(entry, index);
    if (++index % stride === 0) yield;
  }
}

export function* mapSliced<T, U>(
  list: Iterable<T>,
  make: (entry: T, index: number) => U,
): Sliced<U[]> {
  const made: U[] = [];
  yield* eachSliced(list, (entry, index) => made.push(make(entry, index)));
  return made;
}
