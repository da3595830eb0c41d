import { ByteReader } from '../../base/bytes.ts';
import { ok, type Result } from '../../base/result.ts';
import { decodeAttributes } from '../../wire/bgp/attribute-decode.ts';
import { encodeAttributes } from '../../wire/bgp/attribute-encode.ts';
import { isSoundBlock } from '../../wire/bgp/attribute-sound.ts';
import type { AttributeContext, MpReach, PathAttributes } from '../../wire/bgp/attributes.ts';
import type { UnicastFamily } from '../../wire/bgp/codes.ts';
import type { BgpError } from '../../wire/bgp/error.ts';
import { type Nlri, NlriCursor } from '../../wire/bgp/nlri.ts';
import {
  decodeUpdate,
  endOfRib,
  splitUpdate,
  type Update,
  type UpdateFields,
  withdrawnStart,
} from '../../wire/bgp/update.ts';
import type { AdjRibIn } from './adj-rib-in.ts';
import { AttributeScan } from './attribute-scan.ts';

/** What an UPDATE did to the table. Reused from call to call by its owner. */
export interface IntakeTally {
  announced: number;
  withdrawn: number;
  /** Routes taken as withdrawn because of an error (RFC 7606). */
  treatedAsWithdrawn: number;
  errors: readonly BgpError[];
  ignoredFamilies: number;
  endOfRib: UnicastFamily | undefined;
}

/** Called for each route that changed: after the change. `at` is the place of the prefix's octets. */
export type RouteListener = (
  family: UnicastFamily,
  bytes: Uint8Array,
  at: number,
  length: number,
  action: 'announced' | 'withdrawn',
) => void;

/**
 * Takes UPDATE messages into a table. Most messages carry a block of attributes that is already known, or
 * will be: it is compared as bytes, and decoded and checked only the first time. Anything unusual goes the
 * slow way through `decodeUpdate`; both ways end in the same table (the tests hold them against each other).
 */
export class UpdateIntake {
  readonly #rib: AdjRibIn;
  readonly #peer: number;
  readonly #context: AttributeContext;
  readonly #kind: number;
  readonly #scan = new AttributeScan();
  readonly #cursor = new NlriCursor();
  readonly #listener: RouteListener | undefined;

  constructor(rib: AdjRibIn, peer: number, context: AttributeContext, listener?: RouteListener) {
    this.#rib = rib;
    this.#peer = peer;
    this.#context = context;
    this.#kind = attributeKind(context);
    this.#listener = listener;
  }

  /** `bytes` is a whole message. An error value: reset the session. */
  take(bytes: Uint8Array): Result<IntakeTally, BgpError> {
    const fields = splitUpdate(bytes);
    if (!fields.ok) return fields;
    const tally: IntakeTally = {
      announced: 0,
      withdrawn: 0,
      treatedAsWithdrawn: 0,
      errors: [],
      ignoredFamilies: 0,
      endOfRib: undefined,
    };
    if (this.#context.as4 && this.#takeKnown(bytes, fields.value, tally)) return ok(tally);
    return this.#takeSlowly(bytes, tally);
  }

  /**
   * The quick way: no objects but the tally. False when the message has anything that needs the slow way;
   * then nothing has been changed.
   */
  #takeKnown(bytes: Uint8Array, fields: UpdateFields, tally: IntakeTally): boolean {
    const { withdrawnEnd, attributesStart, attributesEnd } = fields;
    const scan = this.#scan;
    if (!scan.read(bytes, attributesStart, attributesEnd)) return false;
    const { reach, unreach } = scan;
    const hasOwn = attributesEnd < bytes.length;
    // An IPv4 route's own NEXT_HOP and another's in MP_REACH in one message: rare, and two blocks.
    if (scan.hasReach && hasOwn) return false;
    const hasRoutes = scan.hasReach || hasOwn;
    // Neither: an End-of-RIB, perhaps.
    if (!hasRoutes && withdrawnEnd === withdrawnStart && unreach.start === unreach.end)
      return false;
    const isReadable =
      this.#isWellFormed(bytes, withdrawnStart, withdrawnEnd, 4) &&
      this.#isWellFormed(bytes, attributesEnd, bytes.length, 4) &&
      this.#isWellFormed(bytes, reach.start, reach.end, reach.family) &&
      this.#isWellFormed(bytes, unreach.start, unreach.end, unreach.family);
    if (!isReadable) return false;
    let attributes = 0;
    if (hasRoutes) {
      attributes = this.#internBlock();
      if (attributes === 0) return false;
    }
    this.#withdraw(bytes, withdrawnStart, withdrawnEnd, 4, tally);
    this.#withdraw(bytes, unreach.start, unreach.end, unreach.family, tally);
    this.#announce(bytes, reach.start, reach.end, reach.family, attributes, tally);
    this.#announce(bytes, attributesEnd, bytes.length, 4, attributes, tally);
    if (attributes !== 0) this.#rib.attributes.dropUnheld(attributes);
    return true;
  }

