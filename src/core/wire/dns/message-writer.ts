import { flag, questionPointer, rrClass } from './codes.ts';
import type { WireName } from './name.ts';
import type { RrSet } from './zone.ts';

/**
 * Writes an answer into a buffer that is reused, never past `limit`. A set that does not fit as a whole
 * is not written, and `isFull` tells.
 */
export class MessageWriter {
  readonly #out: Uint8Array;
  #limit = 0;
  #offset = 0;
  #answers = 0;
  #authorities = 0;
  #additionals = 0;
  isFull = false;

  constructor(out: Uint8Array) {
    this.#out = out;
  }

  /** Begins an answer of at most `limit` octets: echoes id and [12, questionEnd) of the query, case and all. */
  begin(query: Uint8Array, questionEnd: number, limit: number): void {
    this.#limit = Math.min(limit, this.#out.length);
    this.#out.set(query.subarray(0, 2));
    this.#out.set(query.subarray(12, questionEnd), 12);
    this.#offset = questionEnd;
    this.rewind(questionEnd);
  }

  /** Forgets all records: back to the question. */
  rewind(questionEnd: number): void {
    this.#offset = questionEnd;
    this.#answers = 0;
    this.#authorities = 0;
    this.#additionals = 0;
    this.isFull = false;
  }

  /** `owner` undefined is the question's name. */
  answer(set: RrSet, owner?: WireName): void {
    if (this.#put(set, owner)) this.#answers += set.data.length;
  }

  authority(set: RrSet, owner: WireName | number): void {
    if (this.#put(set, owner)) this.#authorities += set.data.length;
  }

  additional(set: RrSet, owner: WireName): void {
    if (this.#put(set, owner)) this.#additionals += set.data.length;
  }

  /** A record as it stands, already encoded: the OPT record. */
  rawAdditional(octets: Uint8Array, length: number): void {
    this.#out.set(octets.subarray(0, length), this.#offset);
    this.#offset += length;
    this.#additionals++;
  }

  /** Writes the header and returns the message's length. `rcode` is the low 4 bits. */
  finish(flags: number, rcode: number, questions: 0 | 1): number {
    this.#u16(2, flag.QR | flags | rcode);
    this.#u16(4, questions);
    this.#u16(6, this.#answers);
    this.#u16(8, this.#authorities);
    this.#u16(10, this.#additionals);
    return this.#offset;
  }

  #put(set: RrSet, owner: WireName | number | undefined): boolean {
    const isPointer = owner === undefined || typeof owner === 'number';
    const ownerLength = isPointer ? 2 : owner.length;
    const length = set.section.length + set.data.length * (ownerLength - 2);
    if (this.isFull || this.#offset + length > this.#limit) {
      this.isFull = true;
      return false;
    }
    if (owner === undefined) {
      this.#out.set(set.section, this.#offset);
      this.#offset += length;
      return true;
    }
    for (const octets of set.data) {
      if (typeof owner === 'number') this.#u16(this.#offset, questionPointer + owner);
      else this.#out.set(owner, this.#offset);
      const at = this.#offset + ownerLength;
      this.#u16(at, set.type);
      this.#u16(at + 2, rrClass.IN);
      this.#u16(at + 4, set.ttl >>> 16);
      this.#u16(at + 6, set.ttl & 0xffff);
      this.#u16(at + 8, octets.length);
      this.#out.set(octets, at + 10);
      this.#offset = at + 10 + octets.length;
    }
    return true;
  }

  #u16(at: number, value: number): void {
    this.#out[at] = value >>> 8;
    this.#out[at + 1] = value;
  }
}
