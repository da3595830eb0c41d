import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { decodeAttributes } from './attribute-decode.ts';
import { encodeAttributes } from './attribute-encode.ts';
import type { AttributeContext, MpReach, MpUnreach, PathAttributes } from './attributes.ts';
import {
  attributeType,
  headerLength,
  messageType,
  notificationCode,
  type UnicastFamily,
} from './codes.ts';
import { type BgpError, type Reaction, resetError, strongest } from './error.ts';
import { encodeMessage } from './header.ts';
import { decodeNlri, encodeNlri, type Nlri } from './nlri.ts';

/** The content of an UPDATE, as it stands on the wire. */
export interface Update {
  /** IPv4 prefixes of the message's own fields; those of MP attributes are in `mpReach` and `mpUnreach`. */
  readonly withdrawn: readonly Nlri[];
  readonly announced: readonly Nlri[];
  readonly attributes: PathAttributes;
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
}

export interface DecodedUpdate {
  readonly update: Update;
  /** Undefined when the message was flawless; never `reset_session`, which is an error of its own. */
  readonly reaction: Exclude<Reaction, 'reset_session'> | undefined;
  readonly errors: readonly BgpError[];
  readonly ignoredFamilies: number;
}

/** The three fields of an UPDATE, as places in the message. */
export interface UpdateFields {
  readonly withdrawnEnd: number;
  readonly attributesStart: number;
  readonly attributesEnd: number;
}

export const withdrawnStart = headerLength + 2;

const listError = (code: string, offset: number) =>
  resetError(code, notificationCode.update, 1, offset);

/** Finds the fields of a whole message; lengths that contradict it reset the session (RFC 7606 section 3 (b)). */
export function splitUpdate(bytes: Uint8Array): Result<UpdateFields, BgpError> {
  const u16 = (at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (bytes.length < headerLength + 4) return err(listError('update_short', headerLength));
  const withdrawnEnd = withdrawnStart + u16(headerLength);
  if (withdrawnEnd + 2 > bytes.length) return err(listError('withdrawn_length', headerLength));
  const attributesStart = withdrawnEnd + 2;
  const attributesEnd = attributesStart + u16(withdrawnEnd);
  if (attributesEnd > bytes.length) return err(listError('attributes_length', withdrawnEnd));
  return ok({ withdrawnEnd, attributesStart, attributesEnd });
}

/**
 * Decodes a whole UPDATE message. An error value means that the session must be reset; lesser errors are
 * in the result, with the strongest reaction that they ask for.
 */
export function decodeUpdate(
  bytes: Uint8Array,
  context: AttributeContext,
): Result<DecodedUpdate, BgpError> {
  const fields = splitUpdate(bytes);
  if (!fields.ok) return fields;
  const { withdrawnEnd, attributesStart, attributesEnd } = fields.value;
  const readNlri = (start: number, end: number) =>
    decodeNlri(new ByteReader(bytes.subarray(start, end), start), 4, context.addPath[4]);
  const withdrawn = readNlri(withdrawnStart, withdrawnEnd);
  const announced = readNlri(attributesEnd, bytes.length);
  const nlriError = withdrawn.error ?? announced.error;
  if (nlriError)
    return err(resetError(nlriError.code, notificationCode.update, 10, nlriError.offset));
  const block = bytes.subarray(attributesStart, attributesEnd);
  const decoded = decodeAttributes(new ByteReader(block, attributesStart), context);
  const fatal = decoded.errors.find(({ reaction }) => reaction === 'reset_session');
  if (fatal) return err(fatal);
  const update: Update = {
    withdrawn: withdrawn.nlri,
    announced: announced.nlri,
    attributes: decoded.attributes,
    ...(decoded.mpReach ? { mpReach: decoded.mpReach } : {}),
    ...(decoded.mpUnreach ? { mpUnreach: decoded.mpUnreach } : {}),
  };
  const missing = findMissing(update, attributesStart);
  // One that is there and flawed was reported already.
  const isNew = !decoded.errors.some(({ attribute }) => attribute === missing?.attribute);
  const errors = missing && isNew ? [...decoded.errors, missing] : decoded.errors;
  const reaction = strongest(errors);
  return ok({
    update,
    errors,
    ignoredFamilies: decoded.ignoredFamilies,
    reaction: reaction === 'reset_session' ? 'treat_as_withdraw' : reaction,
  });
}

/** RFC 7606 section 3 (d): a route without its mandatory attributes is treated as withdrawn. */
function findMissing(update: Update, offset: number): BgpError | undefined {
  const { attributes, mpReach } = update;
  const hasOwn = update.announced.length > 0;
  if (!hasOwn && !mpReach) return undefined;
  const type =
    attributes.origin === undefined
      ? attributeType.origin
      : attributes.asPath === undefined
        ? attributeType.asPath
        : hasOwn && attributes.nextHop === undefined
          ? attributeType.nextHop
          : undefined;
  if (type === undefined) return undefined;
  return {
    code: 'attribute_missing',
    offset,
    reaction: 'treat_as_withdraw',
    attribute: type,
    notification: { code: notificationCode.update, subcode: 3, data: Uint8Array.of(type) },
  };
}

/** The family whose End-of-RIB (RFC 4724 section 2) the update is; undefined for any other update. */
export function endOfRib(update: Update): UnicastFamily | undefined {
  if (update.withdrawn.length > 0 || update.announced.length > 0 || update.mpReach)
    return undefined;
  const { mpUnreach } = update;
  if (Object.keys(update.attributes).length > 0) return undefined;
  if (!mpUnreach) return 4;
  return mpUnreach.nlri.length === 0 ? mpUnreach.family : undefined;
}

export function encodeUpdate(
  update: Update,
  context: Pick<AttributeContext, 'as4' | 'addPath'>,
): Uint8Array {
  const withdrawn = new ByteWriter();
  encodeNlri(withdrawn, update.withdrawn, context.addPath[4]);
  const attributes = encodeAttributes(update.attributes, context, update.mpReach, update.mpUnreach);
  const body = new ByteWriter(256)
    .u16(withdrawn.length)
    .put(withdrawn.finish())
    .u16(attributes.length)
    .put(attributes);
  encodeNlri(body, update.announced, context.addPath[4]);
  return encodeMessage(messageType.update, body.finish());
}

/** IPv4 has its own empty message; others an empty MP_UNREACH_NLRI. */
export function encodeEndOfRib(family: UnicastFamily): Uint8Array {
  const empty: Update = { withdrawn: [], announced: [], attributes: {} };
  const addPath = { 4: false, 6: false };
  const update = family === 4 ? empty : { ...empty, mpUnreach: { family, nlri: [] } };
  return encodeUpdate(update, { as4: true, addPath });
}
