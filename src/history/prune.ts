import type { Database } from 'better-sqlite3';

/** Share of the decisions that go at once when the file is too large: pruning should be rare. */
const shareAtOnce = 0.1;

/**
 * Lets go of all that is older than `oldest`, and of decisions while the file's pages are more than `bytesMax`:
 * first those without moves, then what blocks carried, then the other decisions, the oldest first. Billing samples
 * only go by age.
 */
export function prune(database: Database, oldest: number, bytesMax: number): void {
  for (const table of ['cycles', 'moves', 'usage', 'quality', 'shifts', 'block_usage']) {
    database.prepare(`DELETE FROM ${table} WHERE at < ?`).run(oldest);
  }
  database.prepare('DELETE FROM rails WHERE hour < ?').run(oldest);
  while (usedBytes(database) > bytesMax && dropOldest(database)) {
    // Each round lets a tenth of the decisions go.
  }
  database.prepare('DELETE FROM policies WHERE hash NOT IN (SELECT policy FROM cycles)').run();
  database.pragma('incremental_vacuum');
}

function usedBytes(database: Database): number {
  // Casts: with `simple` each pragma is one number.
  const read = (name: string) => database.pragma(name, { simple: true }) as number;
  return (read('page_count') - read('freelist_count')) * read('page_size');
}

/** What may go for want of room, in this order: the key of its rows in the order of their age, and which of them. */
const dispensable = [
  { table: 'cycles', key: 'at', which: 'has_moves = 0' },
  { table: 'block_usage', key: 'id', which: 'true' },
  { table: 'cycles', key: 'at', which: 'has_moves = 1' },
] as const;

/** False when there is nothing left to let go. */
function dropOldest(database: Database): boolean {
  for (const { table, key, which } of dispensable) {
    const rows = `FROM ${table} WHERE ${which}`;
    const count = database.prepare<[], number>(`SELECT count(*) ${rows}`).pluck().get();
    if (!count) continue;
    database
      .prepare(
        `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} ${rows} ORDER BY ${key} LIMIT ?)`,
      )
      .run(Math.max(1, Math.ceil(count * shareAtOnce)));
    return true;
  }
  return false;
}
