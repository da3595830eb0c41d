import { ByteReader } from '../../base/bytes.ts';
import { ok, type Result } from '../../base/result.ts';
import { decodeAttributes } from '../../wire/bgp/attribute-decode.ts';
import { encodeAttributes } from '../../wire/bgp/attribute-encode.ts';
import type { AttributeContext, MpReach, PathAttributes } from '../../wire/bgp/attributes.ts';
import {
  afiOf,
  attributeFlag,
  attributeType,
  familyOf,
  safiUnicast,
  type UnicastFamily,
} from '../../wire/bgp/codes.ts';
import type { BgpError } from '../../wire/bgp/error.ts';
import { type Nlri, visitNlri } from '../../wire/bgp/nlri.ts';
import {
  decodeUpdate,
  endOfRib,
  splitUpdate,
  type Update,
  type UpdateFields,
  withdrawnStart,
} from '../../wire/bgp/update.ts';
import type { AdjRibIn } from './adj-rib-in.ts';

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

const longestBlock = 65_535;

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
  readonly #block = new Uint8Array(longestBlock);
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
    const parts = scanAttributes(bytes, attributesStart, attributesEnd, this.#block);
    if (!parts) return false;
    const { reach, unreach, blockLength } = parts;
    const hasRoutes = reach !== undefined || attributesEnd < bytes.length;
    // An IPv4 route's own NEXT_HOP and another's in MP_REACH in one message: rare, and two blocks.
    if (reach && attributesEnd < bytes.length) return false;
    if (!hasRoutes && withdrawnEnd === withdrawnStart && !unreach) return false;
    const { addPath } = this.#context;
    const isReadable =
      isWellFormed(bytes, withdrawnStart, withdrawnEnd, 4, addPath[4]) &&
      isWellFormed(bytes, attributesEnd, bytes.length, 4, addPath[4]) &&
      (!reach ||
        isWellFormed(bytes, reach.start, reach.end, reach.family, addPath[reach.family])) &&
      (!unreach ||
        isWellFormed(bytes, unreach.start, unreach.end, unreach.family, addPath[unreach.family]));
    if (!isReadable || (unreach && unreach.start === unreach.end)) return false;
    let attributes = 0;
    if (hasRoutes) {
      attributes = this.#internBlock(blockLength, reach !== undefined);
      if (attributes === 0) return false;
    }
    this.#withdraw(bytes, withdrawnStart, withdrawnEnd, 4, tally);
    if (unreach) this.#withdraw(bytes, unreach.start, unreach.end, unreach.family, tally);
    if (reach) this.#announce(bytes, reach.start, reach.end, reach.family, attributes, tally);
    this.#announce(bytes, attributesEnd, bytes.length, 4, attributes, tally);
    if (attributes !== 0) this.#rib.attributes.dropUnheld(attributes);
    return true;
  }

  /** The number of the block in `#block`; 0 when it is new and has a flaw. */
  #internBlock(length: number, hasReach: boolean): number {
    const known = this.#rib.attributes.find(this.#block, length, this.#kind);
    if (known !== 0) return known;
    const reader = new ByteReader(this.#block.subarray(0, length));
    const { attributes, errors } = decodeAttributes(reader, this.#context);
    const isComplete =
      attributes.origin !== undefined &&
      attributes.asPath !== undefined &&
      (hasReach || attributes.nextHop !== undefined);
    if (errors.length > 0 || !isComplete) return 0;
    return this.#rib.attributes.intern(this.#block, length, this.#kind);
  }

  #withdraw(
    bytes: Uint8Array,
    start: number,
    end: number,
    family: UnicastFamily,
    tally: IntakeTally,
  ): void {
    if (start === end) return;
    visitNlri(bytes, start, end, family, this.#context.addPath[family], (length, at, pathId) => {
      if (!this.#rib.withdraw(family, bytes, at, length, this.#peer, pathId)) return;
      tally.withdrawn++;
      this.#listener?.(family, bytes, at, length, 'withdrawn');
    });
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
    visitNlri(bytes, start, end, family, this.#context.addPath[family], (length, at, pathId) => {
      const change = this.#rib.announce(family, bytes, at, length, this.#peer, pathId, attributes);
      tally.announced++;
      if (change !== 'unchanged') this.#listener?.(family, bytes, at, length, 'announced');
    });
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
    const number = this.#rib.attributes.intern(block, block.length, this.#kind);
    for (const { prefix, pathId } of nlri) {
      const { bytes, length } = prefix;
      const change = this.#rib.announce(family, bytes, 0, length, this.#peer, pathId ?? 0, number);
      tally.announced++;
      if (change !== 'unchanged') this.#listener?.(family, bytes, 0, length, 'announced');
    }
    this.#rib.attributes.dropUnheld(number);
  }
}

