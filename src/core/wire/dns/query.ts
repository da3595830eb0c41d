import { ByteReader } from '../../base/bytes.ts';
import { addressBits, type Family, makePrefix, type Prefix } from '../../base/prefix.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { ednsOption, flag, rcode, rrType } from './codes.ts';
import { nameKey } from './name.ts';

/** The asker's client network (RFC 7871), host bits verified zero. Length 0: the client does not want to be known. */
export interface ClientSubnet {
  readonly prefix: Prefix;
}

export interface Edns {
  /** UDP payload that the asker takes; values below 512 count as 512 (RFC 6891 section 6.2.3). */
  readonly udpSize: number;
  readonly version: number;
  readonly wantsDnssec: boolean;
  readonly subnet?: ClientSubnet;
  /** The COOKIE option's octets: 8 of the client, then 8 to 32 of the server where it has one (RFC 7873). */
  readonly cookie?: Uint8Array;
}

export interface Query {
  readonly id: number;
  /** Second word of the header, as asked. */
  readonly flags: number;
  /** The question's name folded to lower case, as `nameKey` gives it. */
  readonly key: string;
  readonly type: number;
  readonly class: number;
  /** Offset of the first octet behind the question: what an answer echoes is [12, questionEnd). */
  readonly questionEnd: number;
  readonly edns?: Edns;
}

/**
 * What a message that is no good query is owed: nothing (it is no query, or a reply could loop), or a
 * reply with this response code. `questionEnd` is 12 where the question itself could not be read.
 */
export interface QueryError {
  readonly code: 'too_short' | 'is_response' | 'opcode' | 'counts' | 'question' | 'records' | 'opt';
  readonly reaction: 'silence' | 'reply';
  readonly rcode: number;
  readonly offset: number;
  readonly questionEnd: number;
  /** Whether an OPT record was seen before the fault, so that the reply carries one too (RFC 6891 section 7). */
  readonly hasEdns: boolean;
}

/** Reads a query (RFC 1035 section 4, 6891, 7871, 7873, 9619). Never throws, whatever the octets. */
export function decodeQuery(bytes: Uint8Array): Result<Query, QueryError> {
  if (bytes.length < 12) return silence('too_short', bytes.length);
  const reader = new ByteReader(bytes);
  const id = reader.u16();
  const flags = reader.u16();
  if (flags & flag.QR) return silence('is_response', 2);
  if ((flags >> 11) & 0xf) return fault('opcode', rcode.NOTIMP, 2, 12);
  const questions = reader.u16();
  const others = reader.u16() + reader.u16();
  const additional = reader.u16();
  if (questions !== 1) return fault('counts', rcode.FORMERR, 4, 12);

  const nameEnd = skipQuestionName(bytes);
  if (nameEnd === undefined) return fault('question', rcode.FORMERR, 12, 12);
  reader.skip(nameEnd - 12);
  const type = reader.u16();
  const rclass = reader.u16();
  if (reader.isShort) return fault('question', rcode.FORMERR, nameEnd, 12);
  const questionEnd = reader.offset;

  let edns: Edns | undefined;
  for (let index = 0; index < others + additional; index++) {
    const start = reader.offset;
    const record = readRecord(reader);
    if (!record) return fault('records', rcode.FORMERR, start, questionEnd, edns);
    if (record.type !== rrType.OPT) continue;
    const decoded = index >= others && !edns && bytes[start] === 0 ? readOpt(record) : undefined;
    if (!decoded) {
      return { ok: false, error: { ...optFault, offset: start, questionEnd } };
    }
    edns = decoded;
  }
  if (reader.remaining > 0)
    return fault('records', rcode.FORMERR, reader.offset, questionEnd, edns);
  const query = { id, flags, key: nameKey(bytes, 12, nameEnd), type, class: rclass, questionEnd };
  return ok(edns ? { ...query, edns } : query);
}

interface RawRecord {
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: ByteReader;
}

/** End of the question's name; a compression pointer there has nothing to point to and is a fault. */
function skipQuestionName(bytes: Uint8Array): number | undefined {
  for (let at = 12; at < bytes.length && at < 12 + 255; ) {
    const length = bytes[at] ?? 0;
    if (length > 63) return undefined;
    at += 1 + length;
    if (length === 0) return at;
  }
  return undefined;
}

/** Skips the owner (RFC 1035 section 4.1.4: labels, then the root or a pointer) and reads the fixed part. */
function readRecord(reader: ByteReader): RawRecord | undefined {
  for (let length = reader.u8(); length !== 0; length = reader.u8()) {
    if (length >= 0xc0) {
      reader.skip(1);
      break;
    }
    if (length > 63) return undefined;
    reader.skip(length);
  }
  const type = reader.u16();
  const rclass = reader.u16();
  const ttl = reader.u32();
  const data = reader.sub(reader.u16());
  return reader.isShort ? undefined : { type, class: rclass, ttl, data };
}

function readOpt({ class: udpSize, ttl, data }: RawRecord): Edns | undefined {
  const version = Math.floor(ttl / 65536) & 0xff;
  const fixed = { udpSize: Math.max(512, udpSize), version, wantsDnssec: (ttl & 0x8000) !== 0 };
  // Options of a version that we do not know may mean anything: BADVERS is owed whatever they are.
  if (version !== 0) return fixed;
  let subnet: ClientSubnet | undefined;
  let cookie: Uint8Array | undefined;
  while (data.remaining > 0) {
    const code = data.u16();
    const value = data.sub(data.u16());
    if (data.isShort) return undefined;
    if (code === ednsOption.CLIENT_SUBNET) {
      subnet ??= readSubnet(value);
      if (!subnet) return undefined;
    } else if (code === ednsOption.COOKIE) {
      const { length } = value.bytes;
      if (length !== 8 && (length < 16 || length > 40)) return undefined;
      cookie ??= value.bytes;
    }
  }
  return { ...fixed, ...(subnet && { subnet }), ...(cookie && { cookie }) };
}

/** RFC 7871 section 6: shortest address that holds the prefix, no bits beyond it, scope 0 in a query. */
function readSubnet(reader: ByteReader): ClientSubnet | undefined {
  const number = reader.u16();
  const length = reader.u8();
  const scope = reader.u8();
  const address = reader.take(reader.remaining);
  if (reader.isShort || (number !== 1 && number !== 2) || scope !== 0) return undefined;
  const family: Family = number === 1 ? 4 : 6;
  if (length > addressBits(family) || address.length !== Math.ceil(length / 8)) return undefined;
  const bytes = new Uint8Array(addressBits(family) / 8);
  bytes.set(address);
  const prefix = makePrefix(family, bytes, length);
  return prefix.bytes.every((octet, i) => octet === bytes[i]) ? { prefix } : undefined;
}

const optFault = {
  code: 'opt',
  reaction: 'reply',
  rcode: rcode.FORMERR,
  hasEdns: true,
} as const;

function silence(code: 'too_short' | 'is_response', offset: number) {
  const fixed = { reaction: 'silence', rcode: 0, questionEnd: 12, hasEdns: false } as const;
  return err<QueryError>({ code, offset, ...fixed });
}

function fault(
  code: QueryError['code'],
  rcodeOwed: number,
  offset: number,
  questionEnd: number,
  edns?: Edns,
) {
  const hasEdns = edns !== undefined;
  return err<QueryError>({
    code,
    reaction: 'reply',
    rcode: rcodeOwed,
    offset,
    questionEnd,
    hasEdns,
  });
}
