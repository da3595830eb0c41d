import { HeadgateError } from '../core/base/error.ts';
import { type Address, parsePrefix } from '../core/base/prefix.ts';
import type { LinkId, PrefixText } from '../core/base/units.ts';
import { layout } from './layout.ts';
import type { EngineTables, LinkRule, WireOptions } from './options.ts';

/** Magic number and kinds of native/abi/tables.h. */
const tablesMagic = 0x62746768;
const ruleKind = { wire: 0, mac: 1, vlan: 2, dscp: 3 } as const;
const noLink = 0xff;
const noVlan = 0xffff;
const noDscp = 0xff;

const {
  tables_header: header,
  prefix_record: prefix,
  link_rule: rule,
  link_mark: mark,
} = layout.records;

/** Which counters belong to whom: indices that stay the same over publications. */
export interface Indices {
  readonly block: (block: PrefixText) => number;
  readonly destination: (destination: PrefixText) => number;
  readonly link: (link: LinkId) => number;
}

/**
 * Lays tables out as native/abi/tables.h says. Throws HeadgateError `bad_tables` naming the entry at fault:
 * settings were checked before they came here, so this is the last fence, not the first.
 */
export function encodeTables(
  tables: EngineTables,
  wires: readonly Pick<WireOptions, 'name' | 'place'>[],
  indices: Indices,
): Uint8Array {
  const destinations = tables.destinations ?? [];
  const links = tables.links.length;
  const bytes = new Uint8Array(
    header.bytes +
      (tables.blocks.length + destinations.length) * prefix.bytes +
      links * (rule.bytes + mark.bytes),
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(header.fields.magic[0], tablesMagic, true);
  view.setUint32(header.fields.version[0], layout.version, true);
  view.setUint32(header.fields.blocks[0], tables.blocks.length, true);
  view.setUint32(header.fields.destinations[0], destinations.length, true);
  view.setUint32(header.fields.rules[0], links, true);
  view.setUint32(header.fields.links[0], links, true);
  for (const [i, wire] of wires.entries())
    view.setUint8(header.fields.may_mark[0] + i, wire.place === 'inside' ? 1 : 0);

  let at = header.bytes;
  for (const block of tables.blocks) {
    writePrefix(view, at, block, indices.block(block), noLink);
    at += prefix.bytes;
  }
  for (const { prefix: text, link } of destinations) {
    const chosen = link === undefined ? noLink : indices.link(link);
    writePrefix(view, at, text, indices.destination(text), chosen);
    at += prefix.bytes;
  }
  for (const link of tables.links) {
    writeRule(view, at, link, indices.link(link.link), wires);
    at += rule.bytes;
  }
  // Marks stand in the order of link indices, rules in that of the settings.
  for (const link of tables.links) writeMark(view, at + indices.link(link.link) * mark.bytes, link);
  return bytes;
}

function writePrefix(
  view: DataView,
  at: number,
  text: PrefixText,
  index: number,
  link: number,
): void {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw refused(`${text} is not a prefix`);
  writeAddress(view, at + prefix.fields.address[0], parsed.value);
  view.setUint8(at + prefix.fields.network[0], parsed.value.family);
  view.setUint8(at + prefix.fields.length[0], parsed.value.length);
  view.setUint8(at + prefix.fields.link[0], link);
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

function writeMark(view: DataView, at: number, link: LinkRule): void {
  const chosen = link.mark;
  const vlan = chosen && 'vlan' in chosen ? chosen.vlan : noVlan;
  const dscp = chosen && 'dscp' in chosen ? chosen.dscp : noDscp;
  view.setUint16(at + mark.fields.vlan[0], vlan, true);
  view.setUint8(at + mark.fields.dscp[0], dscp);
}

function refused(what: string): HeadgateError {
  return new HeadgateError('bad_tables', `tables refused: ${what}`);
}
