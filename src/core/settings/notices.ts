/** Who is told of what wakes a person: complaints that stand for a while, and their end. */
import { z } from 'zod';
import { duration, whole } from './scalars.ts';
import { list, section } from './section.ts';

const path = z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' });
const mailbox = z
  .string({ error: 'expected a mail address' })
  .regex(/^[^\s@<>,]+@[^\s@<>,]+$/, { error: 'expected a mail address such as noc@example.net' });

export const notices = section({
  /** A complaint of `headgate status` is told when it has stood for this long, and again when it is over. */
  after: duration.default(duration.parse('2m')),
  /** The most notices of an hour; what is held back is told with the next. */
  per_hour: whole(1, 1000).default(6),
  /** A JSON object is posted there (HTTP or HTTPS). */
  webhook: section({
    url: z
      .string({ error: 'expected a URL' })
      .regex(/^https?:\/\/\S+$/, { error: 'expected a URL such as https://hooks.example.net/x' })
      .exactOptional(),
    /** A file whose first line is the URL, where the URL is a secret: a path or a systemd credential's name. */
    url_file: path.exactOptional(),
  }).exactOptional(),
  /** Mail is handed to the local mail system. */
  mail: section({
    to: list(mailbox, 'mail addresses', 32),
    from: mailbox.exactOptional(),
    /** A program that takes a message on its input, as sendmail(8) does with -t. */
    sendmail: path.default('/usr/sbin/sendmail'),
  }).exactOptional(),
});

export type NoticesSettings = z.output<typeof notices>;
