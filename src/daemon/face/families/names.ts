/** Metrics of inbound by name. */
import type { Reading } from '../../../metrics/index.ts';
import type { Scrape } from './scrape.ts';

export const nameReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_dns_events_total',
    type: 'counter',
    labels: ['event'],
    help: 'Queries to the name server by outcome, and its losses by reason',
    read: ({ names }) =>
      Object.entries(names?.counts ?? {}).map(([event, value]) => ({ labels: { event }, value })),
  },
  {
    name: 'headgate_dns_resolvers',
    type: 'gauge',
    labels: [],
    help: 'Resolvers that ask for our names and are remembered, 1000 at most',
    read: ({ names }) => (names ? [{ labels: {}, value: names.resolvers }] : []),
  },
  {
    name: 'headgate_dns_provider_usable',
    type: 'gauge',
    labels: ['link'],
    help: '0 while no answer points to the provider: link down, prefix not announced, or no probe returns',
    read: ({ names }) =>
      (names?.providers ?? []).map(({ link, outReason }) => ({
        labels: { link },
        value: outReason === undefined ? 1 : 0,
      })),
  },
  {
    name: 'headgate_dns_planned_ratio',
    type: 'gauge',
    labels: ['link'],
    help: 'Share of the recent queries whose resolvers the plan sends to the link',
    read: ({ names }) =>
      (names?.providers ?? []).map(({ link, share }) => ({ labels: { link }, value: share })),
  },
  {
    name: 'headgate_dns_address_healthy',
    type: 'gauge',
    labels: ['name', 'link', 'address'],
    help: '1 while the health check of a steered address succeeds',
    read: ({ names }) =>
      (names?.addresses ?? []).map(({ name, link, address, isHealthy }) => ({
        labels: { name, link, address },
        value: isHealthy ? 1 : 0,
      })),
  },
];
