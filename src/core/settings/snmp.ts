/** Router counters by SNMP: one section per router. */
import { z } from 'zod';
import { duration, whole } from './scalars.ts';
import { section } from './section.ts';

const secret = z.string({ error: 'expected a text' }).min(1, { error: 'expected a text' });
const key = z
  .string({ error: 'expected a key' })
  .min(8, { error: 'expected at least 8 characters (RFC 3414)' });

/** A file whose first line is the secret: a path, or without a slash the name of a systemd credential. */
const file = z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' });

/** Common to both versions. */
const schedule = {
  port: whole(1, 65535).default(161),
  /** Between two readings; spread by a tenth, so that routers are not asked in step. */
  interval: duration.default(duration.parse('30s')),
  /** For one request; three are tried. */
  timeout: duration.default(duration.parse('3s')),
};

export const snmp = z.union(
  [
    section({
      version: z.literal('2c'),
      /** Better kept in a file of its own, see `community_file`. */
      community: secret.exactOptional(),
      community_file: file.exactOptional(),
      ...schedule,
    }),
    section({
      version: z.literal(3),
      user: secret,
      auth: z.enum(['md5', 'sha', 'sha256', 'sha512']).exactOptional(),
      auth_key: key.exactOptional(),
      auth_key_file: file.exactOptional(),
      privacy: z.enum(['des', 'aes', 'aes256']).exactOptional(),
      privacy_key: key.exactOptional(),
      privacy_key_file: file.exactOptional(),
      ...schedule,
    }),
  ],
  {
    error:
      'expected { version: "2c", community } or { version: 3, user, auth, auth_key, privacy, privacy_key }',
  },
);

export type SnmpSettings = z.output<typeof snmp>;
