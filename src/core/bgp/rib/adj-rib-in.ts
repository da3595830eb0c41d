import type { Family, Prefix } from '../../base/prefix.ts';
import { AttributeStore } from './attribute-store.ts';
import { none } from './linear-hash.ts';
import { PrefixTable } from './prefix-table.ts';
import { Records } from './records.ts';

/** One path to a prefix, by numbers: whose it is, and where its attributes are. */
export interface Path {
  readonly peer: number;
  readonly pathId: number;
  /** Number of the block in the attribute store. */
  readonly attributes: number;
  /** Kept from a session that was lost, and not yet told again (RFC 4724). */
  readonly isStale: boolean;
}

/** One prefix of a peer, as `scan` passes it by. */
export interface ScannedPrefix {
  /** The same while the prefix has any path, of whomever; then it may be another prefix's. */
  readonly entry: number;
  /** Octets of the address at its begin. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Of each path, the number of its block in the attribute store. */
  readonly paths: readonly number[];
}

export type PathChange = 'added' | 'replaced' | 'unchanged';

interface Peer {
  /** Per family: paths of another generation are stale. One octet, since old ones are soon swept. */
  readonly generation: { 4: number; 6: number };
  paths: number;
}

/** The fields of a path's record. */
const attributesField = 0;
const nextField = 1;
const pathIdField = 2;
/** Peer number in the upper 24, generation in the lower 8 bits. */
const ownerField = 3;

/**
 * What all peers have told, as packed records: 40 bytes for the first path of an IPv4 prefix, 16 for each further
 * one, and its share of the attribute block. Marking a peer's paths stale costs nothing (they are of an older
 * generation); removing them is done in portions, so that no call takes long.
 */
export class AdjRibIn {
  readonly attributes = new AttributeStore();
  readonly #tables = { 4: new PrefixTable(4), 6: new PrefixTable(6) } as const;
  readonly #peers: Peer[] = [];
  readonly #paths = new Records(4);
  readonly #freePaths: number[] = [];
  #lastPath = none;

  /** A number for a new peer. */
  addPeer(): number {
    this.#peers.push({ generation: { 4: 0, 6: 0 }, paths: 0 });
    return this.#peers.length - 1;
  }

  pathsOf(peer: number): number {
    return this.#peers[peer]?.paths ?? 0;
  }

  prefixCount(family: Family): number {
    return this.#tables[family].size;
  }

  get byteLength(): number {
    const prefixes = this.#tables[4].byteLength + this.#tables[6].byteLength;
    return prefixes + this.#paths.byteLength + this.attributes.byteLength;
  }

  /** Takes a path in; `attributes` is a number that the attribute store gave. */
  announce(
    family: Family,
    bytes: Uint8Array,
    at: number,
    length: number,
    peer: number,
    pathId: number,
    attributes: number,
  ): PathChange {
    const table = this.#tables[family];
    const entry = table.findOrAdd(bytes, at, length);
    const head = table.valueOf(entry);
    const owner = this.#owner(peer, family);
    const known = this.#findPath(head, peer, pathId);
    if (known !== none) {
      const old = this.#paths.get(known, attributesField);
      this.#paths.set(known, ownerField, owner);
      if (old === attributes) return 'unchanged';
      this.attributes.hold(attributes);
      this.#paths.set(known, attributesField, attributes);
      this.attributes.release(old);
      return 'replaced';
    }
    const added = this.#freePaths.pop() ?? ++this.#lastPath;
    this.#paths.reserve(added);
    const chunk = this.#paths.chunk(added);
    const place = this.#paths.at(added);
    chunk[place + attributesField] = attributes;
    chunk[place + nextField] = head;
    chunk[place + pathIdField] = pathId;
    chunk[place + ownerField] = owner;
    this.attributes.hold(attributes);
    table.setValue(entry, added);
    this.#count(peer, 1);
    return 'added';
  }

  /** False when there was no such path. */
  withdraw(
    family: Family,
    bytes: Uint8Array,
    at: number,
    length: number,
    peer: number,
    pathId: number,
  ): boolean {
    const table = this.#tables[family];
    const entry = table.find(bytes, at, length);
    if (entry === none) return false;
    return this.#unlink(table, entry, (path) => this.#isOf(path, peer, pathId)) > 0;
  }

  /** From now on what the peer has told of a family before is stale, until it tells it again. */
  markStale(peer: number, family: Family): void {
    const known = this.#peers[peer];
    if (known) known.generation[family] = (known.generation[family] + 1) & 0xff;
  }

