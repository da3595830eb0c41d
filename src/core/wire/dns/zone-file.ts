import { err, ok, type Result } from '../../base/result.ts';
import { type NameError, parseName, type WireName } from './name.ts';
import { encodeData, parseTtl, parseType, type Word } from './record.ts';

/** One record of a zone. */
export interface ZoneRecord {
  readonly name: WireName;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly data: Uint8Array;
}

/** Where a zone file is wrong, and what should stand there. */
export interface ZoneFileError {
  readonly line: number;
  readonly column: number;
  readonly expected: string;
}

/**
 * Reads a zone file (RFC 1035 section 5, `$TTL` of RFC 2308 section 4) with class IN.
 * `$INCLUDE` and `$GENERATE` are refused: a zone beside this server's own names is one short file.
 */
export function parseZoneFile(
  text: string,
  apex: WireName,
): Result<readonly ZoneRecord[], ZoneFileError> {
  const records: ZoneRecord[] = [];
  const lines = splitRecords(text);
  if (!lines.ok) return lines;
  let origin = apex;
  let defaultTtl: number | undefined;
  let owner: WireName | undefined;
  let lastTtl: number | undefined;
  for (const { line, startsBlank, words } of lines.value) {
    const fail = (word: Word | undefined, expected: string) =>
      err({ line, column: word?.column ?? (words.at(-1)?.column ?? 0) + 1, expected });
    const first = words[0];
    if (!first) continue;
    if (first.text.startsWith('$') && !first.isQuoted && !startsBlank) {
      const value = words[1];
      if (first.text === '$ORIGIN') {
        const name = parseName(value?.text ?? '', origin);
        if (!name.ok) return fail(value, nameFault(name.error));
        origin = name.value;
      } else if (first.text === '$TTL') {
        defaultTtl = parseTtl(value?.text ?? '');
        if (defaultTtl === undefined) return fail(value, 'time');
      } else return fail(first, '$ORIGIN or $TTL (no other directive is known)');
      if (words[2]) return fail(words[2], 'end of line');
      continue;
    }
    let at = 0;
    if (!startsBlank) {
      const name = parseName(first.text, origin);
      if (!name.ok || first.isQuoted) return fail(first, name.ok ? 'name' : nameFault(name.error));
      owner = name.value;
      at = 1;
    }
    if (!owner) return fail(first, 'name of the first record');
    // Time and class stand in either order, each at most once.
    let ttl: number | undefined;
    for (let i = 0; i < 2; i++) {
      const word = words[at]?.text ?? '';
      const time = ttl === undefined ? parseTtl(word) : undefined;
      if (time !== undefined) ttl = time;
      else if (word.toUpperCase() !== 'IN') break;
      at++;
    }
    ttl ??= defaultTtl ?? lastTtl;
    if (ttl === undefined) return fail(words[at], 'time (there is no $TTL)');
    lastTtl = ttl;
    const type = parseType(words[at]?.text ?? '');
    if (type === undefined) return fail(words[at], 'record type (class IN only)');
    const data = encodeData(type, words.slice(at), origin);
    if (!data.ok) return err({ line, ...data.error });
    if (!isBelow(owner, apex)) return fail(first, 'name inside the zone');
    records.push({ name: owner, type, ttl, data: data.value });
  }
  return ok(records);
}

/** Whether `name` is `apex` or below it. Both in lower case. */
export function isBelow(name: WireName, apex: WireName): boolean {
  for (let at = 0; at < name.length; at += 1 + (name[at] ?? 0)) {
    if (name.length - at < apex.length) return false;
    if (name.length - at === apex.length) return apex.every((octet, i) => octet === name[at + i]);
  }
  return false;
}

interface RecordLine {
  readonly line: number;
  /** The line begins with white space: the record has the owner of the one before. */
  readonly startsBlank: boolean;
  readonly words: readonly Word[];
}

/** Splits into records: comments away, quotes kept together, parentheses joining lines. */
function splitRecords(text: string): Result<readonly RecordLine[], ZoneFileError> {
  const records: RecordLine[] = [];
  let words: Word[] = [];
  let depth = 0;
  let line = 1;
  let lineStart = 0;
  let first = { line: 1, startsBlank: /^[ \t]/.test(text) };
  const token =
    /[ \t\r]+|;[^\n]*|\n|[()]|"((?:[^"\\\n]|\\[^\n])*)"|((?:[^ \t\r\n;()"\\]|\\[^\n])+)/y;
  while (token.lastIndex < text.length) {
    const start = token.lastIndex;
    const column = start - lineStart + 1;
    const match = token.exec(text);
    if (!match) return err({ line, column, expected: 'closing quote' });
    const [whole, quoted, plain] = match;
    if (whole === '(') depth++;
    else if (whole === ')' && depth-- === 0) return err({ line, column, expected: 'no )' });
    else if (quoted !== undefined) words.push({ text: quoted, isQuoted: true, column });
    else if (plain !== undefined) words.push({ text: plain, isQuoted: false, column });
    if (whole !== '\n') continue;
    line++;
    lineStart = token.lastIndex;
    if (depth > 0) continue;
    records.push({ ...first, words });
    words = [];
    first = { line, startsBlank: /[ \t]/.test(text[lineStart] ?? '') };
  }
  if (depth > 0) return err({ line, column: 1, expected: ')' });
  return ok([...records, { ...first, words }]);
}

const nameFault = (error: NameError): string => `name (${error.replaceAll('_', ' ')})`;
