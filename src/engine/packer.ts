import { layout } from './layout.ts';
import type { PackedDestinations } from './options.ts';

const { prefix_record: record } = layout.records;
/** Index of a destination that is marked and not counted. */
const notCounted = 0xffffffff;

/** Groups are numbered below this: native/core/mark.h. */
export const groupsMax = layout.waysMax;

/** Collects destinations as the native module reads them: octets and no objects, for as many as a full table has. */
export class DestinationPacker {
  #records: Uint8Array;
  #view: DataView;
  #count = 0;

  /** `expected`: room that is made at first. */
  constructor(expected = 1024) {
    this.#records = new Uint8Array(Math.max(1, expected) * record.bytes);
    this.#view = new DataView(this.#records.buffer);
  }

  get count(): number {
    return this.#count;
  }

  /** Of the prefix whose address stands at `bytes[at]`, its host bits zero. `group`: its place among the groups. */
  add(family: 4 | 6, bytes: Uint8Array, at: number, length: number, group: number): void {
    const place = this.#count * record.bytes;
    if (place + record.bytes > this.#records.length) this.#grow();
    const address = place + record.fields.address[0];
    const octets = family === 4 ? 4 : 16;
    for (let i = 0; i < octets; i++) this.#records[address + i] = bytes[at + i] ?? 0;
    this.#records[place + record.fields.network[0]] = family;
    this.#records[place + record.fields.length[0]] = length;
    this.#records[place + record.fields.way[0]] = group;
    this.#view.setUint32(place + record.fields.index[0], notCounted, true);
    this.#count++;
  }

  /** What was added so far; the packer is not to be used again. */
  done(): PackedDestinations {
    return { records: this.#records.subarray(0, this.#count * record.bytes), count: this.#count };
  }

  #grow(): void {
    const grown = new Uint8Array(this.#records.length * 2);
    grown.set(this.#records);
    this.#records = grown;
    this.#view = new DataView(grown.buffer);
  }
}
