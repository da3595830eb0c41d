import { HeadgateError } from '../core/base/error.ts';
import { type Address, parsePrefix } from '../core/base/prefix.ts';
import { type Sliced, whole } from '../core/base/slices.ts';
import type { LinkId, PrefixText } from '../core/base/units.ts';
import { layout } from './layout.ts';
import { linkCount, type MarkSource, marksBytes, wayOf, writeMarks } from './marks.ts';
import type { EngineTables, LinkRule, PackedDestinations, WireOptions } from './options.ts';
import type { Aims, Ways } from './ways.ts';

/** Magic number and kinds of native/abi/tables.h; no way of core/mark.h. */
const tablesMagic = 0x62746768;
const ruleKind = { wire: 0, mac: 1, vlan: 2, dscp: 3 } as const;
const noWay = 0x7f;
/** Index of a destination that is marked and not counted. */
const notCounted = 0xffffffff;

const { tables_header: header, prefix_record: prefix, link_rule: rule } = layout.records;

/** Their aims, as `Ways` takes them. */
export function aimsOf(tables: EngineTables): Aims {
  return {
    destinations: new Map(
      tables.destinations?.flatMap(({ prefix, link, weights, group }) =>
        group === undefined
          ? [[prefix, weights ?? (link === undefined ? undefined : { [link]: 1 })]]
          : [],
      ),
    ),
    ...(tables.groups && { groups: tables.groups }),
    otherwise: tables.otherwise ?? {},
    down: new Set(tables.down),
  };
}

/** Which counters belong to whom: indices that stay the same over publications. */
export interface Indices {
  readonly block: (block: PrefixText) => number;
  readonly destination: (destination: PrefixText) => number;
  readonly link: (link: LinkId) => number;
}

/** `encodeSliced` at once. */
export const encodeTables = (...input: Parameters<typeof encodeSliced>): Uint8Array =>
  whole(encodeSliced(...input));

/**
 * Lays tables out, marks by `ways`, as native/abi/tables.h says. Throws HeadgateError `bad_tables` naming the entry at fault:
 * settings were checked before they came here, so this is the last fence, not the first.
 */
