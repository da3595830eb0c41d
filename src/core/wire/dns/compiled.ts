import { ByteWriter } from '../../base/bytes.ts';
import { type AnswerTable, minimalAny, zoneOf } from './answer.ts';
import { fnv1aText, log2Table } from './choice.ts';
import { rrType } from './codes.ts';
import type { RrSet, ZoneNode } from './zone.ts';

/**
 * A table as the native server reads it (native/dns/answer_table.h): 32-bit words, little-endian, then
 * octets that the words point into.
 *
 *   header    magic version providers rows networks zones names sections dataLength 0 0 0, ANY as a section
 *   log2      257 points of choice.ts
 *   hashes    one per provider
 *   rows      weights, one per provider and row; row 0 is the default
 *   networks  family length row address(16 octets)
 *   zones     apexLength soaOffset soaLength
 *   names     keyOffset keyLength zone flags hash firstSection sectionCount firstSteered
 *   sections  type count offset length
 */
export function compileTable(table: AnswerTable): Uint8Array {
  const data = new ByteWriter(4096);
  const place = (octets: Uint8Array): number => {
    const offset = data.length;
    data.put(octets);
    return offset;
  };
  const sections: number[] = [];
  const section = (set: RrSet | undefined): number[] =>
    set ? [set.type, set.data.length, place(set.section), set.section.length] : [0, 0, 0, 0];
  const any = section(minimalAny);

  const zones: number[] = [];
  const names: number[] = [];
  let nameCount = 0;
  for (const [index, zone] of [...table.zones.values()].entries()) {
    const { section: soa } = zone.negativeSoa;
    zones.push(zone.apex.length, place(soa), soa.length);
    for (const [key, node] of zone.nodes) {
      // Names of a zone below lie in that zone only.
      if (zoneOf(table.zones, key) !== zone) continue;
      const steered = table.steered.get(key);
      const firstSection = sections.length / 4;
      const sets = node.cut ? [] : [...node.sets.values()];
      for (const set of sets) sections.push(...section(set));
      const firstSteered = sections.length / 4;
      for (const set of [...(steered?.a ?? []), ...(steered?.aaaa ?? [])])
        sections.push(...section(set));
      const flags =
        (isElsewhere(node) ? elsewhere : 0) |
        (steered ? isSteered : 0) |
        (sets.length > 0 ? hasRecords : 0);
      const offset = place(Uint8Array.from(key, (char) => char.charCodeAt(0)));
      names.push(offset, key.length, index, flags, fnv1aText(key));
      names.push(firstSection, sets.length, steered ? firstSteered : 0);
      nameCount++;
    }
  }

  const { providers, hashes, rows, networks } = table.steering;
  const head = [magic, version, providers.length, rows.length, networks.length, table.zones.size];
  const out = new WordWriter();
  out.words([...head, nameCount, sections.length / 4, data.length, 0, 0, 0, ...any]);
  out.words(log2Table);
  out.words(hashes);
  for (const row of rows) out.words(row);
  for (const { prefix, row } of networks) {
    out.words([prefix.family, prefix.length, row]);
    const address = new Uint8Array(16);
    address.set(prefix.bytes);
    out.octets(address);
  }
  for (const part of [zones, names, sections]) out.words(part);
  out.octets(data.finish());
  return out.finish();
}

const magic = 0x4e444748;
const version = 1;
const elsewhere = 1;
const isSteered = 2;
const hasRecords = 4;

/** What takes a search or a referral is answered here, not in native code. */
function isElsewhere(node: ZoneNode): boolean {
  return node.cut !== undefined || node.sets.has(rrType.CNAME);
}

class WordWriter {
  readonly #parts: Uint8Array[] = [];

  words(values: Iterable<number>): void {
    const list = [...values];
    const view = new DataView(new ArrayBuffer(list.length * 4));
    for (const [i, value] of list.entries()) view.setUint32(i * 4, value, true);
    this.#parts.push(new Uint8Array(view.buffer));
  }

  octets(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}
