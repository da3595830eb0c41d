import { ByteWriter } from '../../base/bytes.ts';
import { parseAddress } from '../../base/prefix.ts';
import { assert } from '../../base/result.ts';
import {
  type Aggregator,
  type AsPathSegment,
  type AttributeContext,
  type MpReach,
  type MpUnreach,
  origins,
  type PathAttributes,
  segmentKinds,
} from './attributes.ts';
import { afiOf, asTrans, attributeFlag, attributeType, safiUnicast } from './codes.ts';
import { encodeNlri } from './nlri.ts';

const wellKnown = attributeFlag.transitive;
const optionalTransitive = attributeFlag.optional | attributeFlag.transitive;
const optionalOnly = attributeFlag.optional;

type Context = Pick<AttributeContext, 'as4' | 'addPath'>;

/**
 * Writes attributes in the order of their type codes, the MP attributes first, so that a reader finds the
 * prefixes whatever is wrong behind them (RFC 7606 section 5.1).
 */
export function encodeAttributes(
  attributes: PathAttributes,
  context: Context,
  mpReach?: MpReach,
  mpUnreach?: MpUnreach,
): Uint8Array {
  const out = new ByteWriter(128);
  if (mpReach) put(out, optionalOnly, attributeType.mpReach, encodeMpReach(mpReach, context));
  if (mpUnreach)
    put(out, optionalOnly, attributeType.mpUnreach, encodeMpUnreach(mpUnreach, context));
  encodeMandatory(out, attributes, context);
  encodeOptional(out, attributes);
  return out.finish();
}

function encodeMandatory(out: ByteWriter, attributes: PathAttributes, context: Context): void {
  const { origin, asPath, nextHop, med, localPref, aggregator } = attributes;
  if (origin !== undefined)
    put(out, wellKnown, attributeType.origin, Uint8Array.of(origins.indexOf(origin)));
  if (asPath) put(out, wellKnown, attributeType.asPath, encodeAsPath(asPath, context.as4));
  if (nextHop !== undefined) put(out, wellKnown, attributeType.nextHop, addressBytes(nextHop));
  if (med !== undefined) put(out, optionalOnly, attributeType.med, u32(med));
  if (localPref !== undefined) put(out, wellKnown, attributeType.localPref, u32(localPref));
  if (attributes.atomicAggregate)
    put(out, wellKnown, attributeType.atomicAggregate, new Uint8Array(0));
  if (aggregator)
    put(
      out,
      optionalTransitive,
      attributeType.aggregator,
      encodeAggregator(aggregator, context.as4),
    );
  // RFC 6793 section 4.2.2: what two octets cannot hold goes beside.
  const isWide = (asn: number) => asn > 0xffff;
  if (!context.as4 && asPath?.some(({ asns }) => asns.some(isWide)))
    put(out, optionalTransitive, attributeType.as4Path, encodeAsPath(withoutConfed(asPath), true));
  if (!context.as4 && aggregator && isWide(aggregator.asn))
    put(out, optionalTransitive, attributeType.as4Aggregator, encodeAggregator(aggregator, true));
}

function encodeOptional(out: ByteWriter, attributes: PathAttributes): void {
  const { communities, originatorId, clusterList, extendedCommunities, largeCommunities } =
    attributes;
  if (communities?.length) {
    const value = new ByteWriter(communities.length * 4);
    for (const [high, low] of communities) value.u16(high).u16(low);
    put(out, optionalTransitive, attributeType.communities, value.finish());
  }
  if (originatorId !== undefined)
    put(out, optionalOnly, attributeType.originatorId, addressBytes(originatorId));
  if (clusterList?.length) {
    const value = new ByteWriter(clusterList.length * 4);
    for (const id of clusterList) value.put(addressBytes(id));
    put(out, optionalOnly, attributeType.clusterList, value.finish());
  }
  if (extendedCommunities?.length) {
    const octets = (extendedCommunities.join('').match(/../g) ?? []).map((octet) =>
      Number.parseInt(octet, 16),
    );
    put(out, optionalTransitive, attributeType.extendedCommunities, Uint8Array.from(octets));
  }
  if (largeCommunities?.length) {
    const value = new ByteWriter(largeCommunities.length * 12);
    for (const [global, local1, local2] of largeCommunities)
      value.u32(global).u32(local1).u32(local2);
    put(out, optionalTransitive, attributeType.largeCommunities, value.finish());
  }
  if (attributes.onlyToCustomer !== undefined)
    put(out, optionalTransitive, attributeType.onlyToCustomer, u32(attributes.onlyToCustomer));
  // RFC 4271 section 5: whoever passes on what it does not recognize says so.
  for (const { type, flags, value } of attributes.opaque ?? [])
    put(out, flags | attributeFlag.partial, type, value);
}

function put(out: ByteWriter, flags: number, type: number, value: Uint8Array): void {
  if (value.length > 255)
    out
      .u8(flags | attributeFlag.extendedLength)
      .u8(type)
      .u16(value.length);
  else out.u8(flags).u8(type).u8(value.length);
  out.put(value);
}

function encodeAsPath(path: readonly AsPathSegment[], as4: boolean): Uint8Array {
  const value = new ByteWriter();
  for (const { kind, asns } of path) {
    for (let start = 0; start < asns.length; start += 255) {
      const part = asns.slice(start, start + 255);
      value.u8(segmentKinds.indexOf(kind) + 1).u8(part.length);
      for (const asn of part) {
        if (as4) value.u32(asn);
        else value.u16(asn > 0xffff ? asTrans : asn);
      }
    }
  }
  return value.finish();
}

const withoutConfed = (path: readonly AsPathSegment[]): readonly AsPathSegment[] =>
  path.filter(({ kind }) => kind === 'sequence' || kind === 'set');

function encodeAggregator({ asn, address }: Aggregator, as4: boolean): Uint8Array {
  const value = new ByteWriter(8);
  if (as4) value.u32(asn);
  else value.u16(asn > 0xffff ? asTrans : asn);
  return value.put(addressBytes(address)).finish();
}

function encodeMpReach(reach: MpReach, context: Context): Uint8Array {
  const nextHop = new ByteWriter(32).put(addressBytes(reach.nextHop));
  if (reach.linkLocalNextHop !== undefined) nextHop.put(addressBytes(reach.linkLocalNextHop));
  const value = new ByteWriter(128).u16(afiOf(reach.family)).u8(safiUnicast);
  value.u8(nextHop.length).put(nextHop.finish()).u8(0);
  encodeNlri(value, reach.nlri, context.addPath[reach.family]);
  return value.finish();
}

function encodeMpUnreach(unreach: MpUnreach, context: Context): Uint8Array {
  const value = new ByteWriter(128).u16(afiOf(unreach.family)).u8(safiUnicast);
  encodeNlri(value, unreach.nlri, context.addPath[unreach.family]);
  return value.finish();
}

function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  assert(address.ok, `${text} is an address`);
  return address.value.bytes;
}

const u32 = (value: number): Uint8Array => new ByteWriter(4).u32(value).finish();
