/** How announcements bias inbound traffic: the ladder, what providers offer, and the longest prefixes. */
import { z } from 'zod';
import { asn, community, name, whole } from './scalars.ts';
import { list, section } from './section.ts';

/** One rung above "announced everywhere without bias". */
const rung = z.union(
  [
    /** Our AS this many times more towards the other links. */
    section({ prepend: whole(1, 5) }),
    /** The action of that name of the other links' providers, where they offer it (`provider_communities`). */
    section({ provider: name }),
    /** A worse MED on the other links to the same neighbouring AS. */
    z.literal('med'),
    /** The more-specific on the preferred link alone; the aggregate stays on all. */
    z.literal('more_specifics'),
  ],
  {
    error: 'expected { prepend: 1…5 }, { provider: NAME of an action }, med or more_specifics',
  },
);

export const steering = section({
  /** The most prepends that a block gets on the links it should leave; `ladder` says more. */
  rungs: whole(0, 5).default(3),
  /** From the mildest to the strongest, in place of `rungs`. */
  ladder: list(rung, 'rungs', 16).exactOptional(),
  /** Communities by which scrubbing or another controller marks what it announces of ours, beside BLACKHOLE: hands off. */
  foreign: list(community, 'communities', 64).default([]),
  /** The most prefixes that may be announced to one router: three for each block, and some, unless set. */
  max_announced: whole(1, 1_000_000).exactOptional(),
  /** The longest prefixes that may be announced; longer than 24 and 48 few networks accept. */
  floor: section({
    ipv4: whole(8, 32).default(24),
    ipv6: whole(16, 64).default(48),
  }).prefault({}),
});

/** What one provider does for a community: its own table, by names of our choice such as `prepend_2_towards_64501`. */
export const providerCommunities = section({
  /** The provider's AS number, as its links have it. */
  asn,
  actions: z.record(z.string(), list(community, 'communities', 16), {
    error: 'expected NAME: [communities], such as local_preference_80: ["65001:80"]',
  }),
});

export type RungSettings = z.output<typeof rung>;