  /** The number of the block that was scanned; 0 when it is new and has a flaw. */
  #internBlock(): number {
    const { attributes } = this.#rib;
    const { block, blockStart, blockLength } = this.#scan;
    const known = attributes.find(block, blockStart, blockLength, this.#kind);
    if (known !== 0) return known;
    const isFlawless =
      isSoundBlock(block, blockStart, blockStart + blockLength, this.#context) ||
      this.#decodesWhole(block.subarray(blockStart, blockStart + blockLength));
    return isFlawless ? attributes.intern(block, blockStart, blockLength, this.#kind) : 0;
  }

  #decodesWhole(block: Uint8Array): boolean {
    const decoded = decodeAttributes(new ByteReader(block), this.#context);
    const { origin, asPath, nextHop } = decoded.attributes;
    const hasNextHop = decoded.mpReach !== undefined || nextHop !== undefined;
    return (
      decoded.errors.length === 0 && origin !== undefined && asPath !== undefined && hasNextHop
    );
  }

  #isWellFormed(bytes: Uint8Array, start: number, end: number, family: UnicastFamily): boolean {
    if (start === end) return true;
    const cursor = this.#cursor.open(bytes, start, end, family, this.#context.addPath[family]);
    while (cursor.next());
    return cursor.error === undefined;
  }

  #withdraw(
    bytes: Uint8Array,
    start: number,
    end: number,
    family: UnicastFamily,
    tally: IntakeTally,
  ): void {
    if (start === end) return;
    const cursor = this.#cursor.open(bytes, start, end, family, this.#context.addPath[family]);
    while (cursor.next()) {
      const { length, at, pathId } = cursor;
      if (!this.#rib.withdraw(family, bytes, at, length, this.#peer, pathId)) continue;
      tally.withdrawn++;
      this.#listener?.(family, bytes, at, length, 'withdrawn');
    }
  }

  #announce(
    bytes: Uint8Array,
    start: number,
    end: number,
    family: UnicastFamily,
    attributes: number,
    tally: IntakeTally,
  ): void {
    if (start === end) return;
    const cursor = this.#cursor.open(bytes, start, end, family, this.#context.addPath[family]);
    while (cursor.next()) {
      const { length, at, pathId } = cursor;
      const change = this.#rib.announce(family, bytes, at, length, this.#peer, pathId, attributes);
      tally.announced++;
      if (change !== 'unchanged') this.#listener?.(family, bytes, at, length, 'announced');
    }
  }

  #takeSlowly(bytes: Uint8Array, tally: IntakeTally): Result<IntakeTally, BgpError> {
    const decoded = decodeUpdate(bytes, this.#context);
    if (!decoded.ok) return decoded;
    const { update, reaction, errors, ignoredFamilies } = decoded.value;
    tally.errors = errors;
    tally.ignoredFamilies = ignoredFamilies;
    if (errors.length === 0 && ignoredFamilies === 0) tally.endOfRib = endOfRib(update);
    const { mpReach, mpUnreach, attributes } = update;
    this.#withdrawEach(4, update.withdrawn, tally);
    if (mpUnreach) this.#withdrawEach(mpUnreach.family, mpUnreach.nlri, tally);
    if (reaction === 'treat_as_withdraw') {
      const before = tally.withdrawn;
      this.#withdrawEach(4, update.announced, tally);
      if (mpReach) this.#withdrawEach(mpReach.family, mpReach.nlri, tally);
      tally.treatedAsWithdrawn = update.announced.length + (mpReach?.nlri.length ?? 0);
      tally.withdrawn = before;
      return ok(tally);
    }
    if (mpReach)
      this.#announceEach(mpReach.family, mpReach.nlri, blockOf(attributes, mpReach), tally);
    this.#announceEach(4, update.announced, blockOf(attributes, undefined), tally);
    return ok(tally);
  }

  #withdrawEach(family: UnicastFamily, nlri: Update['withdrawn'], tally: IntakeTally): void {
    for (const { prefix, pathId } of nlri) {
      const { bytes, length } = prefix;
      if (!this.#rib.withdraw(family, bytes, 0, length, this.#peer, pathId ?? 0)) continue;
      tally.withdrawn++;
      this.#listener?.(family, bytes, 0, length, 'withdrawn');
    }
  }

  #announceEach(
    family: UnicastFamily,
    nlri: readonly Nlri[],
    block: Uint8Array,
    tally: IntakeTally,
  ): void {
    if (nlri.length === 0) return;
    const number = this.#rib.attributes.intern(block, 0, block.length, this.#kind);
    for (const { prefix, pathId } of nlri) {
      const { bytes, length } = prefix;
      const change = this.#rib.announce(family, bytes, 0, length, this.#peer, pathId ?? 0, number);
      tally.announced++;
      if (change !== 'unchanged') this.#listener?.(family, bytes, 0, length, 'announced');
    }
    this.#rib.attributes.dropUnheld(number);
  }
}

/** The kind of blocks from our own AS: LOCAL_PREF and the like count there only. */
export const internalKind = 1;

export const attributeKind = (context: Pick<AttributeContext, 'isInternal'>): number =>
  context.isInternal ? internalKind : 0;

/** The attributes of a stored block, with the next hop of whichever family. */
export function decodeBlock(
  bytes: Uint8Array,
  kind: number,
): { readonly attributes: PathAttributes; readonly nextHop: string } {
  const { attributes, mpReach } = decodeAttributes(new ByteReader(bytes), {
    as4: true,
    isInternal: kind === internalKind,
    addPath: { 4: false, 6: false },
    acceptAsSets: true,
  });
  return { attributes, nextHop: mpReach?.nextHop ?? attributes.nextHop ?? '' };
}

/** The canonical block of a route that came the slow way: flawed attributes are already left out. */
function blockOf(attributes: PathAttributes, reach: MpReach | undefined): Uint8Array {
  const context = { as4: true, addPath: { 4: false, 6: false } };
  return encodeAttributes(attributes, context, reach && { ...reach, nlri: [] });
}
