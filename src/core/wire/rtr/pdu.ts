/** PDUs of the RPKI to Router protocol, versions 0 (RFC 6810) and 1 (RFC 8210). */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { addressBits, makePrefix, type Prefix } from '../../base/prefix.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Framing, u32At } from '../../base/splitter.ts';
import { decodeUtf8, encodeUtf8 } from '../../base/utf8.ts';

export const rtrVersions = [0, 1] as const;
export type RtrVersion = (typeof rtrVersions)[number];

/** RFC 8210 section 12; the place is the value on the wire. */
export const rtrErrorNames = [
  'Corrupt Data',
  'Internal Error',
  'No Data Available',
  'Invalid Request',
  'Unsupported Protocol Version',
  'Unsupported PDU Type',
  'Withdrawal of Unknown Record',
  'Duplicate Announcement Received',
  'Unexpected Protocol Version',
] as const;
export const rtrError = {
  corruptData: 0,
  noData: 2,
  invalidRequest: 3,
  unsupportedVersion: 4,
  unsupportedPdu: 5,
  unknownWithdrawal: 6,
  duplicate: 7,
  unexpectedVersion: 8,
} as const;

/** What a cache sends. `version` is the one in its header, whatever it is. */
export type RtrPdu = { readonly version: number } & (
  | { readonly kind: 'serial_notify'; readonly session: number; readonly serial: number }
  | { readonly kind: 'cache_response'; readonly session: number }
  | {
      readonly kind: 'prefix';
      readonly isAnnounced: boolean;
      readonly prefix: Prefix;
      readonly maxLength: number;
      readonly asn: number;
    }
  | {
      readonly kind: 'end_of_data';
      readonly session: number;
      readonly serial: number;
      /** Seconds; version 0 tells none. */
      readonly intervals?: {
        readonly refreshS: number;
        readonly retryS: number;
        readonly expireS: number;
      };
    }
  | { readonly kind: 'cache_reset' }
  | { readonly kind: 'error_report'; readonly code: number; readonly text: string }
  /** Router keys (BGPsec) and what later versions add: not ours to use. */
  | { readonly kind: 'ignored'; readonly type: number }
);

export interface RtrPduError {
  readonly code: 'length' | 'prefix_length' | 'max_length';
  /** Within the PDU. */
  readonly offset: number;
  /** What an Error Report about it says. */
  readonly errorCode: number;
}

const headerLength = 8;

/** PDUs of a stream: Error Reports and router keys are the longest. */
export const rtrFraming: Framing = {
  headerLength,
  lengthAt: (bytes, start) => u32At(bytes, start + 4),
  maxLength: 65_536,
};

const pduType = {
  serialNotify: 0,
  serialQuery: 1,
  resetQuery: 2,
  cacheResponse: 3,
  ipv4Prefix: 4,
  ipv6Prefix: 6,
  endOfData: 7,
  cacheReset: 8,
  errorReport: 10,
} as const;

/** Decodes one whole PDU, as `rtrFraming` cuts them. */
export function decodeRtrPdu(bytes: Uint8Array): Result<RtrPdu, RtrPduError> {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  const type = reader.u8();
  const session = reader.u16();
  reader.skip(4);
  const wrongLength = err<RtrPduError>({
    code: 'length',
    offset: 4,
    errorCode: rtrError.corruptData,
  });
  const isLength = (...lengths: readonly number[]) => lengths.includes(bytes.length);
  switch (type) {
    case pduType.serialNotify:
      if (!isLength(12)) return wrongLength;
      return ok({ version, kind: 'serial_notify', session, serial: reader.u32() });
    case pduType.cacheResponse:
      return isLength(8) ? ok({ version, kind: 'cache_response', session }) : wrongLength;
    case pduType.cacheReset:
      return isLength(8) ? ok({ version, kind: 'cache_reset' }) : wrongLength;
    case pduType.ipv4Prefix:
    case pduType.ipv6Prefix: {
      const family = type === pduType.ipv4Prefix ? 4 : 6;
      return isLength(family === 4 ? 20 : 32) ? decodePrefix(reader, version, family) : wrongLength;
    }
    case pduType.endOfData: {
      if (!isLength(version === 0 ? 12 : 24)) return wrongLength;
      const serial = reader.u32();
      const end = { version, kind: 'end_of_data', session, serial } as const;
      if (version === 0) return ok(end);
      const intervals = { refreshS: reader.u32(), retryS: reader.u32(), expireS: reader.u32() };
      return ok({ ...end, intervals });
    }
    case pduType.errorReport: {
      reader.skip(reader.u32());
      const text = decodeUtf8(reader.take(reader.u32()));
      return reader.isShort
        ? wrongLength
        : ok({ version, kind: 'error_report', code: session, text });
    }
    default:
      return ok({ version, kind: 'ignored', type });
  }
}

function decodePrefix(
  reader: ByteReader,
  version: number,
  family: 4 | 6,
): Result<RtrPdu, RtrPduError> {
  const isAnnounced = (reader.u8() & 1) === 1;
  const length = reader.u8();
  const maxLength = reader.u8();
  reader.skip(1);
  const bits = addressBits(family);
  const errorCode = rtrError.corruptData;
  if (length > bits) return err({ code: 'prefix_length', offset: 9, errorCode });
  if (maxLength < length || maxLength > bits)
    return err({ code: 'max_length', offset: 10, errorCode });
  const prefix = makePrefix(family, reader.take(bits / 8).slice(), length);
  return ok({ version, kind: 'prefix', isAnnounced, prefix, maxLength, asn: reader.u32() });
}

/** Asks for what changed since `serial` of `session`. */
export const encodeSerialQuery = (
  version: RtrVersion,
  session: number,
  serial: number,
): Uint8Array => header(version, pduType.serialQuery, session, 12).u32(serial).finish();

/** Asks for everything. */
export const encodeResetQuery = (version: RtrVersion): Uint8Array =>
  header(version, pduType.resetQuery, 0, 8).finish();

/** Says what is wrong with a PDU of the cache's, before the session is closed. */
export function encodeRtrErrorReport(
  version: RtrVersion,
  code: number,
  pdu: Uint8Array,
  text: string,
): Uint8Array {
  const words = Uint8Array.from(encodeUtf8(text));
  return header(version, pduType.errorReport, code, headerLength + 8 + pdu.length + words.length)
    .u32(pdu.length)
    .put(pdu)
    .u32(words.length)
    .put(words)
    .finish();
}

const header = (version: RtrVersion, type: number, session: number, length: number): ByteWriter =>
  new ByteWriter(length).u8(version).u8(type).u16(session).u32(length);
