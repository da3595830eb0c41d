import { sipHash24 } from './siphash.ts';

/** Seconds a server cookie is good for, and the age from which a new one is given (RFC 9018 section 4.3). */
const goodForS = 3600;
const renewAfterS = 1800;
/** How far a stamp may lie ahead: another server of ours with a clock of its own. */
const aheadS = 300;

export interface CookieVerdict {
  /** The asker has shown that it receives at its address: no rate limit, no doubt. */
  readonly isValid: boolean;
  /** The 24 octets of the answer's COOKIE option. */
  readonly answer: Uint8Array;
}

/**
 * Checks the COOKIE option of a query and makes the answer's (RFC 9018: version 1, time stamp,
 * SipHash-2-4). `option` has 8 octets or 16 to 40; `nowS` is Unix time in seconds.
 */
export function checkCookie(
  option: Uint8Array,
  address: Uint8Array,
  secret: Uint8Array,
  nowS: number,
): CookieVerdict {
  const client = option.subarray(0, 8);
  if (option.length === 24 && option[8] === 1) {
    const stamp = new DataView(option.buffer, option.byteOffset + 12, 4).getUint32(0);
    // Serial number arithmetic, so that the year 2106 is one like any other (RFC 1982).
    const ageS = (nowS - stamp) | 0;
    if (ageS <= goodForS && ageS >= -aheadS) {
      const expected = makeCookie(client, stamp, address, secret);
      if (equalAlways(expected.subarray(16), option.subarray(16)))
        return {
          isValid: true,
          answer: ageS > renewAfterS ? makeCookie(client, nowS, address, secret) : expected,
        };
    }
  }
  return { isValid: false, answer: makeCookie(client, nowS, address, secret) };
}

function makeCookie(
  client: Uint8Array,
  stampS: number,
  address: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  const cookie = new Uint8Array(24);
  cookie.set(client);
  cookie[8] = 1;
  new DataView(cookie.buffer).setUint32(12, stampS >>> 0);
  const hashed = new Uint8Array(16 + address.length);
  hashed.set(cookie.subarray(0, 16));
  hashed.set(address, 16);
  cookie.set(sipHash24(secret, hashed), 16);
  return cookie;
}

/** Compares without a hint in its duration of how many octets were right. */
function equalAlways(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
