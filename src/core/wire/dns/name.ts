import { err, ok, type Result } from '../../base/result.ts';

/** A domain name as uncompressed wire octets, the root label included, letters in lower case. */
export type WireName = Uint8Array;

export type NameError = 'empty_label' | 'label_too_long' | 'name_too_long' | 'bad_escape';

/**
 * Reads a name in presentation form (RFC 1035 section 5.1: `\.` and `\DDD` escapes). A name without
 * a trailing dot continues with `origin`; `@` is the origin itself.
 */
export function parseName(text: string, origin: WireName = root): Result<WireName, NameError> {
  if (text === '@') return ok(origin);
  if (text === '.') return ok(root);
  const octets: number[] = [];
  let label: number[] = [];
  let isAbsolute = false;
  const close = (): NameError | undefined => {
    if (label.length === 0) return 'empty_label';
    if (label.length > 63) return 'label_too_long';
    octets.push(label.length, ...label);
    label = [];
    return undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === '.') {
      const error = close();
      if (error) return err(error);
      isAbsolute = i === text.length - 1;
    } else if (char === '\\') {
      const decimal = /^\d{3}/.exec(text.slice(i + 1, i + 4))?.[0];
      const octet = decimal === undefined ? text.charCodeAt(i + 1) : Number(decimal);
      if (!(octet <= 255)) return err('bad_escape');
      label.push(lower(octet));
      i += decimal === undefined ? 1 : 3;
    } else {
      const octet = text.charCodeAt(i);
      // Names beyond ASCII are written in their A-label form (RFC 5891).
      if (octet > 126 || octet < 33) return err('bad_escape');
      label.push(lower(octet));
    }
  }
  if (!isAbsolute) {
    const error = close();
    if (error) return err(error);
  }
  const name = Uint8Array.from([...octets, ...(isAbsolute ? root : origin)]);
  return name.length > 255 ? err('name_too_long') : ok(name);
}

/** Presentation form with the trailing dot. */
export function formatName(name: WireName): string {
  let text = '';
  for (let at = 0; at < name.length; ) {
    const length = name[at] ?? 0;
    if (length === 0) break;
    for (const octet of name.subarray(at + 1, at + 1 + length)) {
      if (octet === 0x2e || octet === 0x5c) text += `\\${String.fromCharCode(octet)}`;
      else if (octet < 33 || octet > 126) text += `\\${String(octet).padStart(3, '0')}`;
      else text += String.fromCharCode(octet);
    }
    text += '.';
    at += 1 + length;
  }
  return text === '' ? '.' : text;
}

/**
 * The key by which a name is found: its wire octets from `start` to `end` as a string, letters in
 * lower case (RFC 4343: only ASCII letters fold).
 */
export function nameKey(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let key = '';
  for (let i = start; i < end; i++) key += String.fromCharCode(lower(bytes[i] ?? 0));
  return key;
}

/** The key of the name one label up; undefined at the root. */
export function parentKey(key: string): string | undefined {
  const length = key.charCodeAt(0);
  return length > 0 ? key.slice(1 + length) : undefined;
}

export const root: WireName = Uint8Array.of(0);

/** A label's length octet is at most 63 and so never looks like a letter. */
const lower = (octet: number): number => (octet >= 65 && octet <= 90 ? octet + 32 : octet);
