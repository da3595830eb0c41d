/** What the operator wants: objective, groups, pins, maintenance, and the rails that limit every move. */
import { z } from 'zod';
import { duration, linkName, name, prefix, share, time, weight, whole } from './scalars.ts';
import { list, section } from './section.ts';

/** Weights of the terms; only their ratios matter. */
export const objective = section({
  balance: weight.default(0),
  congestion: weight.default(0),
  response: weight.default(0),
  price: weight.default(0),
});

export const group = section({
  name,
  /** Beside those that name the group in `blocks`. */
  blocks: list(prefix, 'prefixes').default([]),
  objective: objective.exactOptional(),
  /** Always the link that is best by this one quality, whatever the objective says. */
  best: z
    .enum(['congestion', 'load', 'capacity', 'price', 'proximity'], {
      error: 'expected congestion, load, capacity, price or proximity',
    })
    .exactOptional(),
  /** Links that may be chosen; all unless set. */
  links: list(linkName, 'link names').exactOptional(),
});

export const pin = section({ block: prefix, link: linkName });

export const maintenance = section({ link: linkName, from: time, to: time });

/** Every key overrides one default of core/decide; shares in percent. */
export const rails = section({
  dwell: duration.exactOptional(),
  moves_per_hour: whole(0, 100_000).exactOptional(),
  moves_per_day: whole(0, 100_000).exactOptional(),
  share_per_round: share.exactOptional(),
  headroom: share.exactOptional(),
  settle: duration.exactOptional(),
  high: share.exactOptional(),
  low: share.exactOptional(),
  spread_high: share.exactOptional(),
  spread_low: share.exactOptional(),
  max_age: duration.exactOptional(),
  min_coverage: share.exactOptional(),
  contradiction: share.exactOptional(),
  hold: duration.exactOptional(),
  control_share: share.exactOptional(),
});
