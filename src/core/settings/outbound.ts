/** Outbound steering: destinations that leave by another link than plain BGP would choose. */
import { z } from 'zod';
import { duration, share, whole } from './scalars.ts';
import { section } from './section.ts';

const performance = section({
  /** A path must be faster by this much, and by this share, to be worth leaving BGP's choice. */
  gain: duration.default(duration.parse('5ms')),
  gain_share: share.default(share.parse('10%')),
  /** Round-trip times behind each of the two medians. */
  samples: whole(1, 100_000).default(10),
  /** Of all outbound traffic, what may change its way for this in one cycle. */
  share_per_round: share.default(share.parse('5%')),
  /** How long a detour is left alone before the traffic's own round trips judge it; `rails.settle` unless set. */
  settle: duration.exactOptional(),
  /** How long a way that did not help is not tried again; 6 hours divided by the time scale unless set. */
  rest: duration.exactOptional(),
  /** Destinations that always stay on BGP's choice, to compare against. */
  control_share: share.default(share.parse('5%')),
});

export const outbound = section({
  /** Projected load of a link at which destinations leave it; `links[].outbound_threshold` for one link. */
  threshold: share.default(share.parse('90%')),
  /** Down to which they do, and up to which other links are filled. */
  target: share.default(share.parse('85%')),
  /** A detour ends when its own link would stay below this with it. */
  release: share.default(share.parse('80%')),
  /** The most detours at a time. */
  detours: whole(0, 10_000).default(1000),
  /** Above what the routers themselves give any path. */
  local_preference: whole(1, 4_294_967_295).default(1000),
  /** The heaviest destinations that a decision looks at; what is beyond is load that stays where it is. */
  destinations: whole(1, 100_000).default(2000),
  /** Destinations whose traffic is counted on the wires. */
  counted: whole(0, 1_500_000).default(20_000),
  /**
   * Destinations also move between the links of several routers, which must reach each other without asking a third:
   * by one network or tunnels. Else each router is decided for by itself.
   */
  across_routers: z.boolean().default(false),
  /** A destination is counted and moved in halves when it carries more than this share of the smallest link. */
  split: share.exactOptional(),
  /** Present: faster paths are preferred, little by little. */
  performance: performance.exactOptional(),
});

export const outboundOrder = 'expected release < target < threshold';
export type OutboundSettings = z.output<typeof outbound>;
