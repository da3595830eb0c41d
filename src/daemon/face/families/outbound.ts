/** Metrics of outbound traffic: what links would carry without us and with the plan, detours, configured routers. */
import type { Reading, Sample } from '../../../metrics/index.ts';
import type { RouterEgress } from '../../outbound/destinations.ts';
import type { Scrape } from './scrape.ts';

export const outboundReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_outbound_projected_load_ratio',
    type: 'gauge',
    labels: ['router', 'link', 'plan'],
    help: 'Outbound load over capacity that a link would have by plain BGP (without) and has by the plan (with)',
    read: ({ outbound }) =>
      (outbound?.decided ?? []).flatMap(({ router, plan }) =>
        plan.projection.flatMap(({ link, capacity, plain, planned }) =>
          capacity === 0
            ? []
            : [
                { labels: { router, link, plan: 'without' }, value: plain / capacity },
                { labels: { router, link, plan: 'with' }, value: planned / capacity },
              ],
        ),
      ),
  },
  {
    name: 'headgate_outbound_detours',
    type: 'gauge',
    labels: ['router', 'from', 'to', 'because'],
    help: 'Destinations or sessions that the plan sends by another link than plain BGP',
    read: ({ outbound }) => (outbound?.decided ?? []).flatMap((entry) => detoursOf(entry, () => 1)),
  },
  {
    name: 'headgate_outbound_detoured_bytes_per_second',
    type: 'gauge',
    labels: ['router', 'from', 'to', 'because'],
    help: 'Their traffic, averaged as the decision sees it',
    read: ({ outbound }) =>
      (outbound?.decided ?? []).flatMap((entry) => detoursOf(entry, (rate) => rate / 8)),
  },
  {
    name: 'headgate_outbound_unplaced_bytes_per_second',
    type: 'gauge',
    labels: ['router', 'link'],
    help: 'Load above a threshold that no other link had room for',
    read: ({ outbound }) =>
      (outbound?.decided ?? []).flatMap(({ router, plan }) =>
        plan.unplaced.map(({ link, excess }) => ({ labels: { router, link }, value: excess / 8 })),
      ),
  },
  {
    name: 'headgate_router_changes_total',
    type: 'counter',
    labels: ['router', 'result'],
    help: 'Changes of routers that are configured: applied, unchanged, rolled_back or failed',
    read: ({ configured }) =>
      [...configured].map(([key, value]) => {
        const [router = '', result = ''] = key.split(' ');
        return { labels: { router, result }, value };
      }),
  },
];

/** One sample for each pair of links and reason. */
function detoursOf(
  { router, destinations, plan }: RouterEgress<string>,
  measure: (rate: number) => number,
): readonly Sample[] {
  const rates = new Map(destinations.map(({ destination, rate }) => [destination, rate]));
  const sums = new Map<string, { labels: Sample['labels']; value: number }>();
  for (const { destination, from, link, because } of plan.overrides) {
    const key = `${from} ${link} ${because}`;
    const sum = sums.get(key) ?? { labels: { router, from, to: link, because }, value: 0 };
    sum.value += measure(rates.get(destination) ?? 0);
    sums.set(key, sum);
  }
  return [...sums.values()];
}
