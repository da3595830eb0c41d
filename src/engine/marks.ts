import type { LinkId } from '../core/base/units.ts';
import { layout } from './layout.ts';
import type { LinkRule } from './options.ts';
import { hashText } from './rendezvous.ts';
import { type Bucket, plain, type WayState, type Ways, written } from './ways.ts';

/** Magic number of native/abi/tables.h, and what stands in place of a link: native/core/mark.h. */
const marksMagic = 0x6d746768;
const noVlan = 0xffff;
const noDscp = 0xff;
const noWay = 0x7f;
const places = { unknown: 0xff, plain: 0xfe, written: 0xfd } as const;

const { marks_header: header, link_mark: mark } = layout.records;
const sinceBytes = 8;
const bucketBytes = 2;

/** What `writeMarks` lays out. */
export interface MarkSource {
  /** Every link of the settings, marked or not. */
  readonly links: readonly LinkRule[];
  readonly ways: Ways;
  readonly hashKey: string;
  /** Of the tables that they are for. */
  readonly generation: number;
  readonly link: (link: LinkId) => number;
}

export function marksBytes(source: MarkSource): number {
  const perWay = sinceBytes + layout.buckets * bucketBytes;
  return header.bytes + linkCount(source) * mark.bytes + source.ways.states.length * perWay;
}

/** Links are numbered below this; numbers may be missing, of links that are gone. */
export function linkCount({ links, link }: Pick<MarkSource, 'links' | 'link'>): number {
  return links.reduce((most, rule) => Math.max(most, link(rule.link) + 1), 0);
}

/** Lays marks out as native/abi/tables.h says, `marksBytes` of them from `at` on. */
export function writeMarks(view: DataView, at: number, source: MarkSource): void {
  const { links, ways, hashKey, link } = source;
  const { fields } = header;
  view.setUint32(at + fields.magic[0], marksMagic, true);
  view.setUint32(at + fields.version[0], layout.version, true);
  view.setBigUint64(at + fields.generation[0], BigInt(source.generation), true);
  view.setUint32(at + fields.links[0], linkCount(source), true);
  view.setUint32(at + fields.ways[0], ways.states.length, true);
  view.setUint32(at + fields.key[0], hashText(hashKey, 1), true);
  view.setUint32(at + fields.key[0] + 4, hashText(hashKey, 2), true);
  const down = links.filter((rule) => ways.down.has(rule.link));
  const bits = down.reduce((all, rule) => all | (1 << link(rule.link)), 0);
  view.setUint32(at + fields.down[0], bits >>> 0, true);
  view.setUint8(at + fields.otherwise[0], ways.otherwise ? wayOf(ways.otherwise, source) : noWay);

  const marks = at + header.bytes;
  const since = marks + linkCount(source) * mark.bytes;
  for (let place = marks; place < since; place += mark.bytes) writeMark(view, place, undefined);
  // Marks stand in the order of link indices, rules in that of the settings.
  for (const rule of links) writeMark(view, marks + link(rule.link) * mark.bytes, rule.mark);
  const buckets = since + ways.states.length * sinceBytes;
  // Thousands of buckets, few links.
  const numbers = new Map<Bucket['before'], number>([
    [undefined, places.unknown],
    [plain, places.plain],
    [written, places.written],
    ...links.map((rule) => [rule.link, link(rule.link)] as const),
  ]);
  for (const [i, state] of ways.states.entries()) {
    view.setBigUint64(since + i * sinceBytes, state.sinceNs, true);
    let place = buckets + i * layout.buckets * bucketBytes;
    // Of links that settings no longer have: sessions begin plainly, those in progress stay where they were written down.
    for (const { now, before } of state.buckets) {
      view.setUint8(place, numbers.get(now) ?? places.plain);
      view.setUint8(place + 1, numbers.get(before) ?? places.written);
      place += bucketBytes;
    }
  }
}

/** The number by which a destination names its way. */
export function wayOf(
  state: WayState,
  { ways, links, link }: Pick<MarkSource, 'ways' | 'links' | 'link'>,
): number {
  const published = ways.states.indexOf(state);
  if (published >= 0) return layout.linksMax + published;
  const { alone } = state;
  const isLink = alone !== undefined && links.some((rule) => rule.link === alone);
  return isLink && alone !== plain ? link(alone) : noWay;
}

function writeMark(view: DataView, at: number, chosen: LinkRule['mark']): void {
  const vlan = chosen && 'vlan' in chosen ? chosen.vlan : noVlan;
  const dscp = chosen && 'dscp' in chosen ? chosen.dscp : noDscp;
  view.setUint16(at + mark.fields.vlan[0], vlan, true);
  view.setUint8(at + mark.fields.dscp[0], dscp);
}
