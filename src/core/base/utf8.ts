/** UTF-8 without a machine's help: core has neither TextEncoder nor Buffer, but the language's URI functions know it. */

/** Octets of a text; half a surrogate pair becomes U+FFFD. */
export function encodeUtf8(text: string): number[] {
  const escaped = encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '\ufffd'));
  const bytes: number[] = [];
  for (let i = 0; i < escaped.length; i++) {
    if (escaped[i] === '%') {
      bytes.push(Number.parseInt(escaped.slice(i + 1, i + 3), 16));
      i += 2;
    } else bytes.push(escaped.charCodeAt(i));
  }
  return bytes;
}

/** The text of octets that came from outside; what is not UTF-8 is shown as `%xx` byte by byte, so that nothing hides. */
export function decodeUtf8(bytes: Uint8Array): string {
  const escaped = Array.from(bytes, (b) => `%${b.toString(16).padStart(2, '0')}`).join('');
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}