  /**
   * Removes a peer's stale paths of one family among the entries from `cursor` (start with 1) on, at most
   * `budget` entries looked at. Gives the next cursor, or undefined at the end.
   */
  sweepStale(
    family: Family,
    peer: number,
    cursor: number,
    budget: number,
    removed: (prefix: Prefix) => void,
  ): number | undefined {
    const table = this.#tables[family];
    const end = Math.min(table.lastEntry, cursor + budget - 1);
    for (let entry = cursor; entry <= end; entry++) {
      if (table.valueOf(entry) === none) continue;
      // Read before the entry may go with its last path.
      const hasStale = this.#some(table.valueOf(entry), (path) =>
        this.#isStaleOf(path, peer, family),
      );
      if (!hasStale) continue;
      const prefix = table.prefixOf(entry);
      this.#unlink(table, entry, (path) => this.#isStaleOf(path, peer, family));
      removed(prefix);
    }
    return end >= table.lastEntry ? undefined : end + 1;
  }

  /** All paths to exactly this prefix. */
  paths(prefix: Prefix): readonly Path[] {
    const table = this.#tables[prefix.family];
    return this.#list(table.valueOf(table.find(prefix.bytes, 0, prefix.length)), prefix.family);
  }

  /** The prefixes with routes that cover `prefix`, the longest first. */
  covering(prefix: Prefix): readonly Prefix[] {
    const table = this.#tables[prefix.family];
    return table.covering(prefix).map((entry) => table.prefixOf(entry));
  }

  /**
   * The length of the longest route that covers the address at `bytes[at]`; 0 where none does, or only a default
   * route. For hot loops: allocates nothing.
   */
  longestLength(family: Family, bytes: Uint8Array, at: number): number {
    return this.#tables[family].longestLength(bytes, at);
  }

  /** The number of the longest prefix with routes that covers `prefix`, but a default route: as `scan` gives it; or 0. */
  entryOf(prefix: Prefix): number {
    const table = this.#tables[prefix.family];
    const [entry = none] = table.covering(prefix);
    return entry !== none && table.prefixOf(entry).length > 0 ? entry : none;
  }

  /** Numbers of `scan` are from 1 to this. */
  lastEntry(family: Family): number {
    return this.#tables[family].lastEntry;
  }

  /**
   * Visits the prefixes that a peer told paths to, none of them stale, among the entries from `cursor` (start with 1) on,
   * at most `budget` entries looked at. Gives the next cursor, or undefined at the end. For whole tables: allocates
   * nothing, and what `visit` is given is only good for that call.
   */
  scan(
    family: Family,
    peer: number,
    cursor: number,
    budget: number,
    visit: (seen: ScannedPrefix) => void,
  ): number | undefined {
    const table = this.#tables[family];
    const end = Math.min(table.lastEntry, cursor + budget - 1);
    const seen = { entry: none, bytes: new Uint8Array(16), length: 0, paths: [] as number[] };
    for (let entry = cursor; entry <= end; entry++) {
      seen.paths.length = 0;
      for (let p = table.valueOf(entry); p !== none; p = this.#paths.get(p, nextField)) {
        const isOf = this.#paths.get(p, ownerField) >>> 8 === peer;
        if (isOf && !this.#isStaleOf(p, peer, family))
          seen.paths.push(this.#paths.get(p, attributesField));
      }
      if (seen.paths.length === 0) continue;
      seen.entry = entry;
      seen.length = table.copyTo(entry, seen.bytes);
      visit(seen);
    }
    return end >= table.lastEntry ? undefined : end + 1;
  }

  /** Every prefix with its paths, in no order. What changes meanwhile may be seen or not. */
  *entries(
    family: Family,
  ): Generator<{ readonly prefix: Prefix; readonly paths: readonly Path[] }> {
    const table = this.#tables[family];
    for (let entry = 1; entry <= table.lastEntry; entry++) {
      const head = table.valueOf(entry);
      if (head !== none) yield { prefix: table.prefixOf(entry), paths: this.#list(head, family) };
    }
  }

  #list(head: number, family: Family): Path[] {
    const paths: Path[] = [];
    for (let path = head; path !== none; path = this.#paths.get(path, nextField)) {
      const peer = this.#paths.get(path, ownerField) >>> 8;
      paths.push({
        peer,
        pathId: this.#paths.get(path, pathIdField) >>> 0,
        attributes: this.#paths.get(path, attributesField),
        isStale: this.#isStaleOf(path, peer, family),
      });
    }
    return paths;
  }

  #owner(peer: number, family: Family): number {
    return (peer << 8) | (this.#peers[peer]?.generation[family] ?? 0);
  }

  #isOf(path: number, peer: number, pathId: number): boolean {
    const chunk = this.#paths.chunk(path);
    const place = this.#paths.at(path);
    const owner = chunk[place + ownerField] ?? 0;
    return owner >>> 8 === peer && chunk[place + pathIdField] === (pathId | 0);
  }

  #isStaleOf(path: number, peer: number, family: Family): boolean {
    const owner = this.#paths.get(path, ownerField);
    return owner >>> 8 === peer && (owner & 0xff) !== this.#peers[peer]?.generation[family];
  }

  #findPath(head: number, peer: number, pathId: number): number {
    for (let path = head; path !== none; path = this.#paths.get(path, nextField)) {
      if (this.#isOf(path, peer, pathId)) return path;
    }
    return none;
  }

  #some(head: number, isWanted: (path: number) => boolean): boolean {
    for (let path = head; path !== none; path = this.#paths.get(path, nextField)) {
      if (isWanted(path)) return true;
    }
    return false;
  }

  /** Removes the wanted paths of an entry, and the entry with its last path. Gives how many went. */
  #unlink(table: PrefixTable, entry: number, isWanted: (path: number) => boolean): number {
    let removed = 0;
    let before = none;
    let path = table.valueOf(entry);
    while (path !== none) {
      const next = this.#paths.get(path, nextField);
      if (isWanted(path)) {
        if (before === none) table.setValue(entry, next);
        else this.#paths.set(before, nextField, next);
        this.#count(this.#paths.get(path, ownerField) >>> 8, -1);
        this.attributes.release(this.#paths.get(path, attributesField));
        this.#freePaths.push(path);
        removed++;
      } else before = path;
      path = next;
    }
    if (removed > 0 && table.valueOf(entry) === none) table.remove(entry);
    return removed;
  }

  #count(peer: number, change: number): void {
    const known = this.#peers[peer];
    if (known) known.paths += change;
  }
}
