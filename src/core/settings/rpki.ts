/** Origin validation of what we announce (RFC 6811), from a file that a validator keeps. */
import { z } from 'zod';
import { duration } from './scalars.ts';
import { section } from './section.ts';

export const rpki = section({
  /** JSON or CSV as rpki-client and routinator write it; read again whenever it changes. */
  vrps: z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' }),
  /** An older file is stale: nothing new is announced until it is fresh again. */
  max_age: duration.default(duration.parse('6h')),
  /** Refuse also what no ROA covers. */
  require_roa: z.boolean({ error: 'expected true or false' }).default(false),
});
