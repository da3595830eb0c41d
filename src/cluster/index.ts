import type { Bus } from './bus.ts';
import type { Cluster, ClusterOptions } from './cluster.ts';
import { Member } from './member.ts';
import { type NatsOptions, openNatsBus, refuseUnauthenticated } from './nats-bus.ts';

export type { ClusterClock } from './bus.ts';
export type { Cluster, ClusterEvent, ClusterOptions, UnitReport } from './cluster.ts';
export type { Membership, Standing } from './membership.ts';
export type { PlanMark, PublishError, StoredPlan } from './plan-store.ts';

/**
 * Joins this unit to the others; while no server can be reached it tries again and again. Throws HeadgateError
 * `unauthenticated` when the options would accept peers from outside this machine without proof.
 */
export function openCluster(
  options: ClusterOptions & Omit<NatsOptions, 'network' | 'unit' | 'leaseMs'>,
): Cluster {
  refuseUnauthenticated(options);
  return openClusterOver(options, () => openNatsBus(options));
}

/** The same over any bus. */
export function openClusterOver(options: ClusterOptions, connect: () => Promise<Bus>): Cluster {
  return new Member(options, connect);
}
