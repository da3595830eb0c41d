/** Route origin validation (RFC 6811) and the rail that it makes for what we announce ourselves. */
import { formatPrefix, type Prefix, parsePrefix } from '../base/prefix.ts';
import { err, ok, type Result } from '../base/result.ts';
import { PrefixTrie } from '../base/trie.ts';

/** A validated ROA payload: `asn` may originate `prefix` and parts of it down to `maxLength`. AS 0: nobody may. */
export interface Vrp {
  readonly prefix: Prefix;
  readonly maxLength: number;
  readonly asn: number;
}

export type Validity = 'valid' | 'invalid' | 'not_found';

export interface Validation {
  readonly validity: Validity;
  /** Every VRP that covers the prefix. */
  readonly covering: readonly Vrp[];
}

/** A set of VRPs with lookup of those that cover a prefix. Replaced whole when the source changes. */
export class VrpTable {
  readonly #trie = new PrefixTrie<Vrp[]>();
  readonly size: number;

  constructor(vrps: Iterable<Vrp>) {
    let size = 0;
    for (const vrp of vrps) {
      const here = this.#trie.get(vrp.prefix);
      if (here) here.push(vrp);
      else this.#trie.set(vrp.prefix, [vrp]);
      size++;
    }
    this.size = size;
  }

  covering(prefix: Prefix): readonly Vrp[] {
    const found: Vrp[] = [];
    for (let length = prefix.length; length >= 0; length--) {
      const shorter: Prefix = { ...prefix, length, bytes: maskTo(prefix.bytes, length) };
      found.push(...(this.#trie.get(shorter) ?? []));
    }
    return found;
  }

  /** RFC 6811 section 2. An origin of undefined (an AS_SET) matches nothing. */
  validate(prefix: Prefix, origin: number | undefined): Validation {
    const covering = this.covering(prefix);
    if (covering.length === 0) return { validity: 'not_found', covering };
    const isMatched = covering.some(
      ({ asn, maxLength }) => asn !== 0 && asn === origin && prefix.length <= maxLength,
    );
    return { validity: isMatched ? 'valid' : 'invalid', covering };
  }
}

export interface RpkiRail {
  /** Undefined: no source was configured. */
  readonly table: VrpTable | undefined;
  /** The source is lost or too old: nothing new is announced, nothing is guessed. */
  readonly isStale: boolean;
  readonly requireRoa: boolean;
}

export type RpkiVerdict =
  | { readonly result: 'pass'; readonly validity?: Validity; readonly reason: string }
  | { readonly result: 'postpone' | 'refuse'; readonly reason: string };

/** Whether a block may be announced with us as its origin, and if not, which ROA is missing. */
export function checkRpki(prefix: Prefix, origin: number, rail: RpkiRail): RpkiVerdict {
  if (!rail.table)
    return rail.requireRoa
      ? { result: 'refuse', reason: 'require_roa is set and there is no source of VRPs' }
      : { result: 'pass', reason: 'origin validation is not configured' };
  if (rail.isStale) return { result: 'postpone', reason: 'the VRPs are lost or too old' };
  const text = formatPrefix(prefix);
  const { validity, covering } = rail.table.validate(prefix, origin);
  if (validity === 'valid')
    return { result: 'pass', validity, reason: `a ROA for AS ${origin} covers it` };
  if (validity === 'not_found')
    return rail.requireRoa
      ? { result: 'refuse', reason: `no ROA covers ${text}: make one for AS ${origin}` }
      : { result: 'pass', validity, reason: `no ROA covers ${text}` };
  const own = covering.filter(({ asn }) => asn === origin);
  const longest = own.sort((a, b) => b.maxLength - a.maxLength)[0];
  if (longest)
    return {
      result: 'refuse',
      reason: `the ROA ${describeVrp(longest)} ends at /${longest.maxLength}: raise its maxLength to ${prefix.length}, or make one for ${text}`,
    };
  const other = covering.map(describeVrp).join(', ');
  return {
    result: 'refuse',
    reason: `only ROAs of others cover ${text} (${other}): make one for AS ${origin}`,
  };
}

export const describeVrp = ({ prefix, maxLength, asn }: Vrp): string =>
  `${formatPrefix(prefix)}-${maxLength} AS ${asn}`;

export interface VrpFileError {
  readonly code: 'vrp_json' | 'vrp_header' | 'vrp_line';
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

/** Reads what rpki-client and routinator write: CSV with a header, or JSON with `roas`. */
export function parseVrpFile(text: string): Result<readonly Vrp[], VrpFileError> {
  return text.trimStart().startsWith('{') ? parseJson(text) : parseCsv(text);
}

function parseJson(text: string): Result<readonly Vrp[], VrpFileError> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: 'vrp_json', line: 1, text: text.slice(0, 80) });
  }
  const roas: unknown =
    typeof value === 'object' && value !== null && 'roas' in value ? value.roas : undefined;
  if (!Array.isArray(roas)) return err({ code: 'vrp_json', line: 1, text: 'no "roas" in it' });
  const vrps: Vrp[] = [];
  for (const roa of roas as readonly unknown[]) {
    const vrp =
      typeof roa === 'object' &&
      roa !== null &&
      'prefix' in roa &&
      'maxLength' in roa &&
      'asn' in roa
        ? makeVrp(String(roa.asn), String(roa.prefix), String(roa.maxLength))
        : undefined;
    if (!vrp) return err({ code: 'vrp_line', line: vrps.length + 1, text: JSON.stringify(roa) });
    vrps.push(vrp);
  }
  return ok(vrps);
}

function parseCsv(text: string): Result<readonly Vrp[], VrpFileError> {
  const lines = text.split(/\r?\n/);
  const head = (lines[0] ?? '').split(',').map((word) => word.trim().toLowerCase());
  const column = (...names: string[]) => head.findIndex((word) => names.includes(word));
  const [asn, prefix, length] = [
    column('asn'),
    column('ip prefix', 'prefix'),
    column('max length', 'maxlength'),
  ];
  if (asn < 0 || prefix < 0 || length < 0)
    return err({ code: 'vrp_header', line: 1, text: lines[0] ?? '' });
  const vrps: Vrp[] = [];
  for (const [i, line] of lines.entries()) {
    if (i === 0 || line.trim() === '') continue;
    const cells = line.split(',').map((cell) => cell.trim());
    const vrp = makeVrp(cells[asn] ?? '', cells[prefix] ?? '', cells[length] ?? '');
    if (!vrp) return err({ code: 'vrp_line', line: i + 1, text: line });
    vrps.push(vrp);
  }
  return ok(vrps);
}

function makeVrp(asnText: string, prefixText: string, lengthText: string): Vrp | undefined {
  const asn = Number(asnText.replace(/^AS/i, ''));
  const prefix = parsePrefix(prefixText);
  const maxLength = lengthText === '' && prefix.ok ? prefix.value.length : Number(lengthText);
  if (!Number.isInteger(asn) || asn < 0 || asn > 0xffffffff || !prefix.ok) return undefined;
  const longest = prefix.value.family === 4 ? 32 : 128;
  if (!(maxLength >= prefix.value.length && maxLength <= longest)) return undefined;
  return { prefix: prefix.value, maxLength, asn };
}

function maskTo(bytes: Uint8Array, length: number): Uint8Array {
  const masked = bytes.slice();
  for (let i = length >> 3; i < masked.length; i++)
    masked[i] = (masked[i] ?? 0) & (i === length >> 3 ? 0xff00 >> (length & 7) : 0);
  return masked;
}