export function* encodeSliced(
  tables: EngineTables,
  wires: readonly Pick<WireOptions, 'name' | 'place'>[],
  indices: Indices,
  ways: Ways,
): Sliced<Uint8Array> {
  const marks: MarkSource = {
    links: tables.links,
    ways,
    hashKey: tables.hashKey ?? '',
    generation: 0,
    link: indices.link,
  };
  const counted = new Map(tables.destinations?.map((each) => [each.prefix, each.group]));
  const lingering = [...ways.destinations.keys()].filter((text) => !counted.has(text));
  const packed = tables.packed ?? { records: new Uint8Array(), count: 0 };
  const destinations = packed.count + counted.size + lingering.length;
  yield;
  const bytes = new Uint8Array(
    header.bytes +
      (tables.blocks.length + destinations) * prefix.bytes +
      tables.links.length * rule.bytes +
      marksBytes(marks),
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(header.fields.magic[0], tablesMagic, true);
  view.setUint32(header.fields.version[0], layout.version, true);
  view.setUint32(header.fields.blocks[0], tables.blocks.length, true);
  view.setUint32(header.fields.destinations[0], destinations, true);
  view.setUint32(header.fields.rules[0], tables.links.length, true);
  view.setUint32(header.fields.links[0], linkCount(marks), true);
  for (const [i, wire] of wires.entries())
    view.setUint8(header.fields.may_mark[0] + i, wire.place === 'inside' ? 1 : 0);

  let at = header.bytes;
  for (const block of tables.blocks) {
    writePrefix(view, at, block, indices.block(block), noWay);
    at += prefix.bytes;
  }
  // First, since of equal prefixes the last counts.
  const places = (tables.groups ?? []).map(({ name }) => groupWay(name, ways, marks));
  yield* copyPacked(packed, bytes, at, places);
  at += packed.count * prefix.bytes;
  // Few ways for many destinations.
  const numbers = new Map([...ways.destinations.values()].map((state) => [state, -1]));
  for (const state of numbers.keys()) numbers.set(state, wayOf(state, marks));
  const wayTo = (text: PrefixText): number => {
    const state = ways.destinations.get(text);
    return state === undefined || state === ways.otherwise ? noWay : (numbers.get(state) ?? noWay);
  };
  let written = 0;
  for (const [text, group] of counted) {
    const way = group === undefined ? wayTo(text) : groupWay(group, ways, marks);
    writePrefix(view, at, text, indices.destination(text), way);
    at += prefix.bytes;
    if (++written % stride === 0) yield;
  }
  for (const text of lingering) {
    writePrefix(view, at, text, notCounted, wayTo(text));
    at += prefix.bytes;
  }
  for (const link of tables.links) {
    writeRule(view, at, link, indices.link(link.link), wires);
    at += rule.bytes;
  }
  yield;
  writeMarks(view, at, marks);
  return bytes;
}

function groupWay(name: string, ways: Ways, marks: MarkSource): number {
  const state = ways.groups.get(name);
  if (!state) throw refused(`no group is called ${name}`);
  return wayOf(state, marks);
}

/** Prefixes between two pauses. */
const stride = 1024;

/** `ways`: by the place of a group. */
function* copyPacked(
  { records, count }: PackedDestinations,
  bytes: Uint8Array,
  at: number,
  ways: readonly number[],
): Sliced<void> {
  const wayAt = prefix.fields.way[0];
  for (let first = 0; first < count; first += stride) {
    const end = Math.min(count, first + stride);
    bytes.set(
      records.subarray(first * prefix.bytes, end * prefix.bytes),
      at + first * prefix.bytes,
    );
    for (let i = first; i < end; i++) {
      const place = at + i * prefix.bytes + wayAt;
      bytes[place] = ways[bytes[place] ?? 0] ?? noWay;
    }
    yield;
  }
}

function writePrefix(
  view: DataView,
  at: number,
  text: PrefixText,
  index: number,
  way: number,
): void {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw refused(`${text} is not a prefix`);
  writeAddress(view, at + prefix.fields.address[0], parsed.value);
  view.setUint8(at + prefix.fields.network[0], parsed.value.family);
  view.setUint8(at + prefix.fields.length[0], parsed.value.length);
  view.setUint8(at + prefix.fields.way[0], way);
  view.setUint32(at + prefix.fields.index[0], index, true);
}

function writeAddress(view: DataView, at: number, address: Address): void {
  for (const [i, octet] of address.bytes.entries()) view.setUint8(at + i, octet);
}

function writeRule(
  view: DataView,
  at: number,
  link: LinkRule,
  index: number,
  wires: readonly Pick<WireOptions, 'name' | 'place'>[],
): void {
  const { attribute } = link;
  const wire = wires.findIndex(({ name }) => name === attribute.wire);
  if (wire < 0)
    throw refused(
      `link ${link.link} is attributed by wire ${attribute.wire}, which does not exist`,
    );
  view.setUint8(at + rule.fields.wire[0], wire);
  view.setUint8(at + rule.fields.link[0], index);
  if (attribute.mac !== undefined) {
    view.setUint8(at + rule.fields.kind[0], ruleKind.mac);
    const octets = attribute.mac.split(':').map((octet) => Number.parseInt(octet, 16));
    if (octets.length !== 6 || octets.some((octet) => !(octet >= 0 && octet <= 255)))
      throw refused(
        `link ${link.link} has the MAC address ${attribute.mac}: six octets with colons are expected`,
      );
    for (const [i, octet] of octets.entries()) view.setUint8(at + rule.fields.mac[0] + i, octet);
  } else if (attribute.vlan !== undefined) {
    view.setUint8(at + rule.fields.kind[0], ruleKind.vlan);
    view.setUint16(at + rule.fields.vlan[0], attribute.vlan, true);
  } else if (attribute.dscp !== undefined) {
    view.setUint8(at + rule.fields.kind[0], ruleKind.dscp);
    view.setUint8(at + rule.fields.dscp[0], attribute.dscp);
  } else {
    view.setUint8(at + rule.fields.kind[0], ruleKind.wire);
  }
}

function refused(what: string): HeadgateError {
  return new HeadgateError('bad_tables', `tables refused: ${what}`);
}
