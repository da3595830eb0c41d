import { err, ok, type Result } from '../base/result.ts';
import type { Entry } from './propagate.ts';
import { indexOfAs, type Topology } from './topology.ts';

/** What is done to the announcement on a link, beside announcing it. */
export type Asked = Partial<Omit<Entry, 'provider'>>;

/** What a rung of the ladder does on the links that a block should leave. */
export type Rung = Asked | 'more_specifics';

export interface AskError {
  readonly code: 'unknown_action' | 'unknown_as';
  readonly text: string;
}

/** The words that `parseAsked` knows, for whoever asks. */
export const actions =
  'prepend_N, provider_prepend_N[_to_ASN], no_export_to_ASN, customers_only, last_resort';

/**
 * An action in words: `prepend_2` by us; by the provider on its community `provider_prepend_2` (to all neighbours),
 * `provider_prepend_2_to_3356`, `no_export_to_3356`, `customers_only` and `last_resort` (a local preference below that
 * of the provider's own upstreams).
 */
export function parseAsked(text: string, topology: Topology): Result<Asked, AskError> {
  if (text === 'customers_only') return ok({ isForCustomers: true });
  if (text === 'last_resort') return ok({ isLast: true });
  const own = /^prepend_([1-9]\d?)$/.exec(text);
  if (own) return ok({ prepends: Number(own[1]) });
  const asked = /^(?:provider_prepend_([1-9]\d?)|(no_export))(?:_to_(\d+))?$/.exec(text);
  if (!asked || (asked[2] && !asked[3])) return err({ code: 'unknown_action', text });
  const times = asked[2] ? Number.POSITIVE_INFINITY : Number(asked[1]);
  if (asked[3] === undefined) return ok({ exported: times });
  const neighbour = indexOfAs(topology, Number(asked[3]));
  if (neighbour < 0) return err({ code: 'unknown_as', text });
  return ok({ towards: new Map([[neighbour, times]]) });
}

/** Several things asked of one link at once; prepends add up. */
export function together(all: readonly Asked[]): Asked {
  const towards = new Map<number, number>();
  for (const asked of all)
    for (const [as, times] of asked.towards ?? []) towards.set(as, (towards.get(as) ?? 0) + times);
  const sum = (of: (asked: Asked) => number | undefined) =>
    all.reduce((total, asked) => total + (of(asked) ?? 0), 0);
  return {
    prepends: sum((asked) => asked.prepends),
    exported: sum((asked) => asked.exported),
    towards,
    isForCustomers: all.some((asked) => asked.isForCustomers),
    isLast: all.some((asked) => asked.isLast),
  };
}
