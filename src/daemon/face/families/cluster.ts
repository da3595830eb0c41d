/** Metrics of several units as one, as this unit sees the others. */
import type { Reading } from '../../../metrics/index.ts';
import { one, type Scrape } from './scrape.ts';

export const clusterReadings: ReadonlyArray<Reading<Scrape>> = [
  {
    name: 'headgate_cluster_connected',
    type: 'gauge',
    labels: [],
    help: '1 while this unit has its connection with NATS',
    read: ({ joint }) => one(joint && Number(joint.cluster.isConnected())),
  },
  {
    name: 'headgate_cluster_leader',
    type: 'gauge',
    labels: [],
    help: '1 while this unit decides for all',
    read: ({ joint }) => one(joint && Number(joint.leads)),
  },
  {
    name: 'headgate_cluster_standing',
    type: 'gauge',
    labels: ['standing'],
    help: '1 for what this unit does: led, holding the last plan, or released to plain BGP',
    read: ({ joint }) =>
      joint
        ? (['led', 'holding', 'released'] as const).map((standing) => ({
            labels: { standing },
            value: Number(joint.cluster.standing() === standing),
          }))
        : [],
  },
  {
    name: 'headgate_cluster_units',
    type: 'gauge',
    labels: ['state'],
    help: 'Units as this one hears them: live, frozen or gone',
    read: ({ joint }) => {
      if (!joint) return [];
      const { live, frozen, gone } = joint.cluster.membership();
      return Object.entries({ live, frozen, gone }).map(([state, units]) => ({
        labels: { state },
        value: units.length,
      }));
    },
  },
  {
    name: 'headgate_cluster_refused_blocks',
    type: 'gauge',
    labels: [],
    help: "Blocks of the leader's plan that this unit's own rails refuse",
    read: ({ joint }) => one(joint?.refused.length),
  },
  {
    name: 'headgate_cluster_events_total',
    type: 'counter',
    labels: ['event'],
    help: 'Reports, bytes, refused messages, lost parts and failed writes between units',
    read: ({ joint }) =>
      Object.entries(joint?.counters ?? {}).map(([event, value]) => ({ labels: { event }, value })),
  },
];