/** Kind 1: from our own AS. LOCAL_PREF and the like count there only. */
export const attributeKind = (context: Pick<AttributeContext, 'isInternal'>): number =>
  context.isInternal ? 1 : 0;

/** The attributes of a stored block, with the next hop of whichever family. */
export function decodeBlock(
  bytes: Uint8Array,
  kind: number,
): { readonly attributes: PathAttributes; readonly nextHop: string } {
  const { attributes, mpReach } = decodeAttributes(new ByteReader(bytes), {
    as4: true,
    isInternal: kind === 1,
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

interface Span {
  readonly family: UnicastFamily;
  readonly start: number;
  readonly end: number;
}

interface ScannedAttributes {
  readonly blockLength: number;
  readonly reach?: Span;
  readonly unreach?: Span;
}

/**
 * Copies the attributes to `block`, MP_REACH_NLRI without its prefixes and MP_UNREACH_NLRI not at all, and
 * tells where those prefixes are. Undefined when the slow way must look.
 */
function scanAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  block: Uint8Array,
): ScannedAttributes | undefined {
  let reach: Span | undefined;
  let unreach: Span | undefined;
  let length = 0;
  let at = start;
  while (at < end) {
    if (end - at < 3) return undefined;
    const flags = bytes[at] ?? 0;
    const type = bytes[at + 1] ?? 0;
    const isExtended = (flags & attributeFlag.extendedLength) !== 0;
    const valueAt = at + (isExtended ? 4 : 3);
    const size = isExtended
      ? ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
      : (bytes[at + 2] ?? 0);
    const next = valueAt + size;
    if (next > end) return undefined;
    if (type === attributeType.mpReach || type === attributeType.mpUnreach) {
      if ((flags & 0xe0) !== attributeFlag.optional || size < 3) return undefined;
      const family = familyOf(
        ((bytes[valueAt] ?? 0) << 8) | (bytes[valueAt + 1] ?? 0),
        bytes[valueAt + 2] ?? 0,
      );
      if (!family) return undefined;
      if (type === attributeType.mpUnreach) {
        if (unreach) return undefined;
        unreach = { family, start: valueAt + 3, end: next };
      } else {
        const hopLength = bytes[valueAt + 3] ?? 0;
        const nlriAt = valueAt + 5 + hopLength;
        if (reach || nlriAt > next) return undefined;
        reach = { family, start: nlriAt, end: next };
        length = copyReach(bytes, valueAt + 3, hopLength, family, block, length);
      }
    } else {
      block.set(bytes.subarray(at, next), length);
      length += next - at;
    }
    at = next;
  }
  return { blockLength: length, ...(reach ? { reach } : {}), ...(unreach ? { unreach } : {}) };
}

function copyReach(
  bytes: Uint8Array,
  hopAt: number,
  hopLength: number,
  family: UnicastFamily,
  block: Uint8Array,
  length: number,
): number {
  const head = [
    attributeFlag.optional,
    attributeType.mpReach,
    hopLength + 5,
    0,
    afiOf(family),
    safiUnicast,
  ];
  block.set(head, length);
  block.set(bytes.subarray(hopAt, hopAt + 1 + hopLength), length + head.length);
  const end = length + head.length + 1 + hopLength;
  block[end] = 0;
  return end + 1;
}

const ignore = () => {};

const isWellFormed = (
  bytes: Uint8Array,
  start: number,
  end: number,
  family: UnicastFamily,
  hasPathIds: boolean,
): boolean =>
  start === end || visitNlri(bytes, start, end, family, hasPathIds, ignore) === undefined;
