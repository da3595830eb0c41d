import type { LinkId } from '../../core/base/units.ts';
import { oids, text } from './reading.ts';
import type { SnmpSession } from './session.ts';

/** Routers with subscribers on interfaces of their own have tens of thousands. */
const rowsMax = 100_000;

export interface LinkInterface {
  readonly link: LinkId;
  readonly ifIndex: number;
  /** ifIndexes that the interface runs over: the members of a bundle; none for a plain port. */
  readonly members: readonly number[];
}

export interface Resolution {
  readonly found: readonly LinkInterface[];
  /** Links whose interface no row names, or that several rows name. */
  readonly missing: readonly LinkId[];
}

/** Finds the links' interfaces by ifName, else ifAlias, else ifDescr; the number alone changes with a restart. */
export async function resolveInterfaces(
  session: SnmpSession,
  links: ReadonlyArray<{ readonly link: LinkId; readonly interface: string }>,
): Promise<Resolution> {
  const wanted = new Map(links.map(({ link, interface: name }) => [link, name]));
  const found = new Map<LinkId, number>();
  for (const column of [oids.ifName, oids.ifAlias, oids.ifDescr]) {
    const open = [...wanted].filter(([link]) => !found.has(link));
    if (open.length === 0) break;
    const rows = [...(await session.walk(column, rowsMax))];
    for (const [link, name] of open) {
      const matches = rows.filter(([, value]) => text(value) === name);
      // Two interfaces of one alias: taking either would be a guess.
      if (matches.length === 1 && matches[0]) found.set(link, Number(matches[0][0]));
    }
  }
  const stack = found.size === 0 ? new Map() : await session.walk(oids.ifStackStatus, rowsMax);
  return {
    found: [...found].map(([link, ifIndex]) => ({
      link,
      ifIndex,
      members: membersOf(ifIndex, [...stack.keys()]),
    })),
    missing: links.map(({ link }) => link).filter((link) => !found.has(link)),
  };
}

/** Rows of ifStackTable are indexed `higher.lower`; 0 means nothing above or below. */
export function membersOf(ifIndex: number, stackIndexes: readonly string[]): number[] {
  return stackIndexes
    .map((index) => index.split('.').map(Number))
    .filter(([higher, lower]) => higher === ifIndex && lower !== undefined && lower !== 0)
    .map(([, lower]) => lower ?? 0);
}
