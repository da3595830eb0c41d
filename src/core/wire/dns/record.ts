import { ByteWriter } from '../../base/bytes.ts';
import { parseAddress } from '../../base/prefix.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { rrType } from './codes.ts';
import { parseName, type WireName } from './name.ts';

/** One word of a zone file. A quoted word is never a number, a name or `@`. */
export interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
  readonly column: number;
}

export interface RecordError {
  readonly column: number;
  readonly expected: string;
}

/** `undefined` for a type that this server does not know by name; `TYPE123` names any (RFC 3597). */
export function parseType(text: string): number | undefined {
  const upper = text.toUpperCase();
  if (Object.hasOwn(rrType, upper) && upper !== 'OPT' && upper !== 'ANY')
    return rrType[upper as keyof typeof rrType]; // hasOwn has just proved it a key
  const number = /^TYPE(\d{1,5})$/.exec(upper)?.[1];
  return number !== undefined && Number(number) < 65536 ? Number(number) : undefined;
}

/** Seconds, plain or with units as in `1h30m`; undefined when it is no time or above 2^31-1 (RFC 2181 section 8). */
export function parseTtl(text: string): number | undefined {
  if (!/^(\d+[smhdw]?)+$/i.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)([smhdw]?)/gi))
    seconds += Number(digits) * (unitSeconds[(unit ?? '').toLowerCase()] ?? 1);
  return seconds < 2 ** 31 ? seconds : undefined;
}

/**
 * Encodes the data of a record from the words of its line, the type's word being the first; names inside
 * are left uncompressed.
 */
export function encodeData(
  type: number,
  words: readonly Word[],
  origin: WireName,
): Result<Uint8Array, RecordError> {
  const out = new ByteWriter();
  const fields = words[1]?.text === '\\#' ? genericFields : (fieldsByType[type] ?? genericFields);
  let at = 1;
  for (const field of fields) {
    const repeats = field.endsWith('+');
    const kind = repeats ? field.slice(0, -1) : field;
    do {
      const word = words[at];
      const fault = { column: word?.column ?? (words.at(-1)?.column ?? 0) + 1, expected: kind };
      if (!word || !encodeField(kind, word, origin, out)) return err(fault);
      at++;
    } while (repeats && at < words.length);
  }
  const extra = words[at];
  if (extra) return err({ column: extra.column, expected: 'end of record' });
  const data = out.finish();
  if (fields !== genericFields) return ok(data);
  // The generic form is \# LENGTH HEX...: its length is checked, not sent.
  const length = (data[0] ?? 0) * 256 + (data[1] ?? 0);
  if (length !== data.length - 2)
    return err({ column: words[2]?.column ?? 1, expected: 'length of the data that follows' });
  return ok(data.subarray(2));
}

const unitSeconds: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
  w: 604800,
};

const genericFields = ['\\#', '16-bit number', 'hex+'];

const fieldsByType: Readonly<Record<number, readonly string[]>> = {
  [rrType.A]: ['IPv4 address'],
  [rrType.AAAA]: ['IPv6 address'],
  [rrType.NS]: ['name'],
  [rrType.CNAME]: ['name'],
  [rrType.PTR]: ['name'],
  [rrType.MX]: ['16-bit number', 'name'],
  [rrType.TXT]: ['text+'],
  [rrType.HINFO]: ['text', 'text'],
  [rrType.SRV]: ['16-bit number', '16-bit number', '16-bit number', 'name'],
  [rrType.SOA]: ['name', 'name', 'serial', 'time', 'time', 'time', 'time'],
  [rrType.CAA]: ['8-bit number', 'text', 'rest'],
  [rrType.TLSA]: ['8-bit number', '8-bit number', '8-bit number', 'hex+'],
  [rrType.SSHFP]: ['8-bit number', '8-bit number', 'hex+'],
  [rrType.DS]: ['16-bit number', '8-bit number', '8-bit number', 'hex+'],
};

/** Whether the word was such a field; it is then written. */
function encodeField(kind: string, word: Word, origin: WireName, out: ByteWriter): boolean {
  const { text } = word;
  switch (kind) {
    case '\\#':
      return text === kind;
    case 'IPv4 address':
    case 'IPv6 address': {
      const address = parseAddress(text);
      const isRight = address.ok && address.value.family === (kind === 'IPv4 address' ? 4 : 6);
      if (isRight) out.put(address.value.bytes);
      return isRight;
    }
    case 'name': {
      const name = parseName(text, origin);
      if (name.ok) out.put(name.value);
      return name.ok && !word.isQuoted;
    }
    case 'time':
    case 'serial': {
      const value = kind === 'time' ? parseTtl(text) : number(text, 0xffffffff);
      if (value !== undefined) out.u32(value);
      return value !== undefined;
    }
    case '8-bit number':
    case '16-bit number': {
      const is8 = kind === '8-bit number';
      const value = number(text, is8 ? 255 : 65535);
      if (value !== undefined) is8 ? out.u8(value) : out.u16(value);
      return value !== undefined;
    }
    case 'hex':
      if (!/^([0-9a-f]{2})+$/i.test(text)) return false;
      out.put(Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
      return true;
    default: {
      // Text: a length octet first, except for the rest of a CAA record.
      const octets = unescapeText(text);
      if (!octets || octets.length > 255) return false;
      if (kind === 'text') out.u8(octets.length);
      out.put(octets);
      return true;
    }
  }
}

function number(text: string, max: number): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : undefined;
}

function unescapeText(text: string): Uint8Array | undefined {
  const octets: number[] = [];
  for (let i = 0; i < text.length; i++) {
    let octet = text.charCodeAt(i);
    if (text[i] === '\\') {
      const decimal = /^\d{3}/.exec(text.slice(i + 1, i + 4))?.[0];
      octet = decimal === undefined ? text.charCodeAt(i + 1) : Number(decimal);
      i += decimal === undefined ? 1 : 3;
    }
    if (!(octet <= 255)) return undefined;
    octets.push(octet);
  }
  return Uint8Array.from(octets);
}
