/** Origin validation of what we announce (RFC 6811), from caches or from a file that a validator keeps. */
import { z } from 'zod';
import { duration, listenAddress } from './scalars.ts';
import { list, section } from './section.ts';

export const rpki = section({
  /** Caches of the RPKI to Router protocol (RFC 8210), the preferred first. */
  caches: list(listenAddress, 'addresses and ports', 16).exactOptional(),
  /** JSON or CSV as rpki-client and routinator write it; read again whenever it changes. In place of `caches`. */
  vrps: z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' }).exactOptional(),
  /** Older data is stale: nothing new is announced until it is fresh again. */
  max_age: duration.default(duration.parse('6h')),
  /** Refuse also what no ROA covers. */
  require_roa: z.boolean({ error: 'expected true or false' }).default(false),
});
