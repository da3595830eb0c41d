import { ByteWriter } from '../../base/bytes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { questionPointer, rrClass, rrType } from './codes.ts';
import { formatName, nameKey, parentKey, type WireName } from './name.ts';
import { isBelow, type ZoneRecord } from './zone-file.ts';

/** All records of one name and type, with the octets of an answer that is owned by the question's name. */
export interface RrSet {
  readonly type: number;
  /** Seconds; the lowest of the records' (RFC 2181 section 5.2 wants them equal). */
  readonly ttl: number;
  readonly data: readonly Uint8Array[];
  /** The records as they stand in an answer, each owner a pointer to the question. */
  readonly section: Uint8Array;
}

export interface ZoneNode {
  readonly name: WireName;
  readonly sets: ReadonlyMap<number, RrSet>;
  /** The delegation at or above this name (below the apex): answers there are referrals. */
  readonly cut?: ZoneNode;
}

export interface Zone {
  readonly apex: WireName;
  /** Every name of the zone by its key, names that only have names below them included (RFC 4592 section 2.2.2). */
  readonly nodes: ReadonlyMap<string, ZoneNode>;
  /** The SOA of negative answers, its TTL the lower of its own and its last field (RFC 2308 section 3). */
  readonly negativeSoa: RrSet;
}

export interface ZoneError {
  readonly code:
    | 'no_soa'
    | 'two_soas'
    | 'no_ns'
    | 'cname_with_other'
    | 'steered_with_other'
    | 'outside';
  readonly name: string;
}

/**
 * Joins records to a zone, or says what makes it none. Records given twice count once. `steered` names
 * exist although their addresses are not records.
 */
export function makeZone(
  apex: WireName,
  records: readonly ZoneRecord[],
  steered: readonly WireName[] = [],
): Result<Zone, ZoneError> {
  const fail = (code: ZoneError['code'], name: WireName) => err({ code, name: formatName(name) });
  const byName = new Map<string, { readonly name: WireName; readonly records: ZoneRecord[] }>();
  const apexKey = nameKey(apex);
  byName.set(apexKey, { name: apex, records: [] });
  for (const existing of [...records.map((record) => record.name), ...steered]) {
    if (!isBelow(existing, apex)) return fail('outside', existing);
    // The name and those between it and the apex.
    let name = existing;
    for (let key = nameKey(name); !byName.has(key); key = nameKey(name)) {
      byName.set(key, { name, records: [] });
      name = name.subarray(1 + (name[0] ?? 0));
    }
  }
  for (const record of records) byName.get(nameKey(record.name))?.records.push(record);

  const nodes = new Map<string, ZoneNode>();
  // Shorter names first, so that a delegation is known before what lies below it.
  const ordered = [...byName].sort(([a], [b]) => a.length - b.length);
  for (const [key, { name, records }] of ordered) {
    const sets = new Map<number, RrSet>();
    for (const type of new Set(records.map((record) => record.type)))
      sets.set(type, makeSet(records.filter((record) => record.type === type)));
    if (sets.has(rrType.CNAME) && (sets.size > 1 || sets.get(rrType.CNAME)?.data.length !== 1))
      return fail('cname_with_other', name);
    const above = key === apexKey ? undefined : nodes.get(parentKey(key) ?? '');
    const node: { name: WireName; sets: typeof sets; cut?: ZoneNode } = { name, sets };
    if (above?.cut) node.cut = above.cut;
    else if (above && sets.has(rrType.NS)) node.cut = node;
    nodes.set(key, node);
  }

  for (const name of steered) {
    const node = nodes.get(nameKey(name));
    const isTaken = [rrType.A, rrType.AAAA, rrType.CNAME].some((type) => node?.sets.has(type));
    if (isTaken || node?.cut) return fail('steered_with_other', name);
  }

  const soa = nodes.get(apexKey)?.sets.get(rrType.SOA);
  const data = soa?.data[0];
  if (!soa || !data) return fail('no_soa', apex);
  if (soa.data.length > 1) return fail('two_soas', apex);
  if (!nodes.get(apexKey)?.sets.has(rrType.NS)) return fail('no_ns', apex);
  const minimum = new DataView(data.buffer, data.byteOffset).getUint32(data.length - 4);
  const ttl = Math.min(soa.ttl, minimum);
  const negativeSoa = makeSet([{ type: rrType.SOA, ttl, data }]);
  return ok({ apex, nodes, negativeSoa });
}

/** Records of one name and type. At least one. */
export function makeSet(records: readonly Omit<ZoneRecord, 'name'>[]): RrSet {
  const type = records[0]?.type ?? 0;
  const ttl = Math.min(...records.map((record) => record.ttl));
  const distinct = new Map(records.map(({ data }) => [data.join(), data]));
  const data = [...distinct.values()];
  const section = new ByteWriter();
  for (const octets of data) {
    section.u16(questionPointer).u16(type).u16(rrClass.IN).u32(ttl).u16(octets.length).put(octets);
  }
  return { type, ttl, data, section: section.finish() };
}
