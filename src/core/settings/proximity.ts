/** A database of routes between autonomous systems, for networks that nobody has measured. */
import { z } from 'zod';
import { list, section } from './section.ts';

const file = z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' });

export const proximity = section({
  /** RIB dumps in MRT (RFC 6396), plain, .gz or .bz2: read once at start, beside what the routers tell by BGP. */
  routes: list(file, 'paths', 16).default([]),
  /** Relationships as CAIDA publishes them (`provider|customer|-1`, `peer|peer|0`), plain, .gz or .bz2. */
  relationships: file.exactOptional(),
});
